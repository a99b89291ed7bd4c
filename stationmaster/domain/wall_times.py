"""Many wall-clock times of a zone as instants at once, for the bounds of windows and blackouts.

A wall time that the clock jumps over is the instant of the jump. One that exists twice is, as a start, its first
occurrence and, as an end, its last.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from stationmaster.domain.zones import zone

Seconds = NDArray[np.int64]

DAY = 86_400
_STEP = DAY // 4  # no zone has two changes within six hours
_AROUND = 5 * DAY  # on either side of the year; more than any offset from UTC


@dataclass(frozen=True, slots=True)
class Offsets:
    """What a zone's clocks show during a year and a few days around it: regimes of one offset, each from `since` to
    `until` in UTC seconds.
    """

    since: Seconds
    until: Seconds
    offsets: Seconds

    def starts(self, walls: Seconds) -> Seconds:
        """Local seconds, as if local time were UTC, → the first instants at which the clocks show them, or more."""
        regime = np.searchsorted(self.until + self.offsets, walls, side="right")
        instants: Seconds = np.maximum(walls - self.offsets[regime], self.since[regime])
        return instants

    def ends(self, walls: Seconds) -> Seconds:
        """The same walls → the last instants at which the clocks show them, or come to show more."""
        regime = np.searchsorted(self.since + self.offsets, walls, side="right") - 1
        instants: Seconds = np.minimum(walls - self.offsets[regime], self.until[regime])
        return instants


@lru_cache(maxsize=8192)
def offsets(name: str, year: int) -> Offsets:
    """The offsets of a known zone around a year of UTC."""
    clock = zone(name)
    begin, end = new_year(year) - _AROUND, new_year(year + 1) + _AROUND
    samples = range(begin, end + _STEP, _STEP)
    shown = [_offset(at, clock) for at in samples]
    changes = [place for place in range(1, len(shown)) if shown[place] != shown[place - 1]]
    since = [begin - DAY, *(_change(samples[place - 1], samples[place], clock) for place in changes)]
    until = [*since[1:], end + _STEP + DAY]
    regimes = [shown[0], *(shown[place] for place in changes)]
    return Offsets(*(np.array(column, dtype=np.int64) for column in (since, until, regimes)))


def new_year(year: int) -> int:
    """The first second of a year, in UTC."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def _offset(at: int, clock: ZoneInfo) -> int:
    shown = datetime.fromtimestamp(at, clock).utcoffset()
    assert shown is not None  # noqa: S101 - every zone of tzdata has one
    return int(shown.total_seconds())


def _change(before: int, after: int, clock: ZoneInfo) -> int:
    """The second of the one change between two instants."""
    old = _offset(before, clock)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset(middle, clock) == old else (before, middle)
    return after
