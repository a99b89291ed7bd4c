"""A release in the ledger as a person asks for it: by a name that may be misspelt, and with who works on it now."""

from typing import TYPE_CHECKING

from stationmaster.cli.person import now
from stationmaster.domain.compatibility import SCHEMA
from stationmaster.domain.contract_status import contract_status
from stationmaster.domain.errors import nearest
from stationmaster.domain.release import Reason, Status, UnknownReleaseError, status, why

if TYPE_CHECKING:
    from stationmaster.ledger.leases import Lease
    from stationmaster.ledger.store import Ledger


def find(ledger: "Ledger", release: str) -> Status:
    """Where it is.

    Raises:
        UnknownReleaseError: with the nearest name.
    """
    try:
        return status(release, ledger.entries(release), ledger.running(), ledger.latest(SCHEMA))
    except UnknownReleaseError as error:
        raise UnknownReleaseError(release, hint=nearest(release, ledger.releases()) or error.hint) from None


def reason(ledger: "Ledger", found: Status) -> Reason:
    """What blocks it, given who works on it."""
    lease = worker(ledger, found.id)
    waits = contract_status(ledger.entries(found.id)) if found.stage == "released" else None
    if waits and not waits.over and waits.message:
        return Reason(message=waits.message, command=f"stationmaster release contract {found.id}")
    return why(found, lease.holder if lease else None)


def worker(ledger: "Ledger", release: str) -> "Lease | None":
    """The lease of the process that works on it; None when nobody does, or only one that died on this machine."""
    from stationmaster.blocks.holder import is_gone  # noqa: PLC0415 - asked of a release, never of --help

    lease = ledger.holder(release, now())
    return None if lease is None or is_gone(lease.holder) else lease
