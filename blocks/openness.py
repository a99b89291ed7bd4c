"""May it be touched now: the tenant's calendar, every freeze and its own approval where its contract asks for that, all
together. Never answered from the ledger's steps, always asked immediately before something is touched. A rollback and
an abort do not ask.

Its approvers may let a hotfix pass a freeze or a blackout (`waivers.py`); where no window is open, nobody may.
"""

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from stationmaster.blocks.agendas import agenda_of
from stationmaster.blocks.consents import closed, consents
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.waivers import Met, met, needed, put_on_record
from stationmaster.domain.agenda import Agenda, environment_question
from stationmaster.domain.blackout import Question
from stationmaster.domain.calendar_slots import Slot
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import WaitingError
from stationmaster.domain.freeze import Environment, Freeze, closing, closing_to, scope_of, touchable
from stationmaster.domain.interruption import Interruption
from stationmaster.domain.passage import Gate, Passage
from stationmaster.domain.plan import Wave, first_planned
from stationmaster.domain.product import Product
from stationmaster.domain.skipping import skipped_tenants
from stationmaster.domain.tenants import SHARED, STAGE, Tenant
from stationmaster.domain.waiver import KIND
from stationmaster.domain.window import Window, all_of
from stationmaster.domain.zones import instant_of, zone

_SKIPPED = Window(open=False, reason="it was left out since the release was planned")
_UNKNOWN = Window(open=False, reason="the tenant directory does not know it any more")


class WindowClosedError(WaitingError):
    """A tenant may not be touched now. Woken when all of them can be, if that is known, or `soonest`; where all must be
    open at once, that is `together`.
    """

    code = "window_closed"

    def __init__(
        self, release: str, about: str, closed: dict[str, Window], past: str | None = None,
        *, soonest: datetime | None = None, together: datetime | None = None,
    ) -> None:  # fmt: skip
        begin = f"{about} of {release} waits for a window: "
        opens = all_of(closed.values()).until
        opens = max(opens, together) if opens and together else opens
        until = min((one for one in (opens, soonest) if one), default=None)
        super().__init__(
            begin + "; ".join(f"{tenant}: {answer.reason}" for tenant, answer in closed.items()),
            waiting_for="window",
            until=instant(until) if until else None,
            hint=past or f"when it is open: stationmaster release start {release}",
        )
        self.unname(begin + "; ".join(f"{tenant}: {one.kept}" for tenant, one in closed.items()), hint=self.hint)
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
        self.unname(f"{release} waits: {answer.kept}", hint=self.hint)
        self.environment = environment


class EnvironmentClosedError(WaitingError):
    """The calendar of the environment, or of the product, is closed."""

    code = "environment_closed"

    def __init__(self, release: str, answer: Window, past: str | None = None) -> None:
        super().__init__(
            f"{release} waits: {answer.reason}",
            waiting_for="window",
            until=instant(answer.until) if answer.until else None,
            hint=past or f"when it is open: stationmaster release start {release}",
        )
        self.unname(f"{release} waits: {answer.kept}", hint=self.hint)


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
    """The tenant directory as it is now, and when the release may reach each tenant, by its waivers too."""

    tenants: Mapping[str, Tenant]
    agenda: Agenda


def must_be_open(leg: Leg, product: Product, wave: Wave, tenants: Collection[str]) -> None:
    """Return if every one of the tenants that does not run the release yet may be touched now. What is closed
    and passed by waiver is on record then.

    Raises:
        WindowClosedError: one may not.
    """
    running, found = leg.tools.ledger.running(), met(leg)
    known = _known(leg, product, found)
    left = [name for name in tenants if not arrived(leg, running, name)]
    _must_have_room(leg, product, wave, left, running)
    there, at = known.tenants, leg.tools.now()
    if shut := _closed(leg, found, known, wave, left):
        mine = [name for name in shut if name in there]
        ways = [freeze.gate for name in mine for freeze in closing_to(there[name], found.closed, wave.ring)]
        ways += [gate for name in mine for gate in _waivable(leg, known.agenda.question(name), at)]
        soonest = wave.end if len(shut) < len(left) else None  # who is open is planned without the others then
        raise WindowClosedError(leg.release, f"wave {wave.name}", shut, _past(leg, ways), soonest=soonest)
    passed = [freeze for name in left for freeze in closing_to(there[name], found.passed, wave.ring)]
    blackouts = [gate for name in left for gate in _passed(known.agenda.question(name), at)]
    put_on_record(leg, scope_of(ring=wave.ring), _through(found, passed, blackouts))


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
    """Return if nobody froze the environment and its calendar is open, or waivers pass what closes; this is on record
    then.

    Raises:
        FrozenError: somebody did.
        EnvironmentClosedError: its calendar, or the product's, is closed.
    """
    found, at = met(leg), leg.tools.now()
    shut = closing(found.closed, env=environment)
    if shut:
        answer = all_of(freeze.window for freeze in shut)
        raise FrozenError(leg.release, environment, answer, _past(leg, [freeze.gate for freeze in shut]))
    calendars = environment_question(product, environment, found.blackouts)
    answer = calendars.window(at)
    if not answer.open:
        raise EnvironmentClosedError(leg.release, answer, _past(leg, _waivable(leg, calendars, at)))
    passed = closing(found.passed, env=environment)
    put_on_record(leg, scope_of(env=environment), _through(found, passed, _passed(calendars, at)))


