"""`train:` of `stationmaster.yaml`: when the trains of a product leave, and what to do with one at an instant.

Pure: the schedule follows from the file alone, and `decide` from what it is given. Nobody is started here; what is
aboard is `domain/boarding.py`.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import dropwhile, islice
from typing import Annotated, Literal, Protocol, Self
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule, weekday
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from stationmaster.domain.calendar import Window
from stationmaster.domain.duration import Seconds, instant
from stationmaster.domain.errors import nearest

# Before this, local time, no train left whose file does not say `departs_from`. A Monday.
ANCHOR = datetime(2024, 1, 1)  # noqa: DTZ001 - wall-clock time of the train's zone

Answer = Literal["not_yet", "cut", "depart", "empty", "held", "merged_into_next", "blocked"]

_FREQUENCIES: dict[str, Literal[1, 2, 3]] = {"DAILY": DAILY, "WEEKLY": WEEKLY, "MONTHLY": MONTHLY}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS = ("FREQ", "INTERVAL", "BYDAY", "BYHOUR", "BYMINUTE", "BYMONTHDAY", "BYSETPOS")
_OF_THIS_MACHINE = {"localtime", "Factory"}  # zones to zoneinfo, but not the same everywhere
_WEEKS_OF_A_MONTH = 5


@dataclass(frozen=True, slots=True)
class _Cadence:
    """An RRULE of the subset, in numbers. An empty part was not said."""

    frequency: str
    interval: int = 1
    days: tuple[tuple[int, str], ...] = ()  # the ordinal within the month, 0 for every; MO … SU
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    def filled(self, start: datetime) -> "_Cadence":
        """With the parts that RFC 5545 takes from the start where the rule does not say them."""
        days, month_days = self.days, self.month_days
        if self.frequency == "WEEKLY" and not days:
            days = ((0, _DAYS[start.weekday()]),)
        if self.frequency == "MONTHLY" and not (days or month_days):
            month_days = (start.day,)
        hours, minutes = self.hours or (start.hour,), self.minutes or (start.minute,)
        return _Cadence(self.frequency, self.interval, days, hours, minutes, month_days, self.positions)

    def expanded(self, start: datetime) -> Iterator[datetime]:
        """Naive wall-clock times from `start` on, ascending. The rule must be filled."""
        return iter(
            rrule(
                _FREQUENCIES[self.frequency],
                dtstart=start,
                interval=self.interval,
                byweekday=[weekday(_DAYS.index(day), number or None) for number, day in self.days] or None,
                byhour=self.hours,
                byminute=self.minutes,
                bysecond=0,
                bymonthday=self.month_days or None,
                bysetpos=self.positions or None,
            )
        )

    def __str__(self) -> str:
        days = [f"{number or ''}{day}" for number, day in self.days]
        numbers = (self.hours, self.minutes, self.month_days, self.positions)
        texts = [",".join(str(one) for one in part) for part in numbers]
        values = (self.frequency, str(self.interval), ",".join(days), *texts)
        return ";".join(f"{name}={value}" for name, value in zip(_PARTS, values, strict=True) if value)


def _cadence(text: str) -> _Cadence:
    """The text of an RRULE → numbers, or a ValueError that names the part."""
    parts: dict[str, str] = {}
    for part in text.strip().upper().split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS:
            raise ValueError(f"a train's cadence has no part {name!r}; {nearest(name, _PARTS)}")
        if name in parts:
            raise ValueError(f"{name} is given twice")
        parts[name] = value
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"a train's cadence begins with FREQ=DAILY, WEEKLY or MONTHLY, not {text[:40]!r}")
    found = _Cadence(
        parts["FREQ"],
        _numbers(parts, "INTERVAL", range(1, 367))[0] if "INTERVAL" in parts else 1,
        _days(parts.get("BYDAY")),
        _numbers(parts, "BYHOUR", range(24)),
        _numbers(parts, "BYMINUTE", range(60)),
        _numbers(parts, "BYMONTHDAY", [n for n in range(-31, 32) if n]),
        _numbers(parts, "BYSETPOS", [n for n in range(-366, 367) if n]),
    )
    _refuse_meaningless(found)
    return found


def _refuse_meaningless(rule: _Cadence) -> None:
    """What RFC 5545 forbids, or libraries read in different ways."""
    monthly = rule.frequency == "MONTHLY"
    refused = (
        (not monthly and any(number for number, _ in rule.days), "BYDAY with a number, as 1TU, needs FREQ=MONTHLY"),
        (rule.frequency == "WEEKLY" and rule.month_days, "BYMONTHDAY needs FREQ=MONTHLY or DAILY"),
        (rule.positions and not monthly, "BYSETPOS needs FREQ=MONTHLY"),
        (rule.positions and not (rule.days or rule.month_days), "BYSETPOS picks from BYDAY or BYMONTHDAY; give one"),
    )
    for wrong, said in refused:
        if wrong:
            raise ValueError(said)


def _numbers(parts: dict[str, str], name: str, allowed: Collection[int]) -> tuple[int, ...]:
    """The distinct numbers of a part, in order; INTERVAL has one."""
    said = parts[name].split(",") if name in parts else []
    if not all(re.fullmatch(r"[+-]?\d{1,3}", one) and int(one) in allowed for one in said):
        raise ValueError(f"{name}={parts[name]} is not within {min(allowed)} to {max(allowed)}")
    if name == "INTERVAL" and len(said) > 1:
        raise ValueError(f"INTERVAL={parts[name]} must be one number")
    return tuple(sorted({int(one) for one in said}))


def _days(text: str | None) -> tuple[tuple[int, str], ...]:
    found = []
    for one in text.split(",") if text is not None else ():
        match = re.fullmatch(r"([+-]?\d{1,2})?([A-Z]{2})", one)
        if match is None or match[2] not in _DAYS:
            raise ValueError(f"BYDAY={text}: {one!r} is no day; write {', '.join(_DAYS)}, or 1TU, -1FR in a month")
        number = int(match[1] or 0)
        if abs(number) > _WEEKS_OF_A_MONTH or (match[1] and not number):
            raise ValueError(f"BYDAY={text}: no month has a {one}")
        found.append((number, match[2]))
    return tuple(dict.fromkeys(found))


def _known_cadence(text: str) -> str:
    _cadence(text)
    return text


def _known_zone(zone: str) -> str:
    zones = available_timezones() - _OF_THIS_MACHINE
    if zone not in zones:
        raise ValueError(f"unknown IANA zone {zone!r}; {nearest(zone, zones)}")
    return zone


def _wall(at: datetime) -> datetime:
    if at.tzinfo is not None or at.second or at.microsecond:
        raise ValueError(
            f"{at.isoformat()} must be wall-clock time in the train's zone, in minutes, as 2026-11-24T09:00"
        )
    return at


class Train(BaseModel):
    """When a product's trains leave, and what happens to one in a freeze."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    branch: str = Field(default="main", min_length=1, description="The release branch: what is merged is aboard.")
    cadence: Annotated[str, AfterValidator(_known_cadence)] = Field(
        description="When a train leaves, as an RRULE (RFC 5545) of FREQ=DAILY, WEEKLY or MONTHLY, INTERVAL, BYDAY, "
        "BYHOUR, BYMINUTE, BYMONTHDAY and BYSETPOS, in wall-clock time of the zone.",
        examples=["FREQ=WEEKLY;BYDAY=TU,TH;BYHOUR=9"],
    )
    zone: Annotated[str, AfterValidator(_known_zone)] = Field(description="IANA zone.", examples=["Europe/Berlin"])
    departs_from: Annotated[
        datetime | None, AfterValidator(lambda at: at and _wall(at)), WithJsonSchema({"type": "string"})
    ] = Field(
        default=None,
        description="The first train, in wall-clock time of the zone. Needed when INTERVAL is more than 1.",
        examples=["2026-11-24T09:00"],
    )
    cut_off: Seconds = Field(
        default=7200, description="How long before departure the train is cut; what is merged later is not aboard."
    )
    in_freeze: Literal["hold", "merge"] = Field(
        default="hold", description="hold: it leaves when the freeze ends. merge: its changes leave with the next."
    )
    hold_for: Seconds | None = Field(
        default=None, description="How long it is held at most. It never waits beyond the next train's departure."
    )

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        rule = _cadence(self.cadence)
        if self.departs_from is None:
            _refuse_unsaid(rule)
        first = next(_walls(self, self.departs_from or ANCHOR), None)
        if first is None:
            raise ValueError(f"no train ever leaves by {self.cadence}")
        if self.departs_from not in {None, first}:
            raise ValueError(
                f"departs_from {self.departs_from:%Y-%m-%dT%H:%M} is no departure of {self.cadence}; "
                f"the first after it is {first:%Y-%m-%dT%H:%M}"
            )
        return self

    @model_validator(mode="after")
    def _holds_only_what_it_holds(self) -> Self:
        if self.hold_for is not None and self.in_freeze == "merge":
            raise ValueError("hold_for needs `in_freeze: hold`: a train that merges is not held")
        return self


