"""An advisory database that lies on this machine: OSV records, as files or in the zips that osv.dev publishes.

Read once from beginning to end; only records that name a part of the artifact are parsed. Nothing is fetched.
"""

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stationmaster.domain.errors import OutsideError
from stationmaster.domain.scan_advisories import Found, found_in, names_of, spelled
from stationmaster.domain.scan_parts import Part

_LARGEST = 32 << 20  # bytes of one record
_FIELD = re.compile(rb'"(name|ecosystem|modified)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_NOT_OSV = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class AdvisoriesUnreadableError(OutsideError):
    """The advisory database is not there, is damaged, or holds something else."""

    code = "advisories_unreadable"

    def __init__(self, place: Path, why: str) -> None:
        super().__init__(f"the advisory database {place} cannot be used: {why}", hint="mirror it anew", file=str(place))


@dataclass
class Advisories:
    """What the database says of the parts, and which data it was."""

    records: int = 0
    newest: dict[str, datetime] = field(default_factory=dict)  # by ecosystem: when its last record was changed
    digest: str = ""  # over all its files
    found: list[Found] = field(default_factory=list)


def advisories(place: Path, parts: Iterable[Part]) -> Advisories:
    """What the database in a folder or a zip says of these parts.

    Raises:
        AdvisoriesUnreadableError: it is not there, is damaged or empty, or a record about one of the parts is not OSV.
    """
    wanted: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        wanted.setdefault(names_of(part), []).append(part)
    read, whole = Advisories(), hashlib.sha256()
    for name, content in _records(place):
        whole.update(hashlib.sha256(content).digest())
        _take(read, place, name, content, wanted)
    if not read.records:
        raise AdvisoriesUnreadableError(place, "it has no OSV record")
    read.digest = f"sha256:{whole.hexdigest()}"
    return read


def _take(read: Advisories, place: Path, name: str, content: bytes, wanted: dict[tuple[str, str], list[Part]]) -> None:
    """Count one record, and keep what it says of the parts. Names that are written with escapes are parsed first."""
    told = _FIELD.findall(content)
    names = {value for key, value in told if key == b"name"}
    systems = {value.decode(errors="replace").partition(":")[0] for key, value in told if key == b"ecosystem"}
    changed = max((at for key, value in told if key == b"modified" and (at := _instant(value))), default=None)
    if changed is None or not systems:
        raise AdvisoriesUnreadableError(place, f"{name} is no OSV record")
    read.records += 1
    read.newest |= {system: max(changed, read.newest.get(system, changed)) for system in systems}
    if any(b"\\" in one for one in names) or _named(names, systems, wanted):
        read.found += _said(place, name, content, wanted)


def _named(names: set[bytes], systems: set[str], wanted: dict[tuple[str, str], list[Part]]) -> bool:
    texts = [one.decode(errors="replace") for one in names]
    return any((system, spelled(text, system)) in wanted for system in systems for text in texts)


def _said(place: Path, name: str, content: bytes, wanted: dict[tuple[str, str], list[Part]]) -> Iterator[Found]:
    try:
        record: dict[str, Any] = json.loads(content)
        found = [found_in(record, part) for same in wanted.values() for part in same]
    except _NOT_OSV as error:
        raise AdvisoriesUnreadableError(place, f"{name} is no OSV record ({type(error).__name__})") from None
    yield from filter(None, found)


def _instant(text: bytes) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.decode())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _records(place: Path) -> Iterator[tuple[str, bytes]]:
    """Every record by its name, in an order that is always the same."""
    try:
        if place.is_file():
            yield from _zipped(place)
            return
        for path in sorted(place.rglob("*")):
            if path.suffix == ".zip":
                yield from _zipped(path)
            elif path.suffix == ".json" and path.is_file():
                yield path.name, path.read_bytes()
    except OSError as error:
        raise AdvisoriesUnreadableError(place, str(error.strerror)) from error


def _zipped(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda one: one.filename):
                if info.filename.endswith(".json"):
                    yield info.filename, _within(path, archive, info)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise AdvisoriesUnreadableError(path, f"the zip is damaged: {error}") from None


def _within(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as entry:
        content = entry.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise AdvisoriesUnreadableError(path, f"{info.filename} is larger than a record")
    return content
