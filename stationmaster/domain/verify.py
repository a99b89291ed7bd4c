"""Whether an evidence bundle proves what it says, with nothing but the keys of those who may sign. Needs no network, no
server and no ledger. Whatever is given, the answer is sentences, each with a file and a reason.

Checked in rooms, in this order, and none is entered when something was wrong before: what stands in a file that was
changed proves nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stationmaster.domain import bundle
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.bundle import Index
from stationmaster.domain.container import ContainerError, unpack
from stationmaster.domain.entries import Entry
from stationmaster.domain.stages import UnfitEntryError
from stationmaster.domain.verify_absent import unchecked
from stationmaster.domain.verify_approvals import unapproved
from stationmaster.domain.verify_evidence import attestations, strangers
from stationmaster.domain.verify_index import FlawError, listing, read_index
from stationmaster.domain.verify_log import compared, gaps, proofs, read_log


@dataclass(frozen=True)
class Checked:
    """What is wrong with a bundle, sorted. Of one in which nothing is: its index, and what could not be checked for
    want of what is absent from it.
    """

    problems: list[str]
    index: Index | None = None
    unchecked: tuple[str, ...] = ()


def check(raw: bytes, keys: Approvers, elsewhere: bytes | None = None) -> Checked:
    """Look at all of a bundle. `elsewhere` is a signed checkpoint of the same log from another place."""
    try:
        files = unpack(raw)
    except ContainerError as error:
        return Checked([f"the ZIP file: {error}"])
    if found := problems_of(files, keys, elsewhere):
        return Checked(found)
    index = Index.model_validate_json(files[bundle.INDEX])
    entries = [Entry.model_validate_json(line) for line in files[bundle.ENTRIES].splitlines()]
    return Checked([], index, tuple(unchecked(index, entries, files)))


def problems(raw: bytes, keys: Approvers, elsewhere: bytes | None = None) -> list[str]:
    """What is wrong with a bundle alone."""
    return check(raw, keys, elsewhere).problems


def problems_of(files: Mapping[str, bytes], keys: Approvers, elsewhere: bytes | None = None) -> list[str]:
    """The same of the files, however they came."""
    try:
        index = read_index(files, keys)
        if found := sorted(listing(files, index)):
            return found
        entries, leaves = read_log(files, index, keys)
    except FlawError as flaw:
        return [str(flaw)]
    if found := sorted([*proofs(files, index, leaves), *gaps(index, entries), *_story(index, entries)]):
        return found
    found = [*strangers(files, index, entries), *attestations(files, index, entries, keys)]
    found += unapproved(files, index, entries, keys)
    found += compared(elsewhere, index, keys, leaves) if elsewhere is not None else ()
    return sorted(set(found))


def _story(index: Index, entries: Sequence[Entry]) -> Iterator[str]:
    """Whether the entries lead where the index says that the release is, and `closed` lists them. Of one tenant's part
    it is told by the last `closed` alone.
    """
    products = [entry.fact.get("product") for entry in entries if entry.step in {"confirmed", "started"}]
    if not products or any(product != index.product for product in products):
        yield f"{bundle.INDEX}: it is said to be of {index.product}, and the entries are not"
    try:
        state = _closed_as(index, entries) if index.hidden else bundle.state_of(entries)
    except UnfitEntryError as error:
        yield f"{bundle.ENTRIES}: {error.message}"
        return
    if state != index.state:
        yield f"{bundle.INDEX}: the release is said to be {index.state}, and by its entries it is {str(state)[:40]}"


def _closed_as(index: Index, entries: Sequence[Entry]) -> object:
    """The state in the last `closed`, if the release is said to be over, and it lists everything before it."""
    closed = next((entry for entry in reversed(entries) if entry.step == "closed"), None)
    if closed is None or index.state == "open":
        return "open"
    lists = {entry.index for entry in entries if entry.step == "closed"}
    before = [number for number in sorted({*index.entries, *index.hidden} - lists) if number < closed.index]
    return closed.fact.get("state") if closed.fact.get("leaves") == before else "open"
