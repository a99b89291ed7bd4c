"""Calendars answered minute by minute, straight from the page that specifies them and without a line of ours.

The wall clock is written down for every minute of UTC; a rule's interval is found by reading that list, as a person
would with a clock that is wound. Days come from dateutil and `holidays`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import numpy as np
from dateutil.rrule import rrulestr
from numpy.typing import NDArray

Minutes = NDArray[np.bool_]
DAY = timedelta(days=1)
DAYS = 90
AROUND = 3  # days written down on either side
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock time
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip


@dataclass(frozen=True)
class Clock:
    """What the clocks of a zone show at each minute of UTC, in minutes, from AROUND days before `begin` on."""

    begin: date
    shown: NDArray[np.int64]

    def first(self, wall: int) -> int:
        """Which minute first shows a wall time, or the one at which the clocks jump over it."""
        near = self._near(wall)
        return near + int(np.argmax(self.shown[near : near + 5 * 1440] >= wall))

    def last(self, wall: int) -> int:
        """Which minute last shows a wall time, or the one at which the clocks jump over it."""
        near = self._near(wall)
        showing = np.flatnonzero(self.shown[near : near + 5 * 1440] == wall)
        return near + int(showing[-1]) if len(showing) else self.first(wall)

    def _near(self, wall: int) -> int:
        """Two days before the minute of UTC of the same name."""
        return max(0, wall - int((self.begin - _EPOCH.date()).days - AROUND) * 1440 - 2 * 1440)


@cache
def clock(zone: str, begin: date) -> Clock:
    start = int(datetime(begin.year, begin.month, begin.day, tzinfo=UTC).timestamp()) - AROUND * 86400
    with files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as data:
        known = ZoneInfo.from_file(data)
    walls = (
        datetime.fromtimestamp(start + 60 * minute, known).replace(tzinfo=None)
        for minute in range((DAYS + 2 * AROUND) * 1440)
    )
    return Clock(begin, np.array([int((wall - _EPOCH).total_seconds()) // 60 for wall in walls], dtype=np.int64))


def is_open(calendar: dict[str, Any], action: str, begin: date) -> Minutes:
    """Of each minute of the DAYS from midnight UTC of `begin` on."""
    if action == "rollback":
        return np.ones(DAYS * 1440, dtype=np.bool_)
    in_blackout = anywhere(calendar, "blackouts", action, begin)
    if _action(action) not in calendar.get("applies_to", ["deploy", "flag"]) or calendar["default"] == "open":
        return ~in_blackout
    return anywhere(calendar, "windows", action, begin) & ~in_blackout


def anywhere(calendar: dict[str, Any], kind: str, action: str, begin: date) -> Minutes:
    found = np.zeros(DAYS * 1440, dtype=np.bool_)
    for rule in counting(calendar, kind, action):
        found |= in_force(rule, calendar["timezone"], begin)
    return found


def counting(calendar: dict[str, Any], kind: str, action: str) -> Iterator[dict[str, Any]]:
    for rule in calendar.get(kind, ()):
        if _action(action) in rule.get("applies_to", calendar.get("applies_to", ["deploy", "flag"])):
            yield rule


def _action(action: str) -> str:
    return "deploy" if action == "hotfix" else action


def in_force(rule: dict[str, Any], zone: str, begin: date) -> Minutes:
    known = clock(zone, begin)
    found = np.zeros(len(known.shown), dtype=np.bool_)
    low, high = int(known.shown[0]) + 2 * 1440, int(known.shown[-1]) - 1440
    for start, end in intervals(rule, begin):
        if end > low and start < high:
            found[known.first(max(start, low)) : known.last(min(end, high))] = True
    if "expires" in rule:
        found &= known.shown < minutes(datetime.fromisoformat(rule["expires"]))
    return found[AROUND * 1440 : -AROUND * 1440]


def intervals(rule: dict[str, Any], begin: date) -> Iterator[tuple[int, int]]:
    """In minutes of the wall clock."""
    if "from" in rule:
        yield minutes(datetime.fromisoformat(rule["from"])), minutes(datetime.fromisoformat(rule["to"]))
        return
    for first, last in ranges(rule, begin - AROUND * DAY, begin + (DAYS + AROUND) * DAY):
        if "start" in rule:
            start, end = (minutes(datetime.fromisoformat(f"{first}T{rule[key]}")) for key in ("start", "end"))
            yield start, end if end > start else end + 1440
        else:
            yield _midnight(first), _midnight(last) + 1440


def ranges(rule: dict[str, Any], since: date, until: date) -> Iterator[tuple[date, date]]:
    if "rrule" in rule:
        anchor = rule.get("dtstart") or (since - 400 * DAY).isoformat()
        for at in rrulestr(rule["rrule"], dtstart=datetime.fromisoformat(anchor)):
            if at.date() > until:
                return
            if at.date() >= since:
                yield at.date(), at.date()
    elif "holidays" in rule:
        known = public(rule["holidays"])
        yield from ((day, day) for day in every(since, until) if day in known)
    elif "business_days" in rule:
        yield from business(rule["business_days"], since, until)
    else:
        yield from fiscal(rule["fiscal"], since, until)


def business(rule: dict[str, Any], since: date, until: date) -> Iterator[tuple[date, date]]:
    known = public(rule["country"])
    for first in every(since - 70 * DAY, until + 35 * DAY):
        if first.day == 1:
            following = (first + 31 * DAY).replace(day=1)
            this, then = (_working(month, known) for month in (first, following))
            edges = [(this if at < 0 else then)[at if at < 0 else at - 1] for at in (rule["from"], rule["to"])]
            yield edges[0], edges[1]


def _working(first: date, known: Any) -> list[date]:
    return [
        day for day in every(first, first + 30 * DAY)
        if day.month == first.month and day.weekday() < 5 and day not in known
    ]  # fmt: skip


def fiscal(rule: dict[str, Any], since: date, until: date) -> Iterator[tuple[date, date]]:
    """Years end by the rule; each quarter is 13 weeks and the last as long as the year."""
    weeks = [int(number) for number in rule["pattern"].split("-")] * 4
    sizes = [sum(weeks[:3])] * 4 if rule.get("periods", "quarter") == "quarter" else weeks
    ends = [year_end(rule["year_end"], year) for year in range(since.year - 2, until.year + 3)]
    for before, last in pairwise(ends):
        at = before
        for size in sizes[:-1]:
            at += size * 7 * DAY
            yield at - rule.get("days_before", 0) * DAY, at
        yield last - rule.get("days_before", 0) * DAY, last


def year_end(text: str, year: int) -> date:
    words = text.split("-")
    weekday, month = _WEEKDAYS.index(words[1]), _MONTHS.index(words[3]) + 1
    if words[0] == "last":
        return [day for day in every(date(year, month, 1), date(year, month, 28) + 3 * DAY)
                if day.month == month and day.weekday() == weekday][-1]  # fmt: skip
    middle = date(year, month, int(words[4]))
    return next(day for day in every(middle - 3 * DAY, middle + 3 * DAY) if day.weekday() == weekday)


@cache
def public(region: str) -> Any:
    country, _, part = region.partition("-")
    return holidays.country_holidays(country, subdiv=part or None, years=range(2008, 2034))


def every(first: date, last: date) -> Iterator[date]:
    return (first + number * DAY for number in range((last - first).days + 1))


def minutes(wall: datetime) -> int:
    return int((wall - _EPOCH).total_seconds()) // 60


def _midnight(day: date) -> int:
    return minutes(datetime(day.year, day.month, day.day))  # noqa: DTZ001
