"""`checks run`: the product's own checks as a release runs them, before there is a release. Nothing is recorded."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cyclopts import App

from stationmaster.cli.checkout import commit_of
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.cli.scan import scan
from stationmaster.domain.documents import read
from stationmaster.domain.errors import Exit, InputError, RefusedError, nearest
from stationmaster.domain.product import Check, Product

if TYPE_CHECKING:
    from stationmaster.blocks.source import GitRepository

app = App(name="checks", help="Run the product's own checks, as a release does.")
app.command(scan)


class UnknownCheckError(InputError):
    """stationmaster.yaml declares no such check."""

    code = "unknown_check"


class DatabaseNotNamedError(InputError):
    """The checks need a database, and nobody said where one may be created."""

    code = "database_not_named"


class ArtifactMissingError(RefusedError):
    """The build ended well and left no file where stationmaster.yaml says."""

    code = "artifact_missing"


@app.command
def run(folder: Path = Path(), *checks: str, ref: str = "HEAD", json: Flag = False) -> int:
    """Build a commit and run its checks against the file. Exit code 1: one does not pass.

    With a `database` in stationmaster.yaml, DATABASE_URL names a PostgreSQL server on which databases may be created
    and dropped. Quarantined tests are told and stop nothing until their term ends.

    Parameters
    ----------
    folder
        The product's repository.
    checks
        Which of them; all unless given.
    ref
        The commit, branch or tag. What is not committed is not checked.
    json
        One object on standard output.
    """
    with TemporaryDirectory(prefix="stationmaster-checks-") as work:
        found = list(_run(folder, checks, ref, Path(work)))
    failed = [one["name"] for one in found if one["error"]]
    text = f"{len(found) - len(failed)} of {len(found)} checks passed"
    answer({"checks": found, "passed": not failed}, as_json=json, text=text)
    return Exit.NO if failed else Exit.YES


def _run(folder: Path, names: tuple[str, ...], ref: str, work: Path) -> Iterator[dict[str, Any]]:
    source, commit = commit_of(folder, ref)
    product = read(Product, source.read(commit, "stationmaster.yaml"), "stationmaster.yaml").value
    wanted = _wanted(product, names)
    address = _address(product) if wanted else ""
    artifact = _built(product, source, commit, work)
    for check in wanted:
        home = work / check.name
        source.export(commit, home / "export")
        one = _checked(check, artifact, home, address)
        _tell(one)
        yield one


def _wanted(product: Product, names: tuple[str, ...]) -> list[Check]:
    known = {check.name: check for check in product.checks}
    for name in names:
        if name not in known:
            raise UnknownCheckError(f"stationmaster.yaml declares no check {name!r}", hint=nearest(name, known))
    return [known[name] for name in names or known]


def _address(product: Product) -> str:
    address = os.environ.get("DATABASE_URL", "")
    if product.database and not address:
        raise DatabaseNotNamedError(
            "the checks get an empty database each, and DATABASE_URL names no server",
            hint="DATABASE_URL=postgresql://USER@HOST/DATABASE stationmaster checks run",
        )
    return address if product.database else ""


def _built(product: Product, source: "GitRepository", commit: str, work: Path) -> Path:
    """The file that the build command leaves."""
    from stationmaster.blocks import guest  # noqa: PLC0415 - as above

    export, build = work / "build" / "export", product.build
    source.export(commit, export)
    guest.run(build.command, cwd=export, home=work / "build", log=work / "build" / "build.log", timeout=build.timeout)
    artifact = export / build.output
    if not artifact.is_file():
        raise ArtifactMissingError(
            f"the build left no file {build.output}", hint="correct `build` in stationmaster.yaml"
        )
    return artifact


def _checked(check: Check, artifact: Path, home: Path, address: str) -> dict[str, Any]:
    """The check's fact, and its error when it does not pass."""
    from stationmaster.blocks.postgres import temporary  # noqa: PLC0415 - as above
    from stationmaster.tasks.checks import run_check  # noqa: PLC0415 - prefect costs seconds; --help never pays them

    with ExitStack() as stack:
        env = {"DATABASE_URL": stack.enter_context(temporary(address, f"check_{check.name}"))} if address else {}
        try:
            ran = run_check(check, str(artifact), home / "export", home, env, today=datetime.now(UTC).date())
        except RefusedError as error:
            return {"name": check.name, "error": error.record()}
    return {**ran, "error": None}


def _tell(one: dict[str, Any]) -> None:
    say(f"{'FAILED' if one['error'] else 'passed'}  {one['name']}")
    if one["error"]:
        say(f"        {one['error']['message']}")
    for test in one.get("quarantined", ()):
        say(f"        in quarantine: {test['test']} {test['outcome']}, until {test['expires']} ({test['ticket']})")
