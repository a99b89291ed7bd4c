"""Recurring events of iCalendar as rules of ours: what RRULE, EXDATE and long events mean in days.

A rule of ours knows no exceptions and lasts a day at most. So a series is taken apart at each day that is left out,
and an event over several days becomes a rule for each of them. What cannot be taken apart exactly is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from stationmaster.domain import rule_until
from stationmaster.domain.ical_lines import LineError, Property
from stationmaster.domain.ical_times import Length, When, instant
from stationmaster.domain.recurrence import Recurrence, days, ending, parse
from stationmaster.domain.rule_parts import WEEKDAYS
from stationmaster.domain.zones import zone

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)
_LAST = date(2199, 12, 31)
_NEAR = timedelta(days=800)  # where the next occurrence is looked for first
_SOON = timedelta(days=5 * 366)
_LONGEST = timedelta(days=31)
_COMMON, _LEAP = 2001, 2000


@dataclass(frozen=True, slots=True)
class Series:
    """The days on which an event begins. `first` is one of them, and the rule says all that depends on it."""

    rule: Recurrence
    first: date

    @classmethod
    def of(cls, said: Property, start: When, zone_name: str) -> "Series":
        """The RRULE of an event that begins at `start`, or a `LineError`."""
        try:
            rule = parse(said.value)
        except ValueError as wrong:
            raise LineError(said.line, f"RRULE: {wrong}") from None
        _refuse_until(rule, start, said.line)
        rule = ending(rule.filled(start.day), start.wall.time(), zone(zone_name))
        made = cls(rule, start.day)
        if not made.has(start.day):
            _refuse_first(made, start, said)
        return made

    def has(self, day: date) -> bool:
        return bool(days(self.rule, self.first, day, day))

    def between(self, first: date, last: date) -> list[date]:
        return days(self.rule, self.first, first, last)

    def since(self, day: date) -> "Series | None":
        """Without what begins before a day; None when nothing is left."""
        if day <= self.first:
            return self
        left = self.between(day, min(day + _NEAR, _LAST))[:1] or self.between(day, _LAST)[:1]
        if not left:
            return None
        count = self.rule.count
        if count is not None:
            count -= len(self.between(self.first, day - _DAY))
        return Series(replace(self.rule, count=count), left[0])

    def until(self, day: date) -> "Series | None":
        """Without what begins after a day."""
        if day < self.first:
            return None
        last = self.between(self.first, day)[-1] if self.rule.count else day
        if self.rule.until is not None:
            last = min(last, rule_until.day(self.rule.until))
        return Series(replace(self.rule, count=None, until=last), self.first)

    def without(self, excluded: Sequence[date]) -> Iterator["Series"]:
        """The same in pieces, around days of its own, ascending."""
        left: Series | None = self
        for day in excluded:
            if left is None:
                return
            before, left = left.until(day - _DAY), left.since(day + _DAY)
            if before is not None:
                yield before
        if left is not None:
            yield left

    def later(self, many: int) -> "Series | None":
        """The days that lie `many` days after its own, or None when no rule says them."""
        rule = _later(self.rule, many)
        if rule is None:
            return None
        if rule.until is not None:
            rule = replace(rule, until=rule_until.day(rule.until) + many * _DAY)
        return Series(rule, self.first + many * _DAY)


def _refuse_until(rule: Recurrence, start: When, line: int) -> None:
    """UNTIL is a day where DTSTART is one, in UTC where DTSTART has a zone, else without one (RFC 5545 § 3.3.10). In
    another form readers take it for different last days.
    """
    if rule.until is None:
        return
    timed = isinstance(rule.until, datetime)
    utc = isinstance(rule.until, datetime) and rule.until.tzinfo is not None
    wanted = "a day, as 20261231" if start.all_day else "a time in UTC, as 20261231T220000Z"
    if not start.all_day and start.zone is None:
        wanted = "a time without zone, as 20261231T220000"
    if timed == start.all_day or (timed and utc != (start.zone is not None)):
        raise LineError(line, f"RRULE: UNTIL={rule_until.text(rule.until)} beside such a DTSTART", f"write {wanted}")


def _refuse_first(made: Series, start: When, said: Property) -> None:
    if made.rule.until is not None and rule_until.day(made.rule.until) < start.day:
        raise LineError(said.line, f"RRULE: UNTIL lies before DTSTART {start.day}")
    endless = Series(replace(made.rule, until=None, count=None), start.day)
    near = endless.between(start.day, _LAST)[:1]
    message = f"DTSTART {start.day}, a {start.day:%A}, is not a day of its own RRULE {said.value}"
    raise LineError(start.line, message, f"begin on {near[0]}" if near else "no day is one")


def _later(rule: Recurrence, many: int) -> Recurrence | None:
    if many == 0:
        return rule
    if rule.frequency == "DAILY" and not (rule.months or rule.month_days or rule.days):
        return rule
    if rule.frequency == "WEEKLY" and not rule.months and (rule.interval == 1 or len(rule.days) == 1):
        turned = (WEEKDAYS.index(day) + many for _, day in rule.days)
        return replace(rule, days=tuple((0, WEEKDAYS[place % 7]) for place in sorted(one % 7 for one in turned)))
    if rule.frequency == "YEARLY" and not rule.days and len(rule.months) == len(rule.month_days) == 1:
        return _of_a_year(rule, many)
    return None


def _of_a_year(rule: Recurrence, many: int) -> Recurrence | None:
    """The day of a year that is `many` later, where it is the same in a leap year."""
    month, day = rule.months[0], rule.month_days[0]
    try:
        common, leap = (date(year, month, day) + many * _DAY for year in (_COMMON, _LEAP))
    except ValueError:  # 29 February, or counted from the end of the month
        return None
    if (common.month, common.day) != (leap.month, leap.day):
        return None
    return replace(rule, months=(common.month,), month_days=(common.day,))


def refuse_uneven(made: Series, start: datetime, long: Length, zone_name: str, line: int) -> None:
    """Refuse exact hours where the clocks change within them: wall-clock times would be longer or shorter."""
    if not long.seconds:
        return
    for begin in made.between(made.first, min(made.first + _SOON, _LAST - _SOON)):
        opens = datetime.combine(begin, start.time())
        closes = opens + timedelta(days=long.days, seconds=long.seconds)
        exact = long.seconds + instant(opens + timedelta(days=long.days), zone_name, "starts")
        if instant(closes, zone_name, "ends") != exact:
            message = f"DURATION: on {begin} the clocks of {zone_name} change within it"
            raise LineError(line, message, "write DTEND: a window is from wall-clock time to wall-clock time")


def rules(made: Series, start: datetime, end: datetime, line: int) -> Iterator[dict[str, Any]]:
    """What says the days and times of a series whose first event lasts from `start` to `end`."""
    if end - start <= _DAY and not start.time() == end.time() == _MIDNIGHT:
        yield _said(made, start.time(), end.time())
        return
    if end - start > _LONGEST:
        raise LineError(line, f"it recurs and lasts {end - start}, more than {_LONGEST.days} days", "write each once")
    whole = (end.date() - start.date()).days
    for many in range(whole + (end.time() > _MIDNIGHT)):
        shifted = made.later(many)
        if shifted is None:
            message = f"it lasts more than a day, and no rule says the days after those of {made.rule}"
            raise LineError(line, message, "write an event for each day, or each occurrence once")
        opens = start.time() if many == 0 else _MIDNIGHT
        closes = end.time() if many == whole else _MIDNIGHT
        yield _said(shifted, opens, closes)


def _said(made: Series, opens: time, closes: time) -> dict[str, Any]:
    days_ = {"rrule": str(made.rule), "dtstart": made.first}
    if opens == closes == _MIDNIGHT:
        return {**days_, "all_day": True}
    return {**days_, "start": opens, "end": closes}
