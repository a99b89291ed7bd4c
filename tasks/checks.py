"""The product's declared checks, against the built artifact and an empty scratch database."""

import functools
import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date
from pathlib import Path
from typing import Any

from stationmaster.blocks.guest import GuestFailedError, run
from stationmaster.blocks.kept import keep_log
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.coverage import LARGEST as LARGEST_COVERAGE
from stationmaster.domain.coverage import Coverage, CoverageUnreadableError, read_coverage
from stationmaster.domain.product import Check
from stationmaster.domain.quarantine import (
    LARGEST_REPORT,
    TESTS_FAILED,
    Judgement,
    ReportUnreadableError,
    TestsFailedError,
    judge,
    results,
)
from stationmaster.tasks import act


@act("test", timeout=7200)
def run_checks(leg: Leg, cut: Cut, artifact: Artifact) -> None:
    """Every check passes, or the release stops with the log of the one that did not."""
    inputs = {"digest": artifact.digest, "commit": cut.commit.commit}
    if leg.recorded("tested", inputs):
        return
    passed = [_run(leg, cut, artifact, check) for check in cut.product.checks]
    leg.record("tested", inputs, {"checks": passed})


def _run(leg: Leg, cut: Cut, artifact: Artifact, check: Check) -> dict[str, Any]:
    path = str(leg.tools.artifacts.path(artifact.digest))
    export, home = leg.export(f"check-{check.name}", cut.commit.commit), leg.folder(f"check-{check.name}")
    with ExitStack() as stack:
        env = {}
        if cut.product.database:
            stack.enter_context(leg.tools.database.steady())
            env["DATABASE_URL"] = stack.enter_context(
                leg.tools.database.scratch_database(f"scratch_{leg.release}_{check.name}")
            )
        today, keep = leg.tools.now().astimezone(UTC).date(), functools.partial(keep_log, leg.tools)
        return run_check(check, path, export, home, env, today=today, keep=keep)


def digest_of(file: Path) -> str:
    """The digest of a file that nobody keeps."""
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def run_check(
    check: Check, artifact: str, export: Path, home: Path, env: dict[str, str], *, today: date,
    keep: Callable[[Path], str] = digest_of,
) -> dict[str, Any]:  # fmt: skip
    """One check to its end: its name and seconds, what its report said of which tests, its coverage; and what `keep`
    says are the digests of its log and reports.

    Raises:
        GuestFailedError: it failed. GuestTimeoutError, CommandNotFoundError, NoSpaceError: as `guest.run`.
        TestsFailedError, ReportUnreadableError: it has a report, and that does not let it pass.
        CoverageUnreadableError: it promises coverage, and left none that can be read.
    """
    command = tuple(word.replace("{artifact}", artifact) for word in check.command)
    env, log = {"ARTIFACT": artifact, "PYTHONPATH": artifact, **env}, home / "check.log"
    report = _cleared(export, check.report) if check.report else None
    coverage = _cleared(export, check.coverage) if check.coverage else None
    failed, started = None, time.monotonic()
    try:
        run(command, cwd=export, home=home, log=log, timeout=check.timeout, env=env)
    except GuestFailedError as error:
        if report is None or error.returncode != TESTS_FAILED:
            raise
        failed = error
    ran = {"name": check.name, "seconds": round(time.monotonic() - started, 3), "log": keep(log)}
    if report is not None:
        ran |= {**_judged(check, report, log, failed, today).fact(), "report": keep(report)}
    if coverage is not None:
        ran["coverage"] = {**_covered(coverage, export).fact(), "report": keep(coverage)}
    return ran


def _cleared(export: Path, name: str) -> Path:
    """Where the report will lie. One that was committed goes: it tells nothing of this run."""
    report = export.resolve() / name
    if report.parent.resolve() != report.parent:
        raise ReportUnreadableError(f"the report {name} leads out of the export, by a link in the repository")
    if report.is_symlink() or report.is_file():
        report.unlink()
    return report


def _judged(check: Check, report: Path, log: Path, failed: GuestFailedError | None, today: date) -> Judgement:
    """Of a report that may hold anything: what wrote it is the product's."""
    judgement = judge(check.quarantine, results(_read(report, failed)), failed.returncode if failed else 0, today)
    if judgement.reasons:
        said, hint = (failed.said, failed.hint) if failed else ("", None)
        raise TestsFailedError(check.name, judgement.reasons, said=said, hint=hint or f"the whole log: {log}")
    return judgement


def _read(report: Path, failed: GuestFailedError | None) -> bytes:
    """The report's bytes; a guest may have left anything in its place, a link out of the export above all."""
    said = f"\n{failed.said}" if failed else ""
    if report.resolve() != report or not report.is_file():
        raise ReportUnreadableError(f"the check left no report {report.name}{said}", file=str(report))
    if report.stat().st_size > LARGEST_REPORT:
        raise ReportUnreadableError(f"the report is larger than {LARGEST_REPORT >> 20} MiB{said}", file=str(report))
    return report.read_bytes()


def _covered(report: Path, export: Path) -> Coverage:
    """As `_read`, of the coverage."""
    name = report.relative_to(export.resolve()).as_posix()
    if report.resolve() != report or not report.is_file():
        raise CoverageUnreadableError("the check left no such file", name)
    if report.stat().st_size > LARGEST_COVERAGE:
        raise CoverageUnreadableError(f"the report is larger than {LARGEST_COVERAGE >> 20} MiB", name)
    return read_coverage(report.read_bytes(), name)
