"""`migrations lint`: which revisions or SQL are read, and how findings are told, recorded and handed to a code host."""

import json as as_text
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stationmaster.cli.output import answer
from stationmaster.domain.errors import Exit, InputError

if TYPE_CHECKING:
    from stationmaster.blocks.migration_folder import Folder
    from stationmaster.domain.migration_revisions import Judged
    from stationmaster.domain.migrations import Finding


class SqlNotReadableError(InputError):
    """The file of SQL cannot be read, or the report cannot be written."""

    code = "sql_not_readable"


class NothingToLintError(InputError):
    """Neither revisions nor SQL were given, or both."""

    code = "nothing_to_lint"


def lint_given(
    paths: Sequence[Path], sql: Sequence[Path], since: str | None, python: Path | None, timeout: float
) -> "tuple[list[Finding], int | None]":
    """The findings, and of how many revisions; None for SQL."""
    if bool(paths) == bool(sql):
        what = "revisions and SQL are judged one after the other" if paths else "nothing was given"
        raise NothingToLintError(
            what, hint="migrations lint PATH for a folder of Alembic revisions, or migrations lint --sql FILE"
        )
    if sql:
        if since or python:
            raise NothingToLintError("--since and --python are for revisions, not for --sql")
        from stationmaster.domain.migrations import lint  # noqa: PLC0415 - its parser costs; --help never pays

        return [finding for file in sql for finding in lint(_text(file), file.as_posix())], None
    judged = judged_at(paths, since, python, timeout)
    return [finding for one in judged for finding in one.findings], len(judged)


def judged_at(paths: Sequence[Path], since: str | None, python: Path | None, timeout: float) -> "list[Judged]":
    """Every revision of the folder is recorded, since one is judged by those before it; those asked for are told."""
    from stationmaster.blocks.migration_folder import revisions_at  # noqa: PLC0415 - as above
    from stationmaster.blocks.migration_recordings import recorded  # noqa: PLC0415
    from stationmaster.domain.migration_revisions import judge  # noqa: PLC0415

    folder = revisions_at(*paths)
    judged = judge(recorded(folder, python=python, timeout=timeout))
    asked = {Path(file).resolve() for file in folder.asked} & _since(since, folder, judged)
    return [one for one in judged if Path(one.revision.file).resolve() in asked]


def _since(since: str | None, folder: "Folder", judged: "tuple[Judged, ...]") -> set[Path]:
    """The files that came after a revision, or after a commit."""
    from stationmaster.blocks.migration_changed import changed_since  # noqa: PLC0415
    from stationmaster.domain.migration_history import History  # noqa: PLC0415

    if since is None:
        return {file.resolve() for file in folder.asked}
    history = History.of([one.revision for one in judged])
    known = history.resolve(since)
    if known is None:
        return set(changed_since(since, folder.scripts))
    later = {one for one in history.revisions if known in history.ancestors(one)}
    return {Path(history.revisions[one].file).resolve() for one in later}


def tell(found: "list[Finding]", revisions: int | None, *, as_json: bool, sarif: Path | None) -> int:
    """Prints and writes; the exit code."""
    if sarif is not None:
        _write(sarif, found)
    answer(_record(found), as_json=as_json, text=_told(found, revisions))
    return Exit.NO if any(one.severity == "error" for one in found) else Exit.YES


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SqlNotReadableError(f"the file cannot be read: {error.strerror}", file=file.as_posix()) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SqlNotReadableError("the file is not UTF-8", file=file.as_posix(), line=line) from None


def _write(path: Path, found: "list[Finding]") -> None:
    from stationmaster.domain.migration_sarif import sarif  # noqa: PLC0415 - as above

    try:
        path.write_text(as_text.dumps(sarif(found, version("stationmaster")), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SqlNotReadableError(f"the report cannot be written: {error.strerror}", file=str(path)) from None


def _record(found: "list[Finding]") -> dict[str, Any]:
    """What cannot be seen into is named a second time, so that nobody counts it among what was read."""
    unseen = [
        {"revision": one.revision, "file": one.file, "line": one.line, "message": one.message}
        for one in found
        if one.rule == "unrenderable"
    ]
    return {"findings": [one.record() for one in found], "unrenderable": unseen}


def _told(found: "list[Finding]", revisions: int | None) -> str:
    lines = [line for one in found for line in _lines(one)]
    counts = {level: sum(one.severity == level for one in found) for level in ("error", "warning", "info")}
    read = f"revisions: {revisions}, " if revisions is not None else ""
    sums = f"{read}errors: {counts['error']}, warnings: {counts['warning']}, infos: {counts['info']}"
    return "\n".join([*lines, sums])


def _lines(finding: "Finding") -> list[str]:
    lock = f" [{finding.lock}]" if finding.lock else ""
    head = f"{finding.file}:{finding.line}: {finding.severity}: {finding.rule}: {finding.message}{lock}"
    return [head, f"    allowed: {finding.reason}" if finding.reason else f"    instead: {finding.fix}"]
