"""The files of a bundle as they are collected. Of a bundle for one tenant nothing is taken that names another: logs are
cut line by line, and the rest is left out and told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stationmaster.blocks.artifact_store import ArtifactCorruptError, ArtifactMissingError, DirectoryStore
from stationmaster.domain.bundle import Absent, Cut, Why, envelope_name, who_name
from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.kept import Kept, kept
from stationmaster.domain.others import Others


@dataclass
class Collection:
    """Files by name, which entry tells of each and what was cut from it, and what is not there."""

    others: Others | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, tuple[int, Cut | None]] = field(default_factory=dict)
    absent: list[Absent] = field(default_factory=list)

    def put(self, name: str, content: bytes, what: str, entry: int | None = None) -> None:
        """Take a file along, unless it names another tenant."""
        if why := self._unfit(content):
            self.miss(what, why, entry, digest(content))
            return
        self.files[name] = content
        if entry is not None:
            self.told[name] = (entry, None)

    def put_log(self, one: Kept, content: bytes) -> None:
        """Take a log along, without the lines that name another tenant."""
        rest, gone = self.others.cut(content) if self.others else (content, 0)
        if gone:
            self.files[one.name], self.told[one.name] = rest, (one.entry, Cut(of=one.digest, lines=gone))
        else:
            self.put(one.name, content, one.what, one.entry)

    def miss(self, what: str, why: Why, entry: int | None = None, told: str | None = None) -> None:
        """Say that something is not there."""
        self.absent.append(Absent(entry=entry, what=what, digest=told, why=why))

    def _unfit(self, content: bytes) -> Why | None:
        """Why a customer cannot be given a file. What is no text cannot be looked into."""
        if self.others is None:
            return None
        try:
            content.decode()
        except UnicodeDecodeError:
            return "no text"
        return "names another tenant" if self.others.named_in(content) else None


def collect_kept(into: Collection, store: DirectoryStore, entries: Iterable[Entry]) -> None:
    """What the entries tell of and the evidence store has: logs, reports, scans, attestations."""
    for one in kept(entries):
        try:
            content = store.bytes_of(one.digest)
        except (ArtifactMissingError, ArtifactCorruptError) as error:
            if one.kind != "other":
                damaged = isinstance(error, ArtifactCorruptError)
                into.miss(one.what, "damaged" if damaged else "not kept", one.entry, one.digest)
            continue
        if one.kind == "log":
            into.put_log(one, content)
        else:
            into.put(one.name, content, one.what, one.entry)


def collect_people(
    into: Collection, entries: Iterable[Entry], sealed: Mapping[int, bytes], wrong: frozenset[int]
) -> None:
    """Who did it, as far as it was not erased; what is not as it was recorded, as that of `wrong`, proves nothing."""
    for entry in entries:
        content = sealed.get(entry.index)
        if entry.index in wrong:
            into.miss("who", "damaged", entry.index, entry.payload)
        elif content is not None:
            into.put(who_name(entry.index), content, "who", entry.index)
        elif entry.payload is not None:
            into.miss("who", "erased", entry.index, entry.payload)


def collect_envelopes(into: Collection, entries: Iterable[Entry], personal: Mapping[int, Mapping[str, Any]]) -> None:
    """The envelopes that people signed, or that we signed for them, each as a file that others can verify."""
    for entry in entries:
        told = personal.get(entry.index) or {}
        for envelope in (entry.fact.get("envelope"), told.get("envelope")):
            if isinstance(envelope, Mapping):
                into.put(envelope_name(entry.index), canonical(envelope), "envelope", entry.index)
