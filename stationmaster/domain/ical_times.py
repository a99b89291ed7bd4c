"""Dates, times, durations and zones of iCalendar, as wall-clock times of IANA zones."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import numpy as np
from icalendar import vDate, vDatetime, vDuration
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from stationmaster.domain.errors import nearest
from stationmaster.domain.ical_lines import Component, LineError, Property
from stationmaster.domain.wall_times import offsets
from stationmaster.domain.zones import known_zones, zone

Side = Literal["starts", "ends"]

UTC_NAME = "UTC"
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal", "UCT", "Zulu", "Universal"})
_YEARS = range(1970, 2200)
_PARAMETERS = ("TZID", "VALUE")
_LONGEST = timedelta(days=400)
_NO_ZONE = "say which zone is meant: X-WR-TIMEZONE in the file, or --timezone"


@dataclass(frozen=True, slots=True)
class When:
    """What a property says: a day, or a wall-clock time. `zone` is an IANA name, None where none is said."""

    line: int
    wall: datetime
    zone: str | None
    all_day: bool = False

    @property
    def day(self) -> date:
        return self.wall.date()


@dataclass
class Zones:
    """The zones that a file calls by names of its own. What a VTIMEZONE says of offsets is not read: IANA's data is
    newer than any file.
    """

    places: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, calendar: Component) -> "Zones":
        """Each TZID of the file that names its place beside it, as `X-LIC-LOCATION`."""
        found = cls()
        for one in calendar.inside("VTIMEZONE"):
            name, place = one.one("TZID"), one.one("X-LIC-LOCATION")
            if name is None:
                raise LineError(one.line, "TZID is missing in VTIMEZONE")
            if place is not None:
                found.places[name.value] = place.value
        return found

    def named(self, name: str, line: int, key: str) -> str:
        """The IANA name of a zone, or a `LineError`: nothing is taken for UTC, and no offset is guessed."""
        for said in (name, self.places.get(name), WINDOWS_TO_OLSON.get(name)):
            if said is not None and said in known_zones():
                return UTC_NAME if said in _UTC_NAMES else said
        close = nearest(name, known_zones())
        raise LineError(line, f"{key}: unknown zone {name!r}", f"use an IANA name or X-LIC-LOCATION; {close}")


def whens(said: Property, zones: Zones) -> list[When]:
    """The days or times of a property, several where it is a list."""
    if other := [name for name in said.parameters if name not in _PARAMETERS and not name.startswith("X-")]:
        raise LineError(said.line, f"{said.name}: parameter {other[0]} is not read", nearest(other[0], _PARAMETERS))
    kind = said.parameters.get("VALUE", "DATE-TIME").upper()
    if kind not in ("DATE", "DATE-TIME"):
        raise LineError(said.line, f"{said.name}: VALUE={kind} is not read", "write DATE or DATE-TIME")
    place = zones.named(said.parameters["TZID"], said.line, said.name) if "TZID" in said.parameters else None
    return [_when(said, text, all_day=kind == "DATE", place=place) for text in said.value.split(",")]


def when(said: Property, zones: Zones) -> When:
    """The one day or time of a property."""
    found = whens(said, zones)
    if len(found) != 1:
        raise LineError(said.line, f"{said.name}: {said.value!r} is not one time")
    return found[0]


def _when(said: Property, text: str, *, all_day: bool, place: str | None) -> When:
    pattern, meant = (r"\d{8}", "20261214") if all_day else (r"\d{8}T\d{6}Z?", "20261214T220000")
    if not re.fullmatch(pattern, text, re.ASCII):
        hint = f"write it as {meant}" + ("" if all_day else ", or say VALUE=DATE and a day")
        raise LineError(said.line, f"{said.name}: {text!r} is no {'day' if all_day else 'time'}", hint)
    if place is not None and (all_day or text.endswith("Z")):
        raise LineError(said.line, f"{said.name}: TZID={place} beside {text}", "leave TZID out")
    read: Callable[[str], date] = vDate.from_ical if all_day else vDatetime.from_ical
    try:
        found = read(text)
    except ValueError:
        raise LineError(said.line, f"{said.name}: there is no {text!r}") from None
    if found.year not in _YEARS:
        raise LineError(said.line, f"{said.name}: {text!r} is not within {_YEARS[0]} to {_YEARS[-1]}")
    if not isinstance(found, datetime):
        return When(said.line, datetime.combine(found, time(0)), None, all_day=True)
    return When(said.line, found.replace(tzinfo=None), UTC_NAME if text.endswith("Z") else place)


@dataclass(frozen=True, slots=True)
class Length:
    """A DURATION: days that a calendar counts, and exact seconds (RFC 5545 § 3.3.6)."""

    days: int
    seconds: int


def length(said: Property) -> Length:
    """A DURATION, which must be longer than nothing."""
    days, clock, _ = (text := said.value.strip().upper()).partition("T")
    try:
        whole = _duration(text)
        counted = whole if not clock else timedelta(0) if days in ("P", "+P") else _duration(days)
    except (ValueError, OverflowError):
        whole = counted = timedelta(0)
    if not timedelta(0) < whole <= _LONGEST:
        raise LineError(said.line, f"DURATION: {said.value!r} is no duration of at most 400 days", "write PT4H or P1D")
    return Length(counted.days, int((whole - counted).total_seconds()))


def _duration(text: str) -> timedelta:
    found: timedelta = vDuration.from_ical(text)  # type: ignore[no-untyped-call]  # it says no types
    return found


def shown_in(at: When, name: str, side: Side) -> datetime:
    """A time as the clocks of a zone show it, or a `LineError` where they show it twice and mean the other."""
    if at.zone in (None, name):
        return at.wall
    moment = instant(at.wall, at.zone or name, side)
    wall = datetime.fromtimestamp(moment, zone(name)).replace(tzinfo=None)
    if instant(wall, name, side) != moment:
        message = f"the clocks of {name} show {wall.isoformat()} twice, and {at.wall.isoformat()} of {at.zone} is one"
        raise LineError(at.line, message, "import the file with --timezone UTC")
    return wall


def after(begin: datetime, long: Length, name: str, line: int) -> datetime:
    """What the clocks of a zone show when a duration has passed since a wall-clock time."""
    day = begin + timedelta(days=long.days)
    if not long.seconds:
        return day
    moment = instant(day, name, "starts") + long.seconds
    wall = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    return shown_in(When(line, wall, UTC_NAME), name, "ends")


def instant(wall: datetime, name: str, side: Side) -> int:
    """A wall-clock time of a zone, as the start or the end of something, in seconds since the epoch."""
    known = offsets(name, wall.year)
    walls = np.array([int(wall.replace(tzinfo=UTC).timestamp())], dtype=np.int64)
    return int((known.starts(walls) if side == "starts" else known.ends(walls))[0])


def zone_of(
    calendar: Component, zones: Zones, given: str | None, recurring: Sequence[When], once: Sequence[When]
) -> str:
    """The one zone of a calendar: the given one; X-WR-TIMEZONE, where a time has no zone; that of what recurs;
    X-WR-TIMEZONE; that of what happens once; UTC.
    """
    if given is not None:
        return given
    told = calendar.one("X-WR-TIMEZONE")
    default = zones.named(told.value, told.line, told.name) if told else None
    homeless = next((one for one in (*recurring, *once) if one.zone is None), None)
    if homeless is not None and default is None:
        what = "a whole day" if homeless.all_day else "a time"
        raise LineError(homeless.line, f"DTSTART: {what} without a zone", _NO_ZONE)
    first, other = ([one.zone for one in some if one.zone is not None] for some in (recurring, once))
    ordered = (default if homeless else None, *first, default, *other, UTC_NAME)
    return next(name for name in ordered if name is not None)
