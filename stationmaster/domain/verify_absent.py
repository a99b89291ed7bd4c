"""Whether what is not in a bundle may be absent, for the reason that is said, and what could not be checked for it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stationmaster.domain import bundle
from stationmaster.domain.bundle import Absent, Index, Why, who_name
from stationmaster.domain.entries import Entry
from stationmaster.domain.kept import never_recorded

_Key = tuple[int | None, str, str | None]

# Why something that an entry tells of may be absent, by what it is. What proves who signed has no such reason.
_LOST: frozenset[Why] = frozenset({"not kept", "damaged"})
_WHYS: Mapping[str, frozenset[Why]] = {
    "who": frozenset({"erased"}), "log": _LOST, "report": _LOST, "sbom": _LOST, "scan": _LOST, "schema": _LOST,
    "proof": _LOST,
}  # fmt: skip
_BESIDE = frozenset({"notes", "cmdb", "opening"})  # what no entry has the digest of
# Why something may be absent from one tenant's bundle alone.
_CUSTOMERS: frozenset[Why] = frozenset({"names another tenant", "no text"})


@dataclass(frozen=True)
class Told:
    """A file as an entry tells of it. One of kind `other` may be no evidence at all, and need not be there."""

    name: str
    entry: int
    digest: str
    what: str
    kind: str

    def excused(self, why: Why, index: Index) -> bool:
        """Whether it may be absent for a reason."""
        return why in _WHYS.get(self.kind, ()) or (index.tenant is not None and why in _CUSTOMERS)


def unexcused(gone: Sequence[Told], index: Index, entries: Sequence[Entry]) -> Iterator[str]:
    """What is not there and not said to be, and what is said to be absent that cannot be, or not for that reason."""
    said, known = {_key(row) for row in index.absent}, {entry.index: entry for entry in entries}
    told: dict[_Key, Told] = {(one.entry, one.what, one.digest): one for one in gone}
    for key, one in told.items():
        if one.kind != "other" and key not in said:
            yield f"{one.name}: it is missing, and entry {one.entry} tells of it"
    for number, what in never_recorded(entries):
        if (number, what, None) not in said:
            yield f"{bundle.INDEX}: entry {number} tells of no {what}, and it is not said to be absent"
    for row in index.absent:
        missed = told.get(_key(row))
        if not (missed.excused(row.why, index) if missed else _is_beside(row, index, known)):
            of = "" if row.entry is None else f" of entry {row.entry}"
            yield f"{bundle.INDEX}: {row.what[:60]!r}{of} is said to be absent, {row.why}, and that cannot be"


def unchecked(index: Index, entries: Sequence[Entry], names: Collection[str]) -> Iterator[str]:
    """What could not be checked of a bundle in which no problem was found, in sentences. `names` are its files'."""
    if index.state == "open":
        yield "the release is open: which entries it has, the index alone says"
    approved = {entry.fact.get("mandate") for entry in entries if entry.step == "approved"}
    for entry in entries:
        who = who_name(entry.index)
        if entry.step == "mandated" and entry.fact.get("digest") in approved and who not in names:
            yield f"{who} is not here: whether somebody approved what they had started, or written, was not checked"


def _key(row: Absent) -> _Key:
    return row.entry, row.what, row.digest


def _is_beside(row: Absent, index: Index, known: Mapping[int, Entry]) -> bool:
    """Whether something may be absent of which no entry has the digest, or none that is in one tenant's bundle."""
    entry = known.get(row.entry) if row.entry is not None else None
    if row.why in _CUSTOMERS:
        envelope = row.what == "envelope" and entry is not None  # in personal data that names another
        return index.tenant is not None and (envelope or (row.entry is None and row.what in _BESIDE))
    if row.digest is not None:
        return False
    if row.why == "never recorded":
        return entry is not None and (row.entry, row.what) in set(never_recorded([entry]))
    cut = row.entry in index.hidden or (entry is not None and entry.step == "cut")
    return cut and (row.what, row.why) == ("notes", "not kept")
