"""What was written about a release for people and for other systems: change fragments, and records for a CMDB."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from stationmaster.blocks.carried import recalled
from stationmaster.blocks.collecting import Collection
from stationmaster.blocks.recounting import recounted
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.change_request import TenantNotReachedError, change_request
from stationmaster.domain.cmdb import changes_csv, configuration_items
from stationmaster.domain.container import is_name
from stationmaster.domain.entries import Entry, canonical
from stationmaster.domain.errors import StationmasterError
from stationmaster.ledger.store import Ledger


def collect_notes(into: Collection, source: GitRepository, entries: Sequence[Entry]) -> None:
    """The change fragments that came with the release, as they are in the source; a source that is away loses them."""
    cut = next((entry for entry in reversed(entries) if entry.step == "cut"), None)
    if cut is None:
        return
    try:
        carried = recalled(source, cut.release, cut.fact)
        texts = {path: source.read(carried.commit.commit, path) for path in carried.fragments}
    except StationmasterError:
        into.miss("notes", "not kept", cut.index)
        return
    for path, text in texts.items():
        name = f"notes/{PurePosixPath(path).name}"
        if is_name(name):
            into.put(name, text.encode(), "notes")


def collect_cmdb(into: Collection, ledger: Ledger, release: str, tenant: str | None) -> None:
    """The release as a change request and configuration items; of a tenant that it did not reach there are none."""
    record = recounted(ledger, release)
    try:
        request, items = change_request(record, tenant), configuration_items(record, tenant)
    except TenantNotReachedError:
        return
    into.put("cmdb/change_request.json", canonical(request), "cmdb")
    into.put("cmdb/cis.json", canonical(items), "cmdb")
    into.put("cmdb/changes.csv", changes_csv([request]).encode(), "cmdb")
