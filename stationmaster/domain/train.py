"""`train:` of `stationmaster.yaml`: when the trains of a product leave, and what to do with one at an instant.

Pure: the schedule follows from the file alone, and `decide` from what it is given. Nobody is started here; what is
aboard is `domain/boarding.py`.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice
from typing import Annotated, ClassVar, Literal, Protocol, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from stationmaster.domain import cadence
from stationmaster.domain.cadence import Cadence
from stationmaster.domain.duration import Seconds, instant
from stationmaster.domain.window import Window
from stationmaster.domain.zones import Zone, instant_of
from stationmaster.domain.zones import zone as zone_of

# Before this, local time, no train left whose file does not say `departs_from`. A Monday.
ANCHOR = datetime(2024, 1, 1)  # noqa: DTZ001 - wall-clock time of the train's zone

Answer = Literal["not_yet", "cut", "depart", "empty", "held", "merged_into_next", "blocked"]


def _known_cadence(text: str) -> str:
    cadence.parse(text)
    return text


def _written(given: object) -> object:
    """A number is no departure, in quotes neither, though pydantic would count it from 1970."""
    if isinstance(given, int | float) or (isinstance(given, str) and given.strip().isdecimal()):
        raise ValueError(f"{given!r} is no departure; write it as 2026-11-24T09:00")
    return given


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
    zone: Zone = Field(description="IANA zone.", examples=["Europe/Berlin"])
    departs_from: Annotated[
        datetime | None,
        BeforeValidator(_written),
        AfterValidator(lambda at: at and _wall(at)),
        WithJsonSchema({"type": "string"}),
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
        rule = cadence.parse(self.cadence)
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


def _refuse_unsaid(rule: Cadence) -> None:
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
    zone = zone_of(train.zone)
    begin = after.astimezone(zone).replace(tzinfo=None)
    # No time of the cadence before this one is an instant after: both run in the same order, jumps included.
    instants = dropwhile(lambda at: at <= after, (instant_of(wall, zone) for wall in _walls(train, begin)))
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
    return f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:{cadence.parse(train.cadence).filled(start)}"


def _walls(train: Train, begin: datetime) -> Iterator[datetime]:
    """Wall-clock times of the cadence, naive, from a little before `begin` on, and none before the first train."""
    return cadence.walls(cadence.parse(train.cadence), train.departs_from or ANCHOR, begin)


def _distinct(ascending: Iterable[datetime]) -> Iterator[datetime]:
    last = None
    for one in ascending:
        if one != last:
            yield one
        last = one


class Owed(Protocol):
    """What stops a train when it is overdue: the way back of a hotfix (`domain/hotfix.py`), the review of an emergency
    (`domain/emergency.py`). `awaited` is a key of `waiting.OF_TRAINS`.
    """

    awaited: ClassVar[str]

    def overdue(self, now: datetime) -> bool:
        """Whether its time is over at an aware instant."""

    def said(self, now: datetime) -> str:
        """What is owed, by whom, since when."""

    def unnamed(self, now: datetime) -> str:
        """The same where nobody may be named."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a train now, and why, in words that can be forwarded. `until`: when to ask again at the latest;
    None when nothing is awaited, or only a person. `unnamed` is the reason as it may stay for ever, where it names
    people.
    """

    answer: Answer
    reason: str
    until: datetime | None = None
    unnamed: str | None = None


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
    overdue = [one for one in owed if one.overdue(now)]
    if not overdue:
        return None
    said, kept = ("; ".join(each) for each in ([o.said(now) for o in overdue], [o.unnamed(now) for o in overdue]))
    return Decision("blocked", said, following, kept)


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
