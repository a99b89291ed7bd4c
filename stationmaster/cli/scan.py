"""`checks scan`: what a release would find in a change and in the file built from it. Nothing is recorded."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stationmaster.cli.checkout import base_of, commit_of
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.domain.documents import read
from stationmaster.domain.errors import Exit, InputError
from stationmaster.domain.product import Product
from stationmaster.domain.scans import Scans

if TYPE_CHECKING:
    from stationmaster.blocks.scan_given import Answer

_RELEASE_BRANCH = "main"  # of a product without trains


class ArtifactNotThereError(InputError):
    """There is no built file of that name."""

    code = "artifact_not_there"


def scan(
    folder: Path = Path(),
    *,
    artifact: Path | None = None,
    since: str | None = None,
    ref: str = "HEAD",
    advisories: Path | None = None,
    json: Flag = False,
) -> int:
    """Scan a change and the file built from it, as a release does. Exit code 1: a release would be refused.

    Looks for secrets in the lines that the change adds, and for known vulnerabilities in the parts of the built file.
    Asks no network.

    Parameters
    ----------
    folder
        The product's repository.
    artifact
        The file that the build left. Without one, lock files say what the parts are.
    since
        The commit, branch or tag before the change; where it left the release branch unless given.
    ref
        The commit, branch or tag. What is not committed is not scanned.
    advisories
        Folder or zip of OSV records; the database of stationmaster.yaml, if it lies on this machine, unless given.
    json
        One object on standard output.
    """
    with TemporaryDirectory(prefix="stationmaster-scan-") as work:
        found = _scanned(folder, ref, Path(work) / "tree", artifact=artifact, since=since, advisories=advisories)
    errors = [one.error for one in found.values() if one.error]
    for name, one in found.items():
        say(f"{'REFUSED' if one.error else 'passed '}  {name}: {one.fact['result']}")
    for error in errors:
        say(f"{error.message}\n  {error.hint}")
    text = "a release would be refused" if errors else "no release would be refused for this"
    told = {name: one.fact for name, one in found.items()}
    answer({**told, "errors": [one.record() for one in errors], "passed": not errors}, as_json=json, text=text)
    return Exit.NO if errors else Exit.YES


def _scanned(
    folder: Path, ref: str, tree: Path, *, artifact: Path | None, since: str | None, advisories: Path | None
) -> "dict[str, Answer]":
    from stationmaster.blocks import scanners  # noqa: PLC0415 - its libraries cost half a second; --help never pays it
    from stationmaster.blocks.scan_given import Given, Subject  # noqa: PLC0415 - as above

    source, commit = commit_of(folder, ref)
    product = read(Product, source.read(commit, "stationmaster.yaml"), "stationmaster.yaml").value
    branch = product.train.branch if product.train else _RELEASE_BRANCH
    base = (commit_of(folder, since)[1],) if since else base_of(folder, commit, branch)
    source.export(commit, tree)
    digest, made = _digest(artifact), source.resolve(commit)  # a whole id: nothing is fetched
    scans = _here(product.scans, artifact, advisories)
    return scanners.scan(
        Given(
            subject=Subject(product.product, made.version, digest, made.at),
            artifact=artifact,
            tree=tree,
            added=source.additions(base, commit),
            scans=scans,
            now=datetime.now(UTC),
            sbom=_left(folder, scans),
        )
    )


def _digest(artifact: Path | None) -> str:
    """Of the built file; of nothing when there is none."""
    if artifact is None:
        return f"sha256:{hashlib.sha256().hexdigest()}"
    if not artifact.is_file():
        raise ArtifactNotThereError(f"there is no file {artifact}", hint="build it first, or leave --artifact out")
    with artifact.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _here(scans: Scans, artifact: Path | None, advisories: Path | None) -> Scans:
    """The rules as they can be asked on this machine: the worker's database may not be here, and what nobody built has
    no SBOM of its build.
    """
    asked = scans.vulnerabilities
    place = str(advisories.absolute()) if advisories else asked.database
    there = place if advisories or (place and Path(place).exists()) else None
    rules = asked.model_copy(update={"database": there, "required": asked.required and there is not None})
    return scans.model_copy(update={"vulnerabilities": rules, "sbom": scans.sbom if artifact else None})


def _left(folder: Path, scans: Scans) -> bytes | None:
    path = folder / scans.sbom if scans.sbom else None
    return path.read_bytes() if path and path.is_file() else None
