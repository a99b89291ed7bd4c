"""Build once: the product's own build command in a clean export, its output published under its digest."""

import json
import shutil
from hashlib import file_digest
from pathlib import Path
from typing import Any

from stationmaster.blocks.artifact_store import ArtifactMissingError
from stationmaster.blocks.guest import run
from stationmaster.blocks.kept import keep_log
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.space import NoSpaceError
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import InputError
from stationmaster.domain.scans import LARGEST, SbomUnusableError
from stationmaster.tasks import act


@act("build", timeout=7200)
def build(leg: Leg, cut: Cut) -> Artifact:
    """The release's only artifact. A build that was killed before it was published is thrown away and made again; one
    that was published and not recorded is adopted, so that a build that never gives the same bytes twice is still one.
    """
    inputs = {"commit": cut.commit.commit}
    if done := leg.recorded("built", inputs):
        return Artifact(digest=done.fact["digest"], size=done.fact["size"])
    fact = _published(leg, cut) or _build(leg, cut)
    leg.record("built", inputs, fact)
    return Artifact(digest=fact["digest"], size=fact["size"])


def _build(leg: Leg, cut: Cut) -> dict[str, Any]:
    """A build that filled the disk gives it back at once: the ledger may lie there too."""
    try:
        return _built(leg, cut)
    except NoSpaceError:
        shutil.rmtree(leg.folder("build") / "export", ignore_errors=True)
        raise


def _built(leg: Leg, cut: Cut) -> dict[str, Any]:
    steps, export, home = cut.product.build, leg.export("build", cut.commit.commit), leg.folder("build")
    env = {"SOURCE_DATE_EPOCH": str(cut.commit.at), "VERSION": cut.commit.version}
    began, log = leg.tools.now(), home / "build.log"
    done = run(steps.command, cwd=export, home=home, log=log, timeout=steps.timeout, env=env)
    output = _output(export, steps.output)
    times = {"seconds": done.seconds, "began": instant(began), "ended": instant(leg.tools.now())}
    fact = {**_measure(output).model_dump(), **times, "log": keep_log(leg.tools, log), **_sbom(leg, cut, export)}
    _note(leg, cut).write_text(json.dumps(fact))  # before it is published: from then on it is known whose it is
    leg.tools.artifacts.publish(output)
    return fact


def _sbom(leg: Leg, cut: Cut, export: Path) -> dict[str, str]:
    """The SBOM that the product's build leaves, kept now: another machine may go on from here, without the export."""
    if cut.product.scans.sbom is None:
        return {}
    path = _output(export, cut.product.scans.sbom, "scans.sbom")
    if path.stat().st_size > LARGEST:
        raise SbomUnusableError(f"the SBOM is larger than {LARGEST >> 20} MiB", file=cut.product.scans.sbom)
    return {"sbom": leg.tools.evidence.keep(path.read_bytes())}


def _published(leg: Leg, cut: Cut) -> dict[str, Any] | None:
    """What a killed leg of this release built from this commit, if it came so far as to publish it."""
    try:
        fact: dict[str, Any] = json.loads(_note(leg, cut).read_text())
        leg.tools.artifacts.path(fact["digest"])
    except (FileNotFoundError, ValueError, ArtifactMissingError):  # a half-written note is none
        return None
    return fact


def _note(leg: Leg, cut: Cut) -> Path:
    """Outside of what the build sees as its home: it must not be able to say what it published."""
    return leg.folder("published") / f"{cut.commit.commit}.json"


def _measure(path: Path) -> Artifact:
    with path.open("rb") as file:
        return Artifact(digest=f"sha256:{file_digest(file, 'sha256').hexdigest()}", size=path.stat().st_size)


def _output(export: Path, name: str, key: str = "build.output") -> Path:
    path = export / name
    if not path.resolve().is_relative_to(export.resolve()) or not path.is_file():
        raise InputError(
            f"the build left no file {name}",
            file="stationmaster.yaml",
            hint=f"{key} must name what the command leaves; {_there(path.parent)}",
        )
    return path


def _there(folder: Path) -> str:
    found = sorted(file.name for file in folder.glob("*")) if folder.is_dir() else []
    return f"{folder.name}/ has: {', '.join(found) or 'nothing'}"
