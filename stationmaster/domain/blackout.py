"""Whether calendars are open where waivers take blackouts out of the question. What remains decides: a window that does
not exist is waived by nobody.

A blackout is a gate for as long as it is in force; when the same rule closes the next time it is another gate. It
weighs no waivers: that is `domain/waiver.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from stationmaster.domain.calendar import Action, Calendar, Named, Rule
from stationmaster.domain.calendar_answers import State, cutoff, governed, is_in_force, seconds_of, spans_of, state, utc
from stationmaster.domain.calendar_rules import YEARS, UnknownDaysError
from stationmaster.domain.calendar_slots import HORIZON, Nowhere, Slot, next_slot
from stationmaster.domain.duration import instant
from stationmaster.domain.passage import Gate, Passage
from stationmaster.domain.spans import Spans
from stationmaster.domain.waiver import BLACKOUT
from stationmaster.domain.wall_times import new_year
from stationmaster.domain.window import Window

Calendars = tuple[Named, ...]
Passages = Mapping[Gate, Passage]
_ANY_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Blackout:
    """A rule of a calendar that is in force. `ref` is `FILE#name`; `since` is when it began, in seconds since the
    epoch, UTC. Days that touch are one blackout.
    """

    ref: str
    since: int
    calendar: Calendar
    rule: Rule

    @property
    def gate(self) -> Gate:
        """What a waiver names."""
        return Gate(f"{BLACKOUT}{self.ref}", self.since)

    def left(self, until: int, at: int, end: int) -> Spans:
        """When the rule closes during [at, end) if what is in force at `at` is passed until `until`; all of it in
        seconds. What comes later is another blackout.
        """
        found = spans_of(self.calendar, self.rule, at, end)
        first = found.pairs()[:1]
        return found - Spans.of((at, min(until, stop)) for start, stop in first if start == at)


def in_force(calendars: Calendars, at: datetime, action: Action = "deploy") -> tuple[Blackout, ...]:
    """The blackouts at an aware instant, in the order of the files. Errors are those of `calendar_answers.opening`."""
    now, counted = seconds_of(at), governed(action)
    return tuple(
        Blackout(named.ref(rule.name), _since(named.calendar, rule, now), named.calendar, rule)
        for named in calendars
        for rule in named.calendar.blackouts
        if counted and named.calendar.counts(rule, counted) and is_in_force(named, rule, now)
    )


def without(calendars: Calendars, blackouts: Collection[Blackout]) -> Calendars:
    """The calendars as they would be if those rules did not exist."""
    out = {one.ref for one in blackouts}
    return tuple(replace(named, calendar=_less(named, out)) for named in calendars) if out else calendars


def _less(named: Named, out: Collection[str]) -> Calendar:
    kept = tuple(rule for rule in named.calendar.blackouts if named.ref(rule.name) not in out)
    return named.calendar.model_copy(update={"blackouts": kept})


def _since(calendar: Calendar, rule: Rule, now: int) -> int:
    """When what is in force then began. Rules are expanded by years; one that was in force at new year began before."""
    year, back = utc(now).year, 0
    while True:
        first = max(YEARS.start, year - back)
        began = int(spans_of(calendar, rule, new_year(first), now + 1).starts[-1])
        if began > new_year(first) or first == YEARS.start:
            return began
        back = 2 * back + 1


@dataclass(frozen=True, slots=True)
class Question:
    """May something that takes `seconds` begin? Waivers, by what they come to in `passages`, may pass the blackouts of
    `calendars`; those of `also`, as the hours of support, nobody's.
    """

    about: str
    calendars: Calendars
    also: Calendars = ()
    seconds: int = 1
    action: Action = "deploy"
    passages: Passages = field(default_factory=dict)

    def window(self, at: datetime) -> Window:
        """The answer at an aware instant. What has begun has to end, cutoff included, before the waivers do, or before
        what they pass ends by itself. Where the days of a rule are not known it is closed, for that reason.
        """
        if not (self.calendars or self.also):
            return Window(open=True, reason=f"nothing closes {self.about}")
        try:
            return self._window(at)
        except UnknownDaysError as error:
            return Window(open=False, reason=f"{self.about} is closed: {error.message}")

    def _window(self, at: datetime) -> Window:
        left = self._left(self.passed(at))
        slot, now = self._slot(left, at), state(left, at, self.action)
        if isinstance(slot, Nowhere):
            return self._closed(slot.why or now.rules, at, f", and has no slot in {HORIZON.days} days")
        if now.open and slot.start - at < _ANY_MOMENT:
            return self._open(now, slot, at)
        until = slot.start if self._again(slot, at) is None else self._later(at)
        if now.open:
            closes = f" at {instant(now.next_transition)}" if now.next_transition else ""
            return Window(open=False, reason=f"{self.about} closes{closes}, too soon for a wave", until=until)
        return replace(self._closed(now.rules, at), until=until)

    def at_once(self, at: datetime) -> Window:
        """The same for what needs no slot: open or closed at that instant."""
        try:
            now = state(self._left(self.passed(at)), at, self.action)
        except UnknownDaysError as error:
            return self._closed((error.message,), at)
        return (
            Window(open=True, reason="")
            if now.open
            else replace(self._closed(now.rules, at), until=now.next_transition)
        )

    def passed(self, at: datetime) -> tuple[Blackout, ...]:
        """The blackouts in force that waivers pass; none where it is not known which are."""
        if not self.passages:
            return ()
        return tuple(one for one in self._in_force(at) if self._until(one) > seconds_of(at))

    def waivable(self, at: datetime) -> tuple[Blackout, ...]:
        """The blackouts in force that no waivers pass, or not for long enough; none when it would be closed without
        them as well, or it is not known which are.
        """
        found = self._in_force(at)
        try:
            slot = self._slot(self._left(found), at)
        except UnknownDaysError:
            return ()
        if isinstance(slot, Nowhere) or slot.start - at >= _ANY_MOMENT:
            return ()
        passed = {one.gate for one in self.passed(at)}
        return tuple(one for one in found if one.gate not in passed or self._again(slot, at, (one,)) is not None)

    def _in_force(self, at: datetime) -> tuple[Blackout, ...]:
        try:
            return in_force(self.calendars, at, self.action)
        except UnknownDaysError:
            return ()

    def _open(self, now: State, slot: Slot, at: datetime) -> Window:
        again = self._again(slot, at)
        if again is not None:
            reason = f"{self.about} is open by waiver until {instant(utc(again))}, too soon for a wave"
            return Window(open=False, reason=reason, until=self._later(at))
        return Window(open=True, reason=f"{self.about} is open: {', '.join(now.rules) or 'by default'}")

    def _left(self, passed: Collection[Blackout]) -> Calendars:
        return (*without(self.calendars, passed), *self.also)

    def _slot(self, calendars: Calendars, at: datetime) -> Slot | Nowhere:
        return next_slot(calendars, timedelta(seconds=self.seconds), at, HORIZON, self.action)

    def _later(self, at: datetime) -> datetime | None:
        """The next slot that needs no waiver."""
        slot = self._slot((*self.calendars, *self.also), at)
        return None if isinstance(slot, Nowhere) else slot.start

    def _again(self, slot: Slot, at: datetime, passed: Collection[Blackout] | None = None) -> int | None:
        """When one of those that are passed closes during the slot and its cutoff; None when none does."""
        begin, now = seconds_of(slot.start), seconds_of(at)
        end = begin + self.seconds + cutoff((*self.calendars, *self.also))
        found = [
            one.left(self._until(one), now, end).within(begin, end)
            for one in (self.passed(at) if passed is None else passed)
        ]
        return min((int(spans.starts[0]) for spans in found if spans), default=None)

    def _until(self, blackout: Blackout) -> int:
        """When its waivers are too few, in seconds; 0 when they are now."""
        passage = self.passages.get(blackout.gate)
        return seconds_of(passage.until) if passage and passage.until else 0

    def _closed(self, rules: Collection[str], at: datetime, more: str = "") -> Window:
        """Closed by the rules, with what the waivers come to for those that are not passed."""
        known = self._in_force(at) if self.passages else ()
        met = {one.ref: self.passages[one.gate] for one in known if one.gate in self.passages}
        begin = f"{self.about} is closed{' for migrations' if self.action == 'migration' else ''}: "
        said = begin + _worded(rules, {ref: one.said for ref, one in met.items()}) + more
        kept = begin + _worded(rules, {ref: one.unnamed for ref, one in met.items()}) + more
        return Window(open=False, reason=said, unnamed=None if kept == said else kept)


def _worded(rules: Collection[str], waivers: Mapping[str, str]) -> str:
    return ", ".join(f"{rule} ({waivers[rule]})" if waivers.get(rule) else rule for rule in rules)