def _refuse_unsaid(rule: _Cadence) -> None:
    """Without a first train nobody could read from the file what the rule leaves open."""
    unsaid = (
        (not rule.hours, "the hour: add BYHOUR"),
        (rule.frequency == "WEEKLY" and not rule.days, "the day: add BYDAY"),
        (rule.frequency == "MONTHLY" and not (rule.days or rule.month_days), "the day: add BYDAY or BYMONTHDAY"),
        (rule.interval > 1, "from when INTERVAL counts: the first train is needed"),
    )
    for missing, what in unsaid:
        if missing:
            raise ValueError(f"the cadence does not say {what}, or departs_from")


def departures(train: Train, after: datetime, count: int) -> tuple[datetime, ...]:
    """The first `count` departures strictly after an aware instant, in UTC, ascending and distinct.

    The cadence gives wall-clock times of the zone. A time that does not exist (the clock jumps over it) moves forward
    to the first that does, the instant of the jump; one that exists twice is taken once, the first time. Two times
    that fall together by this are one departure. (`zoneinfo` and its tzdata say what exists.)
    """
    zone = ZoneInfo(train.zone)
    begin = after.astimezone(zone).replace(tzinfo=None)
    # No time of the cadence before this one is an instant after: both run in the same order, jumps included.
    instants = dropwhile(lambda at: at <= after, (_instant(wall, zone) for wall in _walls(train, begin)))
    return tuple(islice(_distinct(instants), count))


