"""Which days a window or a blackout recurs on: the part of RFC 5545's RRULE that means one thing to every library.

Dates in, dates out. A window carries its own times and its zone; only `ending` looks at them, for an UNTIL with a time.
A day that does not exist, as 30 February, is left out and never moved.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from stationmaster.domain import rule_until
from stationmaster.domain.errors import nearest
from stationmaster.domain.rule_parts import WEEKDAYS, number, numbers, split, weekday_text, weekdays

Days = NDArray[np.datetime64]
Mask = NDArray[np.bool_]

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WITHIN_A_DAY = ("HOURLY", "MINUTELY", "SECONDLY")
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "WKST")
_TIMES = "`start` and `end` say the time"
_REFUSED: Mapping[str, str] = {
    "BYHOUR": _TIMES,
    "BYMINUTE": _TIMES,
    "BYSECOND": _TIMES,
    "BYWEEKNO": "libraries number weeks in different ways; write BYMONTH with BYDAY, or INTERVAL with FREQ=WEEKLY",
    "BYYEARDAY": "write BYMONTH with BYMONTHDAY",
    "RSCALE": "only the Gregorian calendar is read",
    "SKIP": "a day that does not exist is left out; write BYMONTHDAY=-1 for the last of a month",
}
_MONTH_DAYS = [n for n in range(-31, 32) if n]
_EVERY_KIND_OF_YEAR = (date(2000, 1, 1), date(2027, 12, 31))  # each weekday on 1 January, leap and common
_THURSDAY = 3  # 1970-01-01, the day numpy counts from, with Monday as 0


@dataclass(frozen=True, slots=True)
class Recurrence:
    """An RRULE of the subset, in numbers. An empty part was not said. `until` is a day, wall-clock time or UTC."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: date | datetime | None = None
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    days: tuple[tuple[int, str], ...] = ()  # the ordinal within the month, 0 for every; MO … SU
    positions: tuple[int, ...] = ()
    week_start: str = "MO"

    def filled(self, start: date) -> "Recurrence":
        """With the parts that RFC 5545 takes from the start where the rule does not say them."""
        if self.days or self.month_days or self.frequency == "DAILY":
            return self
        if self.frequency == "WEEKLY":
            return replace(self, days=((0, WEEKDAYS[start.weekday()]),))
        months = (start.month,) if self.frequency == "YEARLY" and not self.months else self.months
        return replace(self, months=months, month_days=(start.day,))

    def __str__(self) -> str:
        plays = self.frequency == "WEEKLY" and self.interval > 1 and self.week_start != "MO"
        values = (
            self.frequency,
            str(self.interval) if self.interval > 1 else "",
            str(self.count or ""),
            rule_until.text(self.until) if self.until else "",
            *(",".join(map(str, part)) for part in (self.months, self.month_days)),
            ",".join(weekday_text(*day) for day in self.days),
            ",".join(map(str, self.positions)),
            self.week_start if plays else "",
        )
        return ";".join(f"{name}={value}" for name, value in zip(_PARTS, values, strict=True) if value)


def parse(text: str) -> Recurrence:
    """The text of an RRULE in numbers, or a ValueError that names the part and the way out."""
    said = text.strip().removesuffix(";")  # Google Calendar ends a rule with one
    parts = split(said, _PARTS, "a recurrence rule", _REFUSED)
    found = Recurrence(
        _word(parts, "FREQ", _FREQUENCIES, ""),
        number(parts, "INTERVAL", range(1, 1000)) or 1,
        number(parts, "COUNT", range(1, 10000)),
        rule_until.parse(parts["UNTIL"]) if "UNTIL" in parts else None,
        numbers(parts, "BYMONTH", range(1, 13)),
        numbers(parts, "BYMONTHDAY", _MONTH_DAYS),
        tuple(sorted(weekdays(parts.get("BYDAY")), key=lambda day: (day[0], WEEKDAYS.index(day[1])))),
        numbers(parts, "BYSETPOS", _MONTH_DAYS),
        _word(parts, "WKST", WEEKDAYS, "MO"),
    )
    _refuse_meaningless(found)
    return found


