"""One ring of a plan, swept in time: who starts together, and when.

A wave begins within the time in which everybody who waits still has a slot that is no more than `gather` after his
first one. Of these moments it takes the one that suits most of those who wait, and of equal ones the earliest; whom it
suits is in it. Where each has one stretch of time to start in, no other rule needs fewer waves: the stretch that ends
first must be met, and all that have begun by then overlap at its end. (Where somebody has several, the fewest waves
are a hitting set, which is NP-hard.)

A wave costs n log n in those who wait; arrays hold everybody's times, nothing is looped over tenants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stationmaster.domain.spans import Spans

Numbers = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max


class Starts:
    """When each of many may start something of a given length: rows of closed intervals of seconds.

    All rows lie one after the other in two sorted arrays, each row moved by a width that no time reaches, so that one
    binary search answers for all of them.
    """

    def __init__(self, openings: Sequence[Spans], duration: int, begin: int, end: int) -> None:
        """Start and end of what is started lie in [begin, end) and in one span of the row's opening."""
        self._begin, self._width = begin, end - begin + 1
        rows = np.repeat(np.arange(len(openings)), [len(one) for one in openings])
        low = np.maximum(_joined([one.starts for one in openings]), begin) - begin
        high = np.minimum(_joined([one.ends for one in openings]), end) - duration - begin
        some = low <= high
        rows, moved = rows[some], rows[some] * self._width
        self._low, self._high = low[some] + moved, high[some] + moved
        self._until = np.searchsorted(rows, np.arange(len(openings)), side="right")

    def first(self, rows: Numbers, after: Numbers) -> Numbers:
        """The earliest start of each row that is not before `after`; NEVER where there is none."""
        places = self._from(rows, after)
        found = places < self._until[rows]
        starts = np.full(len(rows), NEVER)
        starts[found] = np.maximum(self._time(self._low[places[found]], rows[found]), after[found])
        return starts

    def last(self, rows: Numbers, by: Numbers) -> Numbers:
        """The latest start of each row that is not after `by`; each row has one."""
        places = self._to(rows, by) - 1
        return np.minimum(self._time(self._high[places], rows), by)

    def between(self, rows: Numbers, after: Numbers, by: int) -> tuple[Numbers, Numbers, Numbers]:
        """The intervals of the rows within [after, by]: index into `rows`, first and last second of each."""
        first = self._from(rows, after)
        counts = np.maximum(self._to(rows, np.full(len(rows), by)) - first, 0)
        owner = np.repeat(np.arange(len(rows)), counts)
        places = np.arange(len(owner)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        low = np.maximum(self._time(self._low[places], rows[owner]), after[owner])
        return owner, low, self._time(self._high[places], rows[owner])

    def _from(self, rows: Numbers, after: Numbers) -> Numbers:
        return np.searchsorted(self._high, self._key(rows, after), side="left")

    def _to(self, rows: Numbers, by: Numbers) -> Numbers:
        return np.searchsorted(self._low, self._key(rows, by), side="right")

    def _key(self, rows: Numbers, times: Numbers) -> Numbers:
        return np.asarray(rows * self._width + np.clip(times - self._begin, 0, self._width - 1), dtype=np.int64)

    def _time(self, keys: Numbers, rows: Numbers) -> Numbers:
        return np.asarray(keys - rows * self._width + self._begin, dtype=np.int64)


def _joined(parts: Sequence[Numbers]) -> Numbers:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


class Room:
    """How many may be taken: into one wave, and on the day on which it starts. `days` are when days begin, ascending;
    what was taken on a day stays taken for the rings after. `most` is what a wave may ever take.
    """

    def __init__(self, per_wave: int | None, per_day: int | None, days: Sequence[int]) -> None:
        self._days = np.array(days, dtype=np.int64)
        a_day = NEVER if per_day is None else per_day
        self.most = a_day if per_wave is None else min(per_wave, a_day)
        self._left = np.full(len(days) + 1, a_day)

    def opens(self, clock: int) -> int:
        """The first moment from the clock on whose day is not full; NEVER when none comes."""
        free = np.flatnonzero(self._left[self._day(clock) :])
        if not len(free):
            return NEVER
        return clock if free[0] == 0 else int(self._days[self._day(clock) + free[0] - 1])

    def at(self, at: int) -> int:
        """How many a wave that starts then may take."""
        return min(self.most, int(self._left[self._day(at)]))

    def take(self, at: int, count: int) -> None:
        self._left[self._day(at)] -= count

    def _day(self, at: int) -> int:
        return int(np.searchsorted(self._days, at, side="right"))


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a wave lasts, how long one may wait for others, and whether a wave waits for the end of the one before.
    Seconds.
    """

    duration: int
    gather: int
    one_at_a_time: bool


def sweep(starts: Starts, rows: Numbers, own: Numbers, pace: Pace, room: Room) -> list[tuple[int, Numbers]]:
    """The waves of a ring in time: when each begins, and the indices of those in it, ascending.

    `rows` has everybody's row in `starts`, in the order in which equals are taken; `own` his first slot, or NEVER. Over
    capacity those are taken whose own slot was first, then the first in `rows`. Who is in no wave found no slot.
    """
    queue, waves = _Queue(starts, rows, own, pace), list[tuple[int, Numbers]]()
    clock = int(own.min(initial=NEVER))
    while (clock := room.opens(clock)) != NEVER and queue.waits(clock):
        at, suited = queue.moment(room.most)
        aboard = np.sort(suited[np.argsort(own[suited], kind="stable")][: room.at(at)])
        waves.append((at, aboard))
        room.take(at, len(aboard))
        queue.leave(aboard)
        clock = at + pace.duration if pace.one_at_a_time else at
    return waves


class _Queue:
    """Those of a ring who wait: the next slot of each, and the last one until which it gathers."""

    def __init__(self, starts: Starts, rows: Numbers, own: Numbers, pace: Pace) -> None:
        self._starts, self._rows, self._own, self._gather = starts, rows, own, pace.gather
        self._waiting = np.flatnonzero(own != NEVER)
        self._next, self._by = own.copy(), np.full(len(own), NEVER)

    def waits(self, clock: int) -> bool:
        """Whether anybody still has a slot from the clock on. Who gathered in vain takes the next one he has."""
        late = self._waiting[(self._next[self._waiting] < clock) | (self._by[self._waiting] == NEVER)]
        self._next[late] = self._starts.first(self._rows[late], np.maximum(self._own[late], clock))
        self._waiting = self._waiting[self._next[self._waiting] != NEVER]
        late = late[self._next[late] != NEVER]
        until = np.maximum(self._own[late] + self._gather, self._next[late])
        self._by[late] = self._starts.last(self._rows[late], until)
        return bool(len(self._waiting))

    def moment(self, enough: int) -> tuple[int, Numbers]:
        """When the next wave begins, and whom that suits; for more than `enough` it waits for nobody."""
        by = int(self._by[self._waiting].min())
        near = self._waiting[self._next[self._waiting] <= by]
        owner, low, high = self._starts.between(self._rows[near], self._next[near], by)
        at = most(low, high, np.ones(len(low), dtype=np.int64), enough)
        return at, near[owner[(low <= at) & (at <= high)]]

    def leave(self, aboard: Numbers) -> None:
        self._waiting = np.setdiff1d(self._waiting, aboard, assume_unique=True)


def most(low: Numbers, high: Numbers, weight: Numbers, enough: int) -> int:
    """The earliest moment that lies in closed intervals of most weight, or of enough.

    Only where an interval begins can there be more than just before.
    """
    begun, ended = np.argsort(low, kind="stable"), np.argsort(high, kind="stable")
    over = np.concatenate(([0], np.cumsum(weight[ended])))
    moments = low[begun]
    inside = np.cumsum(weight[begun]) - over[np.searchsorted(high[ended], moments, side="left")]
    return int(moments[np.argmax(np.minimum(inside, enough))])
