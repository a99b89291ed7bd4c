"""Is it open at an instant, by which rules, until when, and where is the next slot? Of several calendars, open means
that all are open.

The instant is always the scheduled one and never now: the caller gives it. Rolling back is always open.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from stationmaster.domain.calendar import DEFAULT, Action, Calendar, Named, Rule, Timing
from stationmaster.domain.calendar_fields import Governed
from stationmaster.domain.calendar_rules import YEARS, UnknownDaysError, in_force, unknown, why_unknown
from stationmaster.domain.errors import InputError
from stationmaster.domain.spans import Spans, intersection, union
from stationmaster.domain.wall_times import new_year
from stationmaster.domain.zones import zone

LOOKAHEAD = timedelta(days=400)  # how far a transition is looked for


class OutsideCalendarsError(InputError):
    """An instant is too far away for calendars to answer."""

    code = "outside_calendars"


@dataclass(frozen=True, slots=True)
class State:
    """Open or closed at an instant. `rules` are sorted `FILE#name`; `next_transition` is when open becomes closed or
    closed open, in UTC, None when that is not within LOOKAHEAD.
    """

    open: bool
    rules: tuple[str, ...]
    next_transition: datetime | None


@dataclass(frozen=True, slots=True)
class _Shape:
    """What decides a calendar's opening for an action: calendars that differ in names alone share it."""

    zone: str
    by_windows: bool
    windows: frozenset[Timing]
    blackouts: frozenset[Timing]


def opening(calendars: Sequence[Named], begin: int, end: int, action: Action = "deploy") -> Spans:
    """When all of the calendars are open during [begin, end), in seconds since the epoch. What is not known is closed.

    Raises:
        ValueError: there is no calendar. Nobody said that anything is open.
        OutsideCalendarsError: an instant is not within the years that can be asked about.
    """
    return _openings(calendars, begin, end, action)[0]


def unsure(calendars: Sequence[Named], begin: int, end: int, action: Action = "deploy") -> Spans:
    """When nobody knows whether all are open, because a rule's days are not known. Errors are those of `opening`."""
    sure, possible = _openings(calendars, begin, end, action)
    return possible - sure


def _openings(calendars: Sequence[Named], begin: int, end: int, action: Action) -> tuple[Spans, Spans]:
    """When all are open, and when they may be."""
    if not calendars:
        raise ValueError("without a calendar nothing is open")
    years = _years(begin, end)
    counted = governed(action)
    if counted is None:
        return (always := Spans.of([(begin, end)])), always
    found = [_opening(shape, years) for shape in {_shape(named.calendar, counted) for named in calendars}]
    sure, possible = (intersection(one[kind].within(begin, end) for one in found) for kind in (0, 1))
    return sure, possible


def state(calendars: Sequence[Named], at: datetime, action: Action = "deploy") -> State:
    """Open or closed at an aware instant, why, and until when. Errors are those of `opening`, and an
    `UnknownDaysError` when a rule is not known at the instant, or before the transition.
    """
    instant = seconds_of(at)
    limit = instant + int(LOOKAHEAD.total_seconds())
    found, possible = _openings(calendars, instant, limit + 1, action)
    rules = _rules(calendars, instant, governed(action), is_open=found.at(instant))
    change, dark = found.next_change(instant), possible - found
    if dark and (change is None or change >= int(dark.starts[0])):
        raise unknown_days(calendars, int(dark.starts[0]), action)
    return State(found.at(instant), rules, utc(change) if change is not None and change <= limit else None)


def unknown_days(calendars: Sequence[Named], instant: int, action: Action = "deploy") -> UnknownDaysError:
    """The error about the first rule that is not known at an instant at which the calendars are unsure."""
    counted = governed(action)
    named, rule = next(
        (named, rule)
        for named in calendars
        for _, rule in named.calendar.placed()
        if counted and named.calendar.counts(rule, counted) and _dark(named.calendar, rule, instant)
    )
    return _unknown_rule(named, rule, instant)


def is_in_force(named: Named, rule: Rule, instant: int) -> bool:
    """Whether one rule of a calendar is in force, or an `UnknownDaysError`."""
    if _dark(named.calendar, rule, instant):
        raise _unknown_rule(named, rule, instant)
    return bool(spans_of(named.calendar, rule, instant, instant + 1))


def _unknown_rule(named: Named, rule: Rule, instant: int) -> UnknownDaysError:
    day = datetime.fromtimestamp(instant, zone(named.calendar.timezone)).date()
    return UnknownDaysError(named.file, rule.name, why_unknown(rule.timing, day))


