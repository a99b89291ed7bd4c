"""Reads what a release's change record is told from: its entries, their personal data, and the past of its tenants."""

from stationmaster.blocks.ratification import retention_in_force
from stationmaster.domain.change_record import ChangeRecord
from stationmaster.domain.entries import RUNS, Entry
from stationmaster.domain.errors import nearest
from stationmaster.domain.recounting import recount
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.ledger.store import Ledger


def recounted(ledger: Ledger, release: str) -> ChangeRecord:
    """The change record of a release.

    Raises:
        UnknownReleaseError: it was never asked for; with the nearest name.
    """
    entries = ledger.entries(release)
    asked = next((entry for entry in entries if entry.step in {"confirmed", "started"}), None)
    if asked is None:
        raise UnknownReleaseError(release, hint=nearest(release, ledger.releases()))
    tenants = sorted({entry.subject for entry in entries if entry.step == "deployed"})
    return recount(
        entries,
        personal=ledger.personals(entries),
        past={tenant: _past(ledger, tenant) for tenant in tenants},
        checkpoints=ledger.every("checkpointed"),
        kept=retention_in_force(ledger, asked.fact["product"]),
    )


def _past(ledger: Ledger, tenant: str) -> list[Entry]:
    found = [entry for step in RUNS for entry in ledger.history(step, tenant)]
    return sorted(found, key=lambda entry: entry.index)