def must_begin(rule: Recurrence, dtstart: date | None) -> None:
    """Refuse a rule that needs a first day and has none, one that begins on a day its own rule does not generate, and
    one that generates no day at all, with a ValueError that says what to add.
    """
    if dtstart is None:
        _refuse_unanchored(rule)
        if not days(replace(rule, until=None), None, *_EVERY_KIND_OF_YEAR):
            raise ValueError(f"{rule} is never: no month has such a day")
    elif not days(rule, dtstart, dtstart, dtstart):
        raise ValueError(f"`dtstart` {dtstart} is not a day of {rule}; begin on one that is")


def days(rule: Recurrence, dtstart: date | None, first: date, last: date) -> list[date]:
    """The days of a rule from `first` to `last`, both included, ascending. None lies before `dtstart`; COUNT counts
    from there. UNTIL's own day is included; of an UNTIL with a time the date is taken as it is written, unless
    `ending` was asked before.

    Raises:
        ValueError: the rule needs a `dtstart` and has none.
    """
    if dtstart is None:
        _refuse_unanchored(rule)
    anchor = dtstart or first
    begin = anchor if rule.count else max(first, anchor)
    end = min(last, rule_until.day(rule.until)) if rule.until else last
    if begin > end:
        return []
    found: list[date] = _generated(rule.filled(anchor), anchor, begin, end).tolist()
    return [day for day in found[: rule.count] if day >= first]


def ending(rule: Recurrence, start: time, zone: ZoneInfo) -> Recurrence:
    """The rule with UNTIL as the last day on which what starts at the wall-clock time `start` still begins."""
    if not isinstance(rule.until, datetime):
        return rule
    return replace(rule, until=rule_until.last_beginning(rule.until, start, zone))


def ambiguous(rule: Recurrence) -> str | None:
    """What two readers may take for two different last days, with what to write; None when there is nothing."""
    return rule_until.ambiguous(rule.until)


def _refuse_unanchored(rule: Recurrence) -> None:
    """What a rule takes from its first day when it does not say so itself."""
    named = rule.days or rule.month_days
    needed = (
        (rule.interval > 1, f"INTERVAL={rule.interval} counts from a first day; add `dtstart`"),
        (rule.count, f"COUNT={rule.count} counts from a first day; add `dtstart`"),
        (rule.frequency == "WEEKLY" and not named, "FREQ=WEEKLY needs BYDAY, as BYDAY=TU, or `dtstart`"),
        (rule.frequency == "MONTHLY" and not named, "FREQ=MONTHLY needs BYMONTHDAY or BYDAY, or `dtstart`"),
        (rule.frequency == "YEARLY" and not rule.months, "FREQ=YEARLY needs BYMONTH, or `dtstart`"),
        (rule.frequency == "YEARLY" and not named, "FREQ=YEARLY needs BYMONTHDAY or BYDAY, or `dtstart`"),
    )
    _refuse_first(needed)


def _refuse_meaningless(rule: Recurrence) -> None:
    """What RFC 5545 forbids, libraries read in different ways, or does not say in which month."""
    monthly, yearly = rule.frequency == "MONTHLY", rule.frequency == "YEARLY"
    numbered = any(ordinal for ordinal, _ in rule.days)
    of_months = monthly or (yearly and rule.months)
    refused = (
        (rule.count and rule.until, "COUNT and UNTIL both end the rule; give one"),
        (numbered and not of_months, "BYDAY with a number, as 1TU, needs FREQ=MONTHLY, or FREQ=YEARLY with BYMONTH"),
        (
            rule.month_days and rule.frequency == "WEEKLY",
            "BYMONTHDAY needs FREQ=MONTHLY, DAILY, or YEARLY with BYMONTH",
        ),
        (rule.month_days and yearly and not rule.months, "BYMONTHDAY with FREQ=YEARLY needs BYMONTH"),
        (rule.positions and not monthly, "BYSETPOS needs FREQ=MONTHLY"),
        (rule.positions and not (rule.days or rule.month_days), "BYSETPOS picks from BYDAY or BYMONTHDAY; give one"),
    )
    _refuse_first(refused)


