"""Who works on a release, as its lease tells: alive, gone for certain, or silent; and the lease for a moment's work."""

from datetime import UTC, datetime, timedelta

from stationmaster.blocks.holder import is_gone, this_process
from stationmaster.domain.flow_runs import Worker
from stationmaster.ledger.leases import Lease, LeaseHeldError
from stationmaster.ledger.store import Ledger

_LEASE = timedelta(seconds=30)  # as blocks/leg.py takes it: the end of a lease is its last renewal and this
_EVER = datetime(1970, 1, 1, tzinfo=UTC)  # asked for then, a lease that has run out is shown, one given back is not


def worker_of(ledger: Ledger, release: str, at: datetime, gone_since: datetime | None = None) -> Worker:
    """Who works on it at `at`. `gone_since` is when its process was first seen to have ended; now unless given."""
    lease = ledger.holder(release, _EVER)
    if lease is None:
        return Worker()
    gone = is_gone(lease.holder)
    return Worker(
        alive=lease.until > at and not gone,
        renewed=lease.until - _LEASE,
        gone=at - (gone_since or at) if gone else None,
    )


def take_over(ledger: Ledger, release: str, what: str, at: datetime) -> Lease:
    """The release's lease for this process, which does `what`. A holder that died does not hold.

    Raises:
        LeaseHeldError: somebody works on it.
    """
    holder = this_process(what)
    try:
        return ledger.take_lease(release, holder, at)
    except LeaseHeldError as held:
        if not is_gone(held.holder):
            raise
        return ledger.take_lease(release, holder, at, instead_of=held.holder)