def must_be_migratable(
    leg: Leg, product: Product, instance: str, doing: str = "expand", *, tenants: Collection[str] = (),
    limited: Interruption | None = None,
) -> None:  # fmt: skip
    """Return if no tenant of the instance has a blackout in force that names migrations, or waivers pass it; this is on
    record then. An instance that one tenant has alone is changed only when that tenant may be touched, and so are the
    databases of `tenants` who have their own; and one whose tenants are `limited` meanwhile only when every one of them
    may, for as long as that is expected to last.

    Raises:
        WindowClosedError: one has, or may not.
    """
    found, at = met(leg), leg.tools.now()
    known = _known(leg, product, found, limited)
    _must_be_open_to_migrations(leg, product, "stage" if instance == STAGE else "production", found)
    mine = [one for one in known.tenants.values() if (one.id in tenants if tenants else one.instance == instance)]
    alone = mine if tenants or limited or instance != SHARED else []
    refused = closed(consents(leg, alone))
    questions = [known.agenda.question(one.id, "migration") for one in mine]
    answers = {one.id: known.agenda.migration(one.id, at) for one in mine}
    answers |= {one.id: all_of([touchable(one, known.agenda, found.closed, at), answers[one.id]]) for one in alone}
    answers |= {name: all_of([answers[name], window]) for name, window in refused.items()}
    answers |= {name: _UNKNOWN for name in (limited.tenants if limited else ()) if name not in known.tenants}
    if shut := {name: answer for name, answer in answers.items() if not answer.open}:
        ways = [freeze.gate for one in alone for freeze in closing_to(one, found.closed)]
        every = [*(known.agenda.question(one.id) for one in alone), *questions]
        ways += [gate for one in every for gate in _waivable(leg, one, at)]
        about = f"{doing} of {instance}" + (f" ({limited.why})" if limited else "")
        raise WindowClosedError(leg.release, about, shut, _past(leg, ways), together=_together(limited, known, at))
    blackouts = [gate for one in questions for gate in _passed(one, at)]
    put_on_record(leg, scope_of(env="production"), _through(found, (), blackouts))


def _together(limited: Interruption | None, known: _Known, at: datetime) -> datetime | None:
    """When all who are limited together may be, before which nobody has to look again."""
    slot = known.agenda.together(limited.tenants, at) if limited else None
    return slot.start if isinstance(slot, Slot) and slot.start > at else None


def _must_be_open_to_migrations(leg: Leg, product: Product, environment: Environment, found: Met) -> None:
    asked, at = environment_question(product, environment, found.blackouts, "migration"), leg.tools.now()
    if not asked.calendars:
        return
    if not (answer := asked.at_once(at)).open:
        raise EnvironmentClosedError(leg.release, answer, _past(leg, _waivable(leg, asked, at)))
    put_on_record(leg, scope_of(env=environment), _through(found, (), _passed(asked, at)))


def _waivable(leg: Leg, question: Question | None, at: datetime) -> list[Gate]:
    """What its approvers might let it pass."""
    return [one.gate for one in question.waivable(at)] if question and leg.request.kind == KIND else []


def _passed(question: Question | None, at: datetime) -> list[Gate]:
    return [one.gate for one in question.passed(at)] if question else []


def _through(found: Met, freezes: Iterable[Freeze], blackouts: Iterable[Gate]) -> dict[Gate, Passage]:
    """The gates that are passed, each with the waivers that do it."""
    return {
        **{freeze.gate: found.passed[freeze] for freeze in freezes},
        **{gate: found.blackouts[gate] for gate in blackouts},
    }


def _closed(leg: Leg, found: Met, known: _Known, wave: Wave, tenants: Collection[str]) -> dict[str, Window]:
    """Those of the tenants that may not be touched in production now, each with the reason. One that the directory
    does not know is closed.
    """
    at = leg.tools.now()
    there = known.tenants
    answers = {
        n: touchable(there[n], known.agenda, found.closed, at, wave.ring, planned=wave.start)
        if n in there
        else _UNKNOWN
        for n in tenants
    }
    refused = closed(consents(leg, [there[n] for n in tenants if n in there]))
    answers |= {n: all_of([answers[n], window]) for n, window in refused.items()}
    answers |= {n: _SKIPPED for n in skipped_tenants(leg.tools.ledger.entries(leg.release)) if n in answers}
    return {name: answer for name, answer in answers.items() if not answer.open}


def _past(leg: Leg, gates: Sequence[Gate]) -> str | None:
    """How a hotfix comes past the first of them; None for what may not."""
    if leg.request.kind != KIND or not gates:
        return None
    kind, name = gates[0].name.split(":", 1)
    return (
        f"{needed(leg)} may let it pass: stationmaster release waive {leg.release} --{kind} {shlex.quote(name)} "
        "--until 2h --ticket TICKET --reason WHY --key FILE"
    )


def _known(leg: Leg, product: Product, found: Met, limited: Interruption | None = None) -> _Known:
    directory = leg.tools.tenants.read()
    planned = [entry for entry in leg.tools.ledger.entries(leg.release) if entry.step == "planned"]
    known = {one.id: one for one in directory.tenants}
    agenda = agenda_of(leg.tools.tenants, directory, product, first_planned(planned))
    agenda = agenda.lasting(limited.seconds) if limited else agenda
    return _Known(known, agenda.passing(found.blackouts))


def arrived(leg: Leg, running: Mapping[str, Entry], tenant: str) -> bool:
    """Whether the release brought the tenant what it runs. `running` maps tenants to the entries that say that."""
    entry = running.get(tenant)
    return entry is not None and (entry.release, entry.step) == (leg.release, "deployed")
