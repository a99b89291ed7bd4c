"""Zones by name, and what a wall clock's time means in one: an instant in UTC. (`zoneinfo` and its tzdata say.)"""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from stationmaster.domain.errors import nearest

_OF_THIS_MACHINE = {"localtime", "Factory"}  # zones to zoneinfo, but not the same everywhere


def known_zones() -> frozenset[str]:
    """The names that mean one zone everywhere."""
    return frozenset(available_timezones() - _OF_THIS_MACHINE)


def known_zone(zone: str) -> str:
    """The name itself, or a ValueError with the nearest one."""
    zones = known_zones()
    if zone not in zones:
        raise ValueError(f"unknown IANA zone {zone!r}; {nearest(zone, zones)}")
    return zone


Zone = Annotated[str, AfterValidator(known_zone)]


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