def _refuse_first(refused: Collection[tuple[object, str]]) -> None:
    for wrong, said in refused:
        if wrong:
            raise ValueError(said)


def _word(parts: Mapping[str, str], name: str, known: Collection[str], default: str) -> str:
    word = parts.get(name, default)
    if word in _WITHIN_A_DAY:
        raise ValueError(f"{name}={word} is not read: {_TIMES}")
    if word not in known:
        close = nearest(word, known)
        raise ValueError(f"{name}={word} is not read; {close}" if word else f"a recurrence rule needs {name}; {close}")
    return word


def _generated(rule: Recurrence, anchor: date, begin: date, end: date) -> Days:
    """The days of a filled rule whose periods are counted from the anchor's. Whole months are looked at, since
    BYSETPOS picks within one.
    """
    months = np.arange(np.datetime64(begin, "M"), np.datetime64(end, "M") + 1)
    days = np.arange(months[0].astype("M8[D]"), (months[-1] + 1).astype("M8[D]"))
    taken = _in_step(rule, days, anchor) & _named(rule, days)
    if rule.positions:
        taken &= _at_positions(rule.positions, days, taken)
    days = days[taken]
    return days[(days >= np.datetime64(begin)) & (days <= np.datetime64(end))]


def _in_step(rule: Recurrence, days: Days, anchor: date) -> Mask:
    """Those in every INTERVAL-th period from the anchor's, by arithmetic: nothing is expanded from there on."""
    period, at = _periods(rule, days), _periods(rule, np.array([anchor], "M8[D]"))
    in_step: Mask = (period - at) % rule.interval == 0
    return in_step


def _periods(rule: Recurrence, days: Days) -> NDArray[np.int64]:
    """The number of each day's day, week, month or year."""
    if rule.frequency == "WEEKLY":
        return (days.astype(np.int64) + _THURSDAY - WEEKDAYS.index(rule.week_start)) // 7
    unit = {"DAILY": "M8[D]", "MONTHLY": "M8[M]", "YEARLY": "M8[Y]"}[rule.frequency]
    return days.astype(unit).astype(np.int64)


def _named(rule: Recurrence, days: Days) -> Mask:
    """Those that BYMONTH, BYMONTHDAY and BYDAY all name; a part that is not said names every day."""
    months = days.astype("M8[M]")
    number = (days - months.astype("M8[D]")).astype(np.int64) + 1
    from_end = (days - (months + 1).astype("M8[D]")).astype(np.int64)  # -1 is the last of the month
    named = np.ones(len(days), np.bool_)
    if rule.months:
        named &= np.isin(months.astype(np.int64) % 12 + 1, rule.months)
    if rule.month_days:
        named &= np.isin(number, rule.month_days) | np.isin(from_end, rule.month_days)
    if rule.days:
        weekday = (days.astype(np.int64) + _THURSDAY) % 7
        ordinals = (np.zeros_like(number), (number + 6) // 7, from_end // 7)  # every, the nth, the nth from the end
        wanted = [ordinal * 7 + WEEKDAYS.index(day) for ordinal, day in rule.days]
        named &= np.logical_or.reduce([np.isin(ordinal * 7 + weekday, wanted) for ordinal in ordinals])
    return named


def _at_positions(positions: tuple[int, ...], days: Days, taken: Mask) -> Mask:
    """Those of the taken that are the nth of their month, or the nth from its end."""
    _, month, sizes = np.unique(days.astype("M8[M]")[taken], return_inverse=True, return_counts=True)
    before = np.concatenate(([0], np.cumsum(sizes)))
    nth = np.arange(len(month)) - before[month] + 1
    picked = np.zeros_like(taken)
    picked[taken] = np.isin(nth, positions) | np.isin(nth - 1 - sizes[month], positions)
    return picked
