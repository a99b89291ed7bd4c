"""What is valid in a calendar file and yet hardly meant: rules that never fire, have expired or say the same twice,
that lie in a jump of the clocks or leave no room. It finds, and changes no answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from stationmaster.domain import rule_until
from stationmaster.domain.calendar import Calendar, Rule
from stationmaster.domain.calendar_answers import LOOKAHEAD, by_windows, seconds_of, spans_of, unknown_of
from stationmaster.domain.calendar_rules import swallowed, why_unknown
from stationmaster.domain.documents import Document
from stationmaster.domain.spans import Spans, union
from stationmaster.domain.zones import countries, zone

Place = tuple[str | int, ...]
Said = tuple[Place, str | None, str, str]  # where in the file, the rule, what, and what to do

_LEAVE_OUT = "leave the rule out, or correct its dates"


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious thing: where, in which rule (None: the whole calendar), what, and what to do about it."""

    file: str
    line: int | None
    rule: str | None
    message: str
    hint: str


def lint(document: Document[Calendar], at: datetime) -> list[Finding]:
    """What is suspicious within LOOKAHEAD from an aware instant on, in the order of the lines."""
    begin = seconds_of(at)
    look = _Look(document.value, at, begin, begin + int(LOOKAHEAD.total_seconds()))
    said = [*_cutoff(document), *look.each(), *look.pairs(), *look.whole()]
    found = [Finding(document.file, document.line(*place), rule, what, hint) for place, rule, what, hint in said]
    return sorted(found, key=lambda finding: (finding.line or 0, finding.message))


def _cutoff(document: Document[Calendar]) -> Iterator[Said]:
    """A number without a unit that is rather one of minutes."""
    written = (document.located.data or {}).get("cutoff")
    if isinstance(written, int) and 0 < written < 60:  # noqa: PLR2004 - a minute
        yield ("cutoff",), None, f"cutoff: {written} is {written} seconds", f"write {written}m if you mean minutes"


@dataclass(frozen=True, slots=True)
class _Look:
    """A calendar and the time that is looked at."""

    calendar: Calendar
    at: datetime
    begin: int
    end: int

    def spans(self, rules: Sequence[Rule]) -> Spans:
        return union(spans_of(self.calendar, rule, self.begin, self.end) for rule in rules)

    def each(self) -> Iterator[Said]:
        for place, rule in self.calendar.placed():
            for message, hint in (*self._when(rule), *self._where(rule), *self._what(rule, place[0])):
                yield place, rule.name, f"{place[0].removesuffix('s')} {rule.name!r} {message}", hint

    def _when(self, rule: Rule) -> Iterator[tuple[str, str]]:
        today = self.at.astimezone(zone(self.calendar.timezone)).date()
        if rule.expires is not None and rule.expires <= today:
            yield f"expired on {rule.expires}: it no longer counts", "leave it out, or agree anew and write until when"
        elif dark := unknown_of(self.calendar, rule, self.begin, self.end):
            since = datetime.fromtimestamp(int(dark.starts[0]), zone(self.calendar.timezone)).date()
            yield f"is not known from {since} on: {why_unknown(rule.timing, since)}", "write those days as dates"
        elif not self.spans([rule]):
            yield f"is never in force in the next {LOOKAHEAD.days} days", _LEAVE_OUT
        if rule.timing.recurrence and (unclear := rule_until.ambiguous(rule.timing.recurrence.until)):
            message, _, hint = unclear.partition("; ")
            yield f"may end on either of two days: {message}", hint

    def _where(self, rule: Rule) -> Iterator[tuple[str, str]]:
        lost = swallowed(rule.timing, self.calendar.timezone, self.at.date(), (self.at + LOOKAHEAD).date())
        if lost:
            yield f"is empty on {lost[0]}: the clocks jump over all of it", "begin before the jump, or end after it"
        region = rule.holidays or (rule.business_days.country if rule.business_days else None)
        home = countries(self.calendar.timezone)
        if region and home and region[:2] not in home:
            yield f"counts days of {region[:2]} in {self.calendar.timezone}", f"is it {' or '.join(sorted(home))}?"

    def _what(self, rule: Rule, kind: str) -> Iterator[tuple[str, str]]:
        found = self.spans([rule])
        if kind == "windows":
            longest = max((end - start for start, end in found.pairs()), default=0)
            if 0 < longest <= self.calendar.cutoff:
                yield "is no longer than the cutoff: nothing ever starts in it", "widen it, or shorten `cutoff`"
            if unused := set(rule.applies_to or ()) - set(self.calendar.applies_to):
                named = " and ".join(sorted(unused))
                yield f"opens nothing for {named}, which the calendar leaves open", f"add {named} to its `applies_to`"
        elif found.pairs() == [(self.begin, self.end)]:
            yield f"covers all of the next {LOOKAHEAD.days} days", "end it with `to`, UNTIL or `expires`"

    def pairs(self) -> Iterator[Said]:
        """Rules that are in force at the same times for the same actions."""
        for key, rules in (("windows", self.calendar.windows), ("blackouts", self.calendar.blackouts)):
            for (_, one), (index, other) in combinations(enumerate(rules), 2):
                same = set(one.applies_to or self.calendar.applies_to) == set(
                    other.applies_to or self.calendar.applies_to
                )
                if same and self.spans([one]) and self.spans([one]) == self.spans([other]):
                    message = f"{key.removesuffix('s')} {other.name!r} says the same as {one.name!r}"
                    yield (key, index), other.name, message, "leave one of them out"

    def whole(self) -> Iterator[Said]:
        """A calendar that never opens, for each action that it applies to."""
        for action in self.calendar.applies_to:
            if not by_windows(self.calendar, action):
                continue
            counted = [rule for rule in self.calendar.windows if self.calendar.counts(rule, action)]
            windows = self.spans(counted)
            closing = self.spans([rule for rule in self.calendar.blackouts if self.calendar.counts(rule, action)])
            if not counted:
                yield ("default",), None, f"closed for ever for {action}: it has no window", "add `windows`"
            elif windows and not windows - closing:
                message = f"closed for {action} in the next {LOOKAHEAD.days} days: blackouts cover every window"
                yield ("windows",), None, message, "shorten the blackouts, or add a window"