def _dark(calendar: Calendar, rule: Rule, instant: int) -> bool:
    return bool(unknown_of(calendar, rule, instant, instant + 1))


def notice_days(calendars: Sequence[Named]) -> int:
    """The longest notice that one of the calendars wants."""
    return max((named.calendar.min_notice_days for named in calendars), default=0)


def cutoff(calendars: Sequence[Named]) -> int:
    """The longest cutoff of the calendars, in seconds."""
    return max((named.calendar.cutoff for named in calendars), default=0)


def spans_of(calendar: Calendar, rule: Rule, begin: int, end: int) -> Spans:
    """When one rule is in force during [begin, end), as far as that is known."""
    return in_force(rule.timing, calendar.timezone, _years(begin, end)).within(begin, end)


def unknown_of(calendar: Calendar, rule: Rule, begin: int, end: int) -> Spans:
    """When nobody knows during [begin, end) whether one rule is in force."""
    return unknown(rule.timing, calendar.timezone, _years(begin, end)).within(begin, end)


def governed(action: Action) -> Governed | None:
    """The action by whose name rules count; None when nothing blocks it. A waiver is asked for elsewhere."""
    if action == "rollback":
        return None
    return "deploy" if action == "hotfix" else action


def by_windows(calendar: Calendar, action: Governed) -> bool:
    """Whether it is closed for the action but in windows; else it is open but in blackouts."""
    return calendar.default == "closed" and action in calendar.applies_to


def _shape(calendar: Calendar, action: Governed) -> _Shape:
    windows, blackouts = (
        frozenset(rule.timing for rule in rules if calendar.counts(rule, action))
        for rules in (calendar.windows, calendar.blackouts)
    )
    closed = by_windows(calendar, action)
    return _Shape(calendar.timezone, closed, windows if closed else frozenset(), blackouts)


@lru_cache(maxsize=32_768)
def _opening(shape: _Shape, years: range) -> tuple[Spans, Spans]:
    """When it is open, and when it may be: what is not known may open and may close."""
    everything = Spans.of([(new_year(years.start), new_year(years.stop))])
    windows, blackouts = (
        union(in_force(timing, shape.zone, years) for timing in timings) for timings in (shape.windows, shape.blackouts)
    )
    base = windows if shape.by_windows else everything
    dark = [
        union(unknown(timing, shape.zone, years) for timing in timings) for timings in (shape.windows, shape.blackouts)
    ]
    if not any(len(one) for one in dark):
        return (sure := base - blackouts), sure
    may_open, may_close = dark
    return base - (blackouts | may_close), (base | may_open) - blackouts


def _rules(calendars: Sequence[Named], instant: int, action: Governed | None, *, is_open: bool) -> tuple[str, ...]:
    """Open: all windows that contain the instant. Closed: all blackouts in force, else the calendars that are closed
    by default.
    """
    if action is None:
        return ()
    windows, blackouts, unopened = set[str](), set[str](), set[str]()
    for named in calendars:
        calendar = named.calendar
        inside = set(_containing(named, calendar.windows, instant, action))
        windows |= inside
        blackouts.update(_containing(named, calendar.blackouts, instant, action))
        if by_windows(calendar, action) and not inside:
            unopened.add(named.ref(DEFAULT))
    return tuple(sorted(windows if is_open else blackouts or unopened))


def _containing(named: Named, rules: Sequence[Rule], instant: int, action: Governed) -> Iterator[str]:
    for rule in rules:
        if named.calendar.counts(rule, action) and is_in_force(named, rule, instant):
            yield named.ref(rule.name)


def _years(begin: int, end: int) -> range:
    _refuse_far(begin)
    _refuse_far(end)
    return range(utc(begin).year, utc(max(begin, end - 1)).year + 1)


def seconds_of(at: datetime) -> int:
    """The whole second since the epoch that an aware instant is in."""
    if at.tzinfo is None:
        raise ValueError("an instant must carry its zone")
    seconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    _refuse_far(seconds)
    return seconds


def _refuse_far(instant: int) -> None:
    if not new_year(YEARS.start) <= instant <= new_year(YEARS.stop):
        raise OutsideCalendarsError(
            f"calendars answer about {YEARS.start} to {YEARS.stop - 1}, and {LOOKAHEAD.days} days ahead of an instant",
            hint="ask about an instant that is nearer",
        )


def utc(instant: int) -> datetime:
    """Seconds since the epoch as an aware instant."""
    return datetime.fromtimestamp(instant, UTC)
