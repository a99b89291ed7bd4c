"""May it be touched now: the tenant's calendar and every freeze, asked together. Never answered from the ledger's
steps, always asked immediately before something is touched. A rollback and an abort do not ask.
"""

from collections.abc import Collection, Mapping

from stationmaster.blocks.leg import Leg
from stationmaster.domain.calendar import Window, all_of
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import WaitingError
from stationmaster.domain.freeze import FREEZES, Environment, Freeze, closing, in_force, touchable
from stationmaster.domain.skipping import skipped_tenants

_SKIPPED = Window(open=False, reason="it was left out since the release was planned")
_UNKNOWN = Window(open=False, reason="the tenant directory does not know it any more")


class WindowClosedError(WaitingError):
    """A tenant may not be touched now. Woken when all of them can be, if that is known."""

    code = "window_closed"

    def __init__(self, release: str, ring: str, closed: dict[str, Window]) -> None:
        told = "; ".join(f"{tenant}: {answer.reason}" for tenant, answer in closed.items())
        until = all_of(closed.values()).until
        super().__init__(
            f"wave {ring} of {release} waits for a window: {told}",
            waiting_for="window",
            until=instant(until) if until else None,
            hint=f"when it is open: stationmaster release start {release}",
        )
        self.closed = closed


class FrozenError(WaitingError):
    """Somebody froze the environment."""

    code = "frozen"

    def __init__(self, release: str, environment: Environment, answer: Window) -> None:
        super().__init__(
            f"{release} waits: {answer.reason}",
            waiting_for="window",
            until=instant(answer.until) if answer.until else None,
            hint=f"stationmaster freeze off --env {environment} --reason WHY",
        )
        self.environment = environment


def frozen(leg: Leg) -> tuple[Freeze, ...]:
    """Every freeze in force now."""
    return in_force(leg.tools.ledger.latest(FREEZES), leg.tools.now())


def closed(leg: Leg, ring: str, tenants: Collection[str]) -> dict[str, Window]:
    """Those of the tenants that may not be touched in production now, each with the reason. One that the directory
    does not know is closed.
    """
    known = {tenant.id: tenant for tenant in leg.tools.tenants.read().tenants}
    freezes, at = frozen(leg), leg.tools.now()
    answers = {n: touchable(known[n], freezes, at, ring) if n in known else _UNKNOWN for n in tenants}
    answers |= {n: _SKIPPED for n in skipped_tenants(leg.tools.ledger.entries(leg.release)) if n in answers}
    return {name: answer for name, answer in answers.items() if not answer.open}


def must_be_open(leg: Leg, ring: str, tenants: Collection[str]) -> None:
    """Return if every one of the tenants that does not run the release yet may be touched now.

    Raises:
        WindowClosedError: one may not.
    """
    running = leg.tools.ledger.running()
    left = [name for name in tenants if not arrived(leg, running, name)]
    if shut := closed(leg, ring, left):
        raise WindowClosedError(leg.release, ring, shut)


def must_be_unfrozen(leg: Leg, environment: Environment) -> None:
    """Return if nobody froze the environment.

    Raises:
        FrozenError: somebody did.
    """
    answer = all_of(freeze.window for freeze in closing(frozen(leg), env=environment))
    if not answer.open:
        raise FrozenError(leg.release, environment, answer)


def arrived(leg: Leg, running: Mapping[str, Entry], tenant: str) -> bool:
    """Whether the release brought the tenant what it runs. `running` maps tenants to the entries that say that."""
    entry = running.get(tenant)
    return entry is not None and (entry.release, entry.step) == (leg.release, "deployed")
