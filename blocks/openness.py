"""May it be touched now: the tenant's calendar and every freeze, asked together. Never answered from the ledger's
steps, always asked immediately before something is touched. A rollback and an abort do not ask.

Two approvers may let a hotfix pass a freeze (`waivers.py`); nobody lets anything pass a tenant's calendar.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from stationmaster.blocks.agendas import agenda_of
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.waivers import Met, met, put_on_record
from stationmaster.domain.agenda import Agenda, environment_window
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import WaitingError
from stationmaster.domain.freeze import Environment, Freeze, closing, closing_to, scope_of, touchable
from stationmaster.domain.plan import Wave
from stationmaster.domain.product import Product
from stationmaster.domain.skipping import skipped_tenants
from stationmaster.domain.tenants import Tenant
from stationmaster.domain.waiver import KIND, NEEDED
from stationmaster.domain.window import Window, all_of
from stationmaster.domain.zones import instant_of, zone

_SKIPPED = Window(open=False, reason="it was left out since the release was planned")
_UNKNOWN = Window(open=False, reason="the tenant directory does not know it any more")


class WindowClosedError(WaitingError):
    """A tenant may not be touched now. Woken when all of them can be, if that is known."""

    code = "window_closed"

    def __init__(self, release: str, about: str, closed: dict[str, Window], past: str | None = None) -> None:
        told = "; ".join(f"{tenant}: {answer.reason}" for tenant, answer in closed.items())
        until = all_of(closed.values()).until
        super().__init__(
            f"{about} of {release} waits for a window: {told}",
            waiting_for="window",
            until=instant(until) if until else None,
            hint=past or f"when it is open: stationmaster release start {release}",
        )
        self.closed = closed


class FrozenError(WaitingError):
    """Somebody froze the environment."""

    code = "frozen"

    def __init__(self, release: str, environment: Environment, answer: Window, past: str | None = None) -> None:
        super().__init__(
            f"{release} waits: {answer.reason}",
            waiting_for="window",
            until=instant(answer.until) if answer.until else None,
            hint=past or f"stationmaster freeze off --env {environment} --reason WHY",
        )
        self.environment = environment


class EnvironmentClosedError(WaitingError):
    """The calendar of the environment, or of the product, is closed."""

    code = "environment_closed"

    def __init__(self, release: str, answer: Window) -> None:
        super().__init__(
            f"{release} waits: {answer.reason}",
            waiting_for="window",
            until=instant(answer.until) if answer.until else None,
            hint=f"when it is open: stationmaster release start {release}",
        )


class NoRoomError(WaitingError):
    """So many tenants were reached today that the wave would be too many."""

    code = "no_room_today"

    def __init__(self, release: str, wave: str, reached: int, per_day: int, until: datetime) -> None:
        super().__init__(
            f"wave {wave} of {release} waits: {reached} tenants were reached today, and {per_day} may be at most",
            waiting_for="window",
            until=instant(until),
            hint=f"tomorrow: stationmaster release start {release}",
        )


@dataclass(frozen=True)
class _Known:
    """The tenant directory as it is now, and when each tenant may be reached."""

    tenants: Mapping[str, Tenant]
    agenda: Agenda


def closed(leg: Leg, product: Product, wave: Wave, tenants: Collection[str]) -> dict[str, Window]:
    """Those of the tenants that may not be touched in production now, each with the reason. One that the directory
    does not know is closed.
    """
    return _closed(leg, met(leg), _known(leg, product), wave.ring, tenants)


def must_be_open(leg: Leg, product: Product, wave: Wave, tenants: Collection[str]) -> None:
    """Return if every one of the tenants that does not run the release yet may be touched now. What is frozen and
    passed by waiver is on record then.

    Raises:
        WindowClosedError: one may not.
    """
    running, found, known = leg.tools.ledger.running(), met(leg), _known(leg, product)
    left = [name for name in tenants if not arrived(leg, running, name)]
    _must_have_room(leg, product, wave, left, running)
    if shut := _closed(leg, found, known, wave.ring, left):
        there = known.tenants
        ways = [freeze for name in shut if name in there for freeze in closing_to(there[name], found.closed, wave.ring)]
        raise WindowClosedError(leg.release, f"wave {wave.name}", shut, _past(leg, ways))
    passed = [freeze for name in left for freeze in closing_to(known.tenants[name], found.passed, wave.ring)]
    put_on_record(leg, scope_of(ring=wave.ring), passed, found)


def _must_have_room(
    leg: Leg, product: Product, wave: Wave, left: Collection[str], running: Mapping[str, Entry]
) -> None:
    """Return if so many more tenants may be reached on this day."""
    per_day, hours = product.capacity.per_day, product.support.hours
    if per_day is None or not left:
        return
    at, local = leg.tools.now(), zone(hours.timezone if hours else "UTC")
    today = at.astimezone(local).date()
    reached = [
        one for one in running.values()
        if one.step == "deployed" and datetime.fromisoformat(one.at).astimezone(local).date() == today
    ]  # fmt: skip
    if reached and len(reached) + len(left) > per_day:
        until = instant_of(datetime.combine(today + timedelta(days=1), time()), local)
        raise NoRoomError(leg.release, wave.name, len(reached), per_day, until)


def must_be_unfrozen(leg: Leg, product: Product, environment: Environment) -> None:
    """Return if nobody froze the environment, or waivers pass that; this is on record then. Its calendar is open.

    Raises:
        FrozenError: somebody did.
        EnvironmentClosedError: its calendar, or the product's, is closed.
    """
    found = met(leg)
    shut = closing(found.closed, env=environment)
    if shut:
        raise FrozenError(leg.release, environment, all_of(freeze.window for freeze in shut), _past(leg, shut))
    calendars = environment_window(product, environment, leg.tools.now())
    if not calendars.open:
        raise EnvironmentClosedError(leg.release, calendars)
    put_on_record(leg, scope_of(env=environment), closing(found.passed, env=environment), found)


def must_be_migratable(leg: Leg, product: Product, instance: str) -> None:
    """Return if no tenant of the instance has a blackout in force that names migrations.

    Raises:
        WindowClosedError: one has.
    """
    known, at = _known(leg, product), leg.tools.now()
    mine = [one.id for one in known.tenants.values() if one.instance == instance]
    answers = {name: known.agenda.migration(name, at) for name in mine}
    if shut := {name: answer for name, answer in answers.items() if not answer.open}:
        raise WindowClosedError(leg.release, f"expand of {instance}", shut)


def _closed(leg: Leg, found: Met, known: _Known, ring: str, tenants: Collection[str]) -> dict[str, Window]:
    at = leg.tools.now()
    there = known.tenants
    answers = {
        n: touchable(there[n], known.agenda, found.closed, at, ring) if n in there else _UNKNOWN for n in tenants
    }
    answers |= {n: _SKIPPED for n in skipped_tenants(leg.tools.ledger.entries(leg.release)) if n in answers}
    return {name: answer for name, answer in answers.items() if not answer.open}


def _past(leg: Leg, freezes: Sequence[Freeze]) -> str | None:
    """How a hotfix comes past the first of them; None for what may not."""
    if leg.request.kind != KIND or not freezes:
        return None
    named = "--{} {}".format(*freezes[0].scope.split(":", 1))
    return (
        f"{NEEDED} approvers may let it pass: stationmaster release waive {leg.release} {named} --until 2h "
        "--ticket TICKET --reason WHY --key FILE"
    )


def _known(leg: Leg, product: Product) -> _Known:
    directory = leg.tools.tenants.read()
    planned = next((entry for entry in leg.tools.ledger.entries(leg.release) if entry.step == "planned"), None)
    sent = datetime.fromisoformat(planned.at) if planned else leg.tools.now()
    known = {one.id: one for one in directory.tenants}
    return _Known(known, agenda_of(leg.tools.tenants, directory, product, sent))


def arrived(leg: Leg, running: Mapping[str, Entry], tenant: str) -> bool:
    """Whether the release brought the tenant what it runs. `running` maps tenants to the entries that say that."""
    entry = running.get(tenant)
    return entry is not None and (entry.release, entry.step) == (leg.release, "deployed")