def next_departure(train: Train, after: datetime) -> datetime:
    """The first departure strictly after an aware instant, in UTC."""
    return departures(train, after, 1)[0]


def cut_off_of(train: Train, departure: datetime) -> datetime:
    """When the train of that departure is cut, in UTC; real time before it, whatever the clocks do between."""
    return departure.astimezone(UTC) - timedelta(seconds=train.cut_off)


def train_id(product: str, departure: datetime) -> str:
    """The release of that departure, by its minute in UTC: `orderdesk-train-2026-11-24-0900`.

    UTC, so that a file that changes its zone never gives one id to two trains. A product's name that leaves no room
    is shortened and told apart by its digest.
    """
    tail = f"-train-{departure.astimezone(UTC):%Y-%m-%d-%H%M}"
    room = 63 - len(tail)
    if len(product) > room:
        product = f"{product[: room - 9]}-{hashlib.sha256(product.encode()).hexdigest()[:8]}"
    return f"{product}{tail}"


def prefect_rrule(train: Train) -> str:
    """DTSTART and RRULE for a Prefect schedule whose `timezone` is the train's zone.

    The same instants as `departures`, with one exception that is Prefect's: a wall-clock time that does not exist is
    read with the offset after the jump, so that its run begins too early, by at most what the clock jumps.
    """
    start = train.departs_from or ANCHOR
    return f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:{_cadence(train.cadence).filled(start)}"


def _walls(train: Train, begin: datetime) -> Iterator[datetime]:
    """Wall-clock times of the cadence, naive, from a little before `begin` on, and none before the first train."""
    start = train.departs_from or ANCHOR
    rule = _cadence(train.cadence).filled(start)
    return (wall for wall in rule.expanded(_in_step(rule, start, max(begin, start))) if wall >= start)


