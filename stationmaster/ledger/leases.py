"""Who may work on a release. A lease ends by itself; its epoch grows with every take, so that a holder that was
thought dead is recognised by everyone who was shown a newer epoch. It does not ask the clock.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, update

from stationmaster.domain.duration import instant
from stationmaster.domain.errors import RefusedError
from stationmaster.ledger.tables import leases


class LeaseHeldError(RefusedError):
    """Somebody else works on the release."""

    code = "lease_held"

    def __init__(self, release: str, holder: str, until: datetime) -> None:
        super().__init__(
            f"{holder} works on {release} and holds it until {instant(until)} at least",
            hint=f"follow it with `stationmaster release status {release}`, or try again after {instant(until)}",
        )
        self.release = release
        self.holder = holder
        self.until = until


class LeaseLostError(RefusedError):
    """The release was taken over by somebody else; this process must not touch the world any more."""

    code = "lease_lost"

    def __init__(self, lease: "Lease", epoch: int) -> None:
        super().__init__(
            f"{lease.holder} held {lease.release} with epoch {lease.epoch}, and epoch {epoch} has taken over",
            hint=f"`stationmaster release status {lease.release}` shows how it goes on",
        )
        self.lease = lease
        self.epoch = epoch


@dataclass(frozen=True)
class Lease:
    """The right of one process to work on a release until `until`. `holder` names the process, not the release."""

    release: str
    holder: str
    epoch: int
    until: datetime
    seconds: int


def take(
    connection: Connection, release: str, holder: str, at: datetime, *, seconds: int, instead_of: str | None = None
) -> Lease:
    """A lease that nobody else holds at `at`, with a higher epoch than any before. The caller is the only writer.

    `instead_of` names a holder that is known to be gone: its lease does not count.
    """
    row = connection.execute(select(leases).where(leases.c.release == release)).one_or_none()
    if row is not None and row.holder not in {holder, instead_of} and _read(row.until) > at:
        raise LeaseHeldError(release, row.holder, _read(row.until))
    lease = Lease(release, holder, row.epoch + 1 if row else 1, at + timedelta(seconds=seconds), seconds)
    values = {"holder": holder, "epoch": lease.epoch, "until": _write(lease.until)}
    change = update(leases).where(leases.c.release == release) if row else leases.insert().values(release=release)
    connection.execute(change.values(values))
    return lease


def held(connection: Connection, release: str, at: datetime) -> Lease | None:
    """The lease that lasts at `at`."""
    row = connection.execute(select(leases).where(leases.c.release == release)).one_or_none()
    if row is None or _read(row.until) <= at:
        return None
    until = _read(row.until)
    return Lease(release, row.holder, row.epoch, until, int((until - at).total_seconds()))


def lasting(connection: Connection, at: datetime) -> list[str]:
    """The releases that somebody works on at `at`, sorted."""
    wanted = select(leases.c.release).where(leases.c.until > _write(at)).order_by(leases.c.release)
    return list(connection.execute(wanted).scalars())


def extend(connection: Connection, lease: Lease, until: datetime) -> Lease:
    """The same lease until `until`, also when it had run out and nobody took it meanwhile."""
    check(connection, lease)
    connection.execute(update(leases).where(leases.c.release == lease.release).values(until=_write(until)))
    return replace(lease, until=until)


def end(connection: Connection, lease: Lease) -> None:
    """Lets anybody take the release at once; a lease that was lost ends nobody else's. The epoch stays."""
    mine = update(leases).where(leases.c.release == lease.release, leases.c.epoch == lease.epoch)
    connection.execute(mine.values(until=_write(datetime.min.replace(tzinfo=UTC))))


def check(connection: Connection, lease: Lease) -> None:
    """Raises LeaseLostError unless the lease is the newest of its release."""
    epoch = connection.execute(select(leases.c.epoch).where(leases.c.release == lease.release)).scalar_one()
    if epoch != lease.epoch:
        raise LeaseLostError(lease, epoch)


def _write(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)
