"""What is scanned, by which rules, and what a scan answers. It does nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.scan_parts import Part
from stationmaster.domain.scans import Scans


@dataclass(frozen=True)
class Subject:
    """The file that is scanned."""

    product: str
    version: str
    digest: str
    at: int  # seconds since the epoch: when its commit was made

    @property
    def sha256(self) -> str:
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True)
class Given:
    """What is scanned, and by which rules."""

    subject: Subject
    artifact: Path | None  # None: nothing is built yet, and the lock files tell
    tree: Path  # the files of the commit
    added: Mapping[str, frozenset[int]]  # numbers of the lines that the change adds, by path
    scans: Scans
    now: datetime
    sbom: bytes | None = None  # what the build left as its SBOM


@dataclass(frozen=True)
class Answer:
    """What one scan says."""

    fact: dict[str, Any]
    report: bytes
    error: StationmasterError | None = None


@dataclass(frozen=True)
class Inventory:
    """What the artifact is made of, and why there may be more than is known."""

    parts: tuple[Part, ...]
    source: str  # artifact, lock files, both, build, or file: nothing names its parts
    incomplete: tuple[str, ...] = ()
    document: bytes = field(default=b"", repr=False)


def tool(package: str) -> dict[str, str]:
    return {"name": package, "version": version(package)}
