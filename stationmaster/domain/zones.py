"""Zones by name, and what a wall clock's time means in one: an instant in UTC.

Zone data is that of the package `tzdata` alone, whose version can be named: what lies on the machine decides nothing.
Many wall-clock times at once are converted by `domain/wall_times.py`.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from stationmaster.domain.errors import nearest

_NO_PLACE = {"Factory"}  # says that nobody set a zone


@cache
def known_zones() -> frozenset[str]:
    """The names that mean one zone everywhere."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split()) - _NO_PLACE


def known_zone(zone: str) -> str:
    """The name itself, or a ValueError with the nearest one."""
    zones = known_zones()
    if zone not in zones:
        raise ValueError(f"unknown IANA zone {zone!r}; {nearest(zone, zones)}")
    return zone


Zone = Annotated[str, AfterValidator(known_zone)]


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of a known name, or a ValueError with the nearest one."""
    with files("tzdata").joinpath("zoneinfo", *known_zone(name).split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@cache
def countries(name: str) -> frozenset[str]:
    """The countries whose clocks a zone is, as ISO 3166 codes; none where the zone is of no country or an alias."""
    table = files("tzdata").joinpath("zoneinfo", "zone1970.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return frozenset(code for row in rows if row[2] == name for code in row[0].split(","))


def tzdata_version() -> str:
    """The release of the IANA data that all answers rest on, as `2026a`."""
    return str(import_module("tzdata").IANA_VERSION)


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """A naive wall-clock time of the zone as an instant in UTC. One that does not exist, since the clock jumps over it,
    is the instant of the jump; one that exists twice is taken the first time.
    """
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