def _in_step(rule: _Cadence, start: datetime, begin: datetime) -> datetime:
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


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """A wall-clock time as an instant, by the rule of `departures`."""
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # Read with the offset before the jump it lies after it, with the offset after the jump before it (PEP 495).
    return _jump(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the zone's offset changes between two instants in UTC."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _distinct(ascending: Iterable[datetime]) -> Iterator[datetime]:
    last = None
    for one in ascending:
        if one != last:
            yield one
        last = one


class Owed(Protocol):
    """What stops a train when it is overdue, as the way back of a hotfix (`domain/hotfix.py`) does."""

    def overdue(self, now: datetime) -> bool:
        """Whether its time is over at an aware instant."""

    def said(self, now: datetime) -> str:
        """What is owed, by whom, since when."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a train now, and why, in words that can be forwarded. `until`: when to ask again at the latest;
    None when nothing is awaited, or only a person.
    """

    answer: Answer
    reason: str
    until: datetime | None = None


def decide(
    train: Train,
    departure: datetime,
    now: datetime,
    *,
    aboard: Collection[str],
    cut: bool,
    window: Window,
    owed: Iterable[Owed],
) -> Decision:
    """What to do at the aware instant `now` with the train of a departure that has not left.

    `aboard`: the changes it takes, as `boarding.board` says. `cut`: whether its commit has been chosen. `window`:
    whether production may be touched now, with all that closes it. `owed`: what must be settled before a train may
    leave; what is not overdue stops nobody.

    A train that has not left when the next one leaves is merged into that: the next is cut from the same branch and
    has all of it.
    """
    following = next_departure(train, departure)
    stopped = _stopped(train, departure, now, aboard, owed)
    if stopped is not None:
        return stopped
    if not cut:
        return Decision("cut", f"its cut-off came at {instant(cut_off_of(train, departure))}; {_count(aboard)} aboard")
    if now < departure:
        return Decision("not_yet", f"it leaves at {instant(departure)} with {_count(aboard)}", departure)
    if window.open:
        return Decision("depart", f"it leaves with {_count(aboard)}")
    return _in_freeze(train, departure, now, window, following)


def _stopped(
    train: Train, departure: datetime, now: datetime, aboard: Collection[str], owed: Iterable[Owed]
) -> Decision | None:
    """Why nothing is done with it, whether it is cut or not."""
    cut_off, following = cut_off_of(train, departure), next_departure(train, departure)
    if now < cut_off:
        return Decision("not_yet", f"it is cut at {instant(cut_off)}; what is merged until then is aboard", cut_off)
    if not aboard:
        return Decision("empty", f"nothing was merged for the train of {instant(departure)}: it does not run")
    if now >= following:
        return Decision("merged_into_next", f"it had not left when the next train left, at {instant(following)}")
    overdue = [one.said(now) for one in owed if one.overdue(now)]
    return Decision("blocked", "; ".join(overdue), following) if overdue else None


def _in_freeze(train: Train, departure: datetime, now: datetime, window: Window, following: datetime) -> Decision:
    """Production is closed though the train should leave."""
    if train.in_freeze == "merge":
        return Decision("merged_into_next", f"{window.reason}; it leaves with the next train, at {instant(following)}")
    limit = _limit(train, departure, following)
    if now >= limit:
        reason = (
            f"{window.reason}; it was held until {instant(limit)} and leaves with the next, at {instant(following)}"
        )
        return Decision("merged_into_next", reason)
    reason = f"{window.reason}; it leaves at the next open slot, or is merged into the next train at {instant(limit)}"
    return Decision("held", reason, min(window.until or limit, limit))


def _limit(train: Train, departure: datetime, following: datetime) -> datetime:
    """Until when it is held at most."""
    if train.hold_for is None:
        return following
    return min(departure + timedelta(seconds=train.hold_for), following)


def _count(aboard: Collection[str]) -> str:
    return f"{len(aboard)} change{'' if len(aboard) == 1 else 's'}"
