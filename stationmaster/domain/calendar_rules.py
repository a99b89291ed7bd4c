"""When a calendar's rule is in force, in UTC: days and wall-clock times become spans, here and nowhere else.

Each distinct rule is expanded once for a zone and a year; ten thousand tenants who share a rule share its spans.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stationmaster.domain.business import business_days, business_days_of_month, fiscal, public_holidays
from stationmaster.domain.calendar import Timing
from stationmaster.domain.errors import InputError
from stationmaster.domain.recurrence import Recurrence, days, ending
from stationmaster.domain.spans import Spans, union
from stationmaster.domain.wall_times import DAY, Offsets, new_year, offsets
from stationmaster.domain.zones import zone

Seconds = NDArray[np.int64]

YEARS = range(1970, 2200)  # what can be asked about, in UTC
_MIDNIGHT = time(0)
_AROUND = timedelta(days=2)  # what begins this long before a year may reach into it, in any zone
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock time


class UnknownDaysError(InputError):
    """Which days a rule means is not known so far ahead: the holidays of a year, or its working days."""

    code = "unknown_days"

    def __init__(self, calendar: str, rule: str, why: str) -> None:
        super().__init__(f"{calendar}#{rule}: {why}", hint="ask about an earlier instant, or write the days as dates")
        self.calendar, self.rule, self.why = calendar, rule, why


def in_force(timing: Timing, zone_name: str, years: range) -> Spans:
    """When the rule is in force, as far as that is known, during whole years of UTC, which must be within YEARS."""
    return union(_of_year(timing, zone_name, year)[0] for year in years)


def unknown(timing: Timing, zone_name: str, years: range) -> Spans:
    """When nobody knows whether the rule is in force, during the same."""
    if timing.holidays is None and timing.business_days is None:
        return Spans.nothing()
    return union(_of_year(timing, zone_name, year)[1] for year in years)


def why_unknown(timing: Timing, at: date) -> str:
    """What is not known about a local day at which the rule is unknown."""
    try:
        if timing.business_days is not None:
            business_days_of_month(timing.business_days, at)
        else:
            _asked(timing, at, at)
    except ValueError as error:
        return str(error)
    return "its days are not known"


@lru_cache(maxsize=32_768)
def _of_year(timing: Timing, zone_name: str, year: int) -> tuple[Spans, Spans]:
    """When the rule is in force, and when that is not known."""
    begin, end = new_year(year), new_year(year + 1)
    if timing.expires is not None:
        end = min(end, _instant(datetime.combine(timing.expires, _MIDNIGHT), zone_name, "starts"))
    if timing.since is not None and timing.until is not None:
        once = (_instant(timing.since, zone_name, "starts"), _instant(timing.until, zone_name, "ends"))
        return Spans.of([once]).within(begin, end), Spans.nothing()
    first, last = date(year, 1, 1) - _AROUND, date(year, 12, 31) + _AROUND
    known, dark = offsets(zone_name, year), Spans.nothing()
    if timing.start is not None and timing.end is not None:
        begins = _recurring(timing, zone_name, first, last)
        found = _timed(begins, timing.start, timing.end, known)
    elif timing.recurrence is not None:
        midnights = _recurring(timing, zone_name, first, last)
        found = Spans.between(known.starts(midnights), known.ends(midnights + DAY))
    else:
        found, dark = (_whole_days(ranges, first, last, known) for ranges in _ranges(timing, first, last))
    return found.within(begin, end), dark.within(begin, end)


Ranges = Sequence[tuple[date, date]]


def _ranges(timing: Timing, first: date, last: date) -> tuple[Ranges, Ranges]:
    """Whole days, both ends included, that touch first to last: those of the rule, and those that may be."""
    try:
        return _asked(timing, first, last), []
    except ValueError:
        return _by_months(timing, first, last)


def _asked(timing: Timing, first: date, last: date) -> Ranges:
    if timing.business_days is not None:
        return business_days(timing.business_days, first, last)
    if timing.fiscal is not None:
        return fiscal(timing.fiscal, first, last)
    assert timing.holidays is not None  # noqa: S101 - a rule says its days
    return [(day, day) for day in public_holidays(timing.holidays, first, last)]


def _by_months(timing: Timing, first: date, last: date) -> tuple[Ranges, Ranges]:
    """The same where some months are not known; each is asked alone."""
    sure, dark = list[tuple[date, date]](), list[tuple[date, date]]()
    begin = first.replace(day=1)
    while begin <= last:
        following = (begin + timedelta(days=31)).replace(day=1)
        end = following - timedelta(days=1)
        try:
            sure += (
                business_days_of_month(timing.business_days, begin)
                if timing.business_days is not None
                else _asked(timing, begin, end)
            )
        except ValueError:
            dark.append((begin, end))
        begin = following
    return sure, dark


def _recurring(timing: Timing, zone_name: str, first: date, last: date) -> Seconds:
    """The local midnights of the days on which a recurring rule begins, as if local time were UTC."""
    assert timing.recurrence is not None  # noqa: S101 - the model lets times stand beside a recurrence alone
    ends = ending(timing.recurrence, timing.start or _MIDNIGHT, zone(zone_name))
    return _generated(ends, timing.dtstart, first, last)


@lru_cache(maxsize=16_384)
def _generated(recurrence: Recurrence, dtstart: date | None, first: date, last: date) -> Seconds:
    """Once for all who recur on the same days, whatever their times and zones."""
    return _midnights(days(recurrence, dtstart, first, last))


def swallowed(timing: Timing, zone_name: str, first: date, last: date) -> list[date]:
    """The days from first to last on which the clocks jump over all that a rule with times would be."""
    if timing.start is None or timing.end is None:
        return []
    begins = _recurring(timing, zone_name, first, last)
    of_day = (
        ((_EPOCH + timedelta(seconds=at)).date(), begins[place : place + 1]) for place, at in enumerate(begins.tolist())
    )
    return [day for day, one in of_day if not len(_timed(one, timing.start, timing.end, offsets(zone_name, day.year)))]


def _timed(midnights: Seconds, start: time, end: time, known: Offsets) -> Spans:
    """From `start` of each day to `end`, which is of the next day when it is not after `start`."""
    over = DAY if end <= start else 0
    return Spans.between(known.starts(midnights + _clock(start)), known.ends(midnights + _clock(end) + over))


def _whole_days(ranges: Ranges, first: date, last: date, known: Offsets) -> Spans:
    """From midnight to midnight; what lies before `first` or after `last` is cut."""
    cut = [(max(begin, first), min(end, last)) for begin, end in ranges if begin <= last and end >= first]
    starts, ends = _midnights([begin for begin, _ in cut]), _midnights([end for _, end in cut]) + DAY
    return Spans.between(known.starts(starts), known.ends(ends))


def _midnights(dates: Sequence[date]) -> Seconds:
    return np.array(dates, dtype="M8[D]").astype(np.int64) * DAY


def _clock(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _instant(wall: datetime, zone_name: str, side: str) -> int:
    """One wall-clock time; one outside YEARS is as far away as can be asked about."""
    if wall.year not in YEARS:
        return new_year(YEARS.start if wall.year < YEARS.start else YEARS.stop)
    walls = np.array([int((wall - _EPOCH).total_seconds())], dtype=np.int64)
    known = offsets(zone_name, wall.year)
    return int((known.starts(walls) if side == "starts" else known.ends(walls))[0])
