"""When trains leave, as a recurrence rule: the part of RFC 5545 that means one thing to every library. It says
wall-clock times and knows no zones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule, weekday

from stationmaster.domain.rule_parts import WEEKDAYS, number, numbers, split, weekday_text, weekdays

_FREQUENCIES: dict[str, Literal[1, 2, 3]] = {"DAILY": DAILY, "WEEKLY": WEEKLY, "MONTHLY": MONTHLY}
_PARTS = ("FREQ", "INTERVAL", "BYDAY", "BYHOUR", "BYMINUTE", "BYMONTHDAY", "BYSETPOS")


@dataclass(frozen=True, slots=True)
class Cadence:
    """An RRULE of the subset, in numbers. An empty part was not said."""

    frequency: str
    interval: int = 1
    days: tuple[tuple[int, str], ...] = ()  # the ordinal within the month, 0 for every; MO … SU
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    def filled(self, start: datetime) -> "Cadence":
        """With the parts that RFC 5545 takes from the start where the rule does not say them."""
        days, month_days = self.days, self.month_days
        if self.frequency == "WEEKLY" and not days:
            days = ((0, WEEKDAYS[start.weekday()]),)
        if self.frequency == "MONTHLY" and not (days or month_days):
            month_days = (start.day,)
        hours, minutes = self.hours or (start.hour,), self.minutes or (start.minute,)
        return Cadence(self.frequency, self.interval, days, hours, minutes, month_days, self.positions)

    def expanded(self, start: datetime) -> Iterator[datetime]:
        """Naive wall-clock times from `start` on, ascending. The rule must be filled."""
        return iter(
            rrule(
                _FREQUENCIES[self.frequency],
                dtstart=start,
                interval=self.interval,
                byweekday=[weekday(WEEKDAYS.index(day), ordinal or None) for ordinal, day in self.days] or None,
                byhour=self.hours,
                byminute=self.minutes,
                bysecond=0,
                bymonthday=self.month_days or None,
                bysetpos=self.positions or None,
            )
        )

    def __str__(self) -> str:
        days = [weekday_text(*day) for day in self.days]
        others = (self.hours, self.minutes, self.month_days, self.positions)
        texts = [",".join(str(one) for one in part) for part in others]
        values = (self.frequency, str(self.interval), ",".join(days), *texts)
        return ";".join(f"{name}={value}" for name, value in zip(_PARTS, values, strict=True) if value)


def parse(text: str) -> Cadence:
    """The text of an RRULE in numbers, or a ValueError that names the part."""
    parts = split(text, _PARTS, "a train's cadence")
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"a train's cadence begins with FREQ=DAILY, WEEKLY or MONTHLY, not {text[:40]!r}")
    found = Cadence(
        parts["FREQ"],
        number(parts, "INTERVAL", range(1, 367)) or 1,
        weekdays(parts.get("BYDAY")),
        numbers(parts, "BYHOUR", range(24)),
        numbers(parts, "BYMINUTE", range(60)),
        numbers(parts, "BYMONTHDAY", [n for n in range(-31, 32) if n]),
        numbers(parts, "BYSETPOS", [n for n in range(-366, 367) if n]),
    )
    _refuse_meaningless(found)
    return found


def _refuse_meaningless(rule: Cadence) -> None:
    """What RFC 5545 forbids, or libraries read in different ways."""
    monthly = rule.frequency == "MONTHLY"
    refused = (
        (not monthly and any(ordinal for ordinal, _ in rule.days), "BYDAY with a number, as 1TU, needs FREQ=MONTHLY"),
        (rule.frequency == "WEEKLY" and rule.month_days, "BYMONTHDAY needs FREQ=MONTHLY or DAILY"),
        (rule.positions and not monthly, "BYSETPOS needs FREQ=MONTHLY"),
        (rule.positions and not (rule.days or rule.month_days), "BYSETPOS picks from BYDAY or BYMONTHDAY; give one"),
    )
    for wrong, said in refused:
        if wrong:
            raise ValueError(said)


def walls(rule: Cadence, start: datetime, begin: datetime) -> Iterator[datetime]:
    """Naive wall-clock times of the rule that begins at `start`, ascending, from a little before `begin` on."""
    filled = rule.filled(start)
    return (wall for wall in filled.expanded(_in_step(filled, start, max(begin, start))) if wall >= start)


def _in_step(rule: Cadence, start: datetime, begin: datetime) -> datetime:
    """A day not after `begin` from which INTERVAL counts the same periods as from `start`, so that what was long ago
    need not be expanded.
    """
    if rule.frequency == "MONTHLY":
        months = (begin.year - start.year) * 12 + begin.month - start.month
        index = start.year * 12 + start.month - 1 + months // rule.interval * rule.interval
        return datetime(index // 12, index % 12 + 1, 1)  # noqa: DTZ001 - wall-clock time
    period = rule.interval * (7 if rule.frequency == "WEEKLY" else 1)
    days = (begin.date() - start.date()).days // period * period
    return datetime.combine(start.date() + timedelta(days=days), time())
