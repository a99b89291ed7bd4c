"""The window gate, asked for the tenants about to be touched, immediately before they are."""

from datetime import datetime

from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.calendar import window
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import RefusedError, WaitingError
from stationmaster.domain.plan import Wave
from stationmaster.domain.tenants import Tenant
from stationmaster.tasks import act


class WindowClosedError(WaitingError):
    """A tenant may not be touched now."""

    code = "window_closed"

    def __init__(self, release: str, ring: str, closed: dict[str, str]) -> None:
        told = "; ".join(f"{tenant}: {reason}" for tenant, reason in closed.items())
        super().__init__(
            f"wave {ring} of {release} waits for a window: {told}",
            waiting_for="window",
            hint=f"when it is open: stationmaster release start {release}",
        )
        self.closed = closed


class SupersededError(RefusedError):
    """Another release reached a tenant after this one was planned."""

    code = "superseded"

    def __init__(self, release: str, others: dict[str, str]) -> None:
        told = ", ".join(f"{tenant} by {other}" for tenant, other in others.items())
        super().__init__(
            f"{release} was superseded: {told}",
            hint=f"stationmaster release abort {release} --reason superseded",
        )


@act("window", timeout=60, shown="window {wave.ring}")
def require_window(leg: Leg, cut: Cut, wave: Wave) -> None:
    """Pass when every tenant of the wave that does not run the release yet may be touched. Never answered from the
    ledger. A tenant the directory no longer knows is closed.
    """
    known = {tenant.id: tenant for tenant in leg.tools.tenants.read(cut.product).tenants}
    running = leg.tools.ledger.running()
    _must_be_newest(leg, wave, running)
    arrived = {tenant for tenant, entry in running.items() if entry.release == leg.release}
    left = [tenant for tenant in wave.tenants if tenant not in arrived]
    closed = {tenant: reason for tenant in left if (reason := _closed(known.get(tenant), leg.tools.now()))}
    if closed:
        raise WindowClosedError(leg.release, wave.ring, closed)


def _must_be_newest(leg: Leg, wave: Wave, running: dict[str, Entry]) -> None:
    """What another release brought to a tenant after this one was planned is newer, and is never taken back by it."""
    planned = next(entry for entry in reversed(leg.tools.ledger.entries(leg.release)) if entry.step == "planned")
    newer = {t: running[t].release for t in wave.tenants if t in running and running[t].index > planned.index}
    others = {tenant: release for tenant, release in newer.items() if release != leg.release}
    if others:
        raise SupersededError(leg.release, others)


def _closed(tenant: Tenant | None, at: datetime) -> str | None:
    """Why the tenant may not be touched; None when it may."""
    if tenant is None:
        return "the tenant directory does not know it any more"
    answer = window(tenant, at)
    return None if answer.open else answer.reason
