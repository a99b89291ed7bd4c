"""Times as sets: what is open, closed or left, as sorted half-open intervals of whole seconds since the epoch, UTC.

It knows no zones and no rules; whoever makes spans out of local times is `domain/calendar_rules.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.int64]

_NONE: Seconds = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Sorted, disjoint, never touching, half-open [start, end) in whole seconds since the epoch, UTC."""

    starts: Seconds
    ends: Seconds

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> "Spans":
        """In any order; what overlaps or touches is merged, what is empty or ends before it starts vanishes."""
        table = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
        return cls.between(table[:, 0], table[:, 1])

    @classmethod
    def between(cls, starts: Seconds, ends: Seconds) -> "Spans":
        """The same of two columns of equal length."""
        some = starts < ends
        return _counted(starts[some], ends[some], 1)

    @classmethod
    def nothing(cls) -> "Spans":
        return cls(_NONE, _NONE)

    def pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    def __or__(self, other: "Spans") -> "Spans":
        return union((self, other))

    def __and__(self, other: "Spans") -> "Spans":
        return intersection((self, other))

    def __sub__(self, other: "Spans") -> "Spans":
        if not len(self) or not len(other):
            return self
        begin, end = int(self.starts[0]), int(self.ends[-1])
        return self & other.gaps(begin, end)

    def within(self, begin: int, end: int) -> "Spans":
        """What of it lies in [begin, end)."""
        first = int(np.searchsorted(self.ends, begin, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left"))
        if begin >= end or first >= last:
            return Spans.nothing()
        return Spans(np.maximum(self.starts[first:last], begin), np.minimum(self.ends[first:last], end))

    def gaps(self, begin: int, end: int) -> "Spans":
        """What of [begin, end) is not in it."""
        if begin >= end:
            return Spans.nothing()
        inner = self.within(begin, end)
        starts = np.concatenate(([begin], inner.ends)).astype(np.int64)
        ends = np.concatenate((inner.starts, [end])).astype(np.int64)
        some = starts < ends
        return Spans(starts[some], ends[some])

    def at(self, instant: int) -> bool:
        """Whether the instant is in it: the start of a span is, its end is not."""
        place = int(np.searchsorted(self.starts, instant, side="right")) - 1
        return place >= 0 and instant < int(self.ends[place])

    def next_change(self, after: int) -> int | None:
        """The first start or end strictly after, or None."""
        following = [
            int(bounds[place])
            for bounds in (self.starts, self.ends)
            if (place := int(np.searchsorted(bounds, after, side="right"))) < len(bounds)
        ]
        return min(following, default=None)

    def first_fit(self, seconds: int, after: int) -> int | None:
        """The earliest start, not before `after`, of so many seconds that lie in one span; None when none is so long.

        `seconds` must be positive.
        """
        first = int(np.searchsorted(self.ends, after, side="right"))
        starts = np.maximum(self.starts[first:], after)
        fitting = np.flatnonzero(self.ends[first:] - starts >= seconds)
        return int(starts[fitting[0]]) if len(fitting) else None

    def __len__(self) -> int:
        return len(self.starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spans):
            return NotImplemented
        return np.array_equal(self.starts, other.starts) and np.array_equal(self.ends, other.ends)

    def __hash__(self) -> int:
        return hash((self.starts.tobytes(), self.ends.tobytes()))


def union(spans: Iterable[Spans]) -> Spans:
    """What is in at least one of them."""
    some = [one for one in spans if len(one)]
    if len(some) <= 1:
        return some[0] if some else Spans.nothing()
    return _counted(np.concatenate([one.starts for one in some]), np.concatenate([one.ends for one in some]), 1)


def intersection(spans: Iterable[Spans]) -> Spans:
    """What is in all of them. Of none at all it is not defined: ValueError."""
    every = list(spans)
    if not every:
        raise ValueError("the intersection of no spans is all time, which spans cannot say")
    if len(every) == 1 or not all(len(one) for one in every):
        return every[0] if len(every) == 1 else Spans.nothing()
    return _counted(
        np.concatenate([one.starts for one in every]), np.concatenate([one.ends for one in every]), len(every)
    )


def _counted(starts: Seconds, ends: Seconds, depth: int) -> Spans:
    """Where at least `depth` of the intervals overlap. At one instant starts count before ends, so that what touches
    is one; an interval that is empty then opens nothing but a moment, which is dropped.
    """
    instants = np.concatenate((starts, ends))
    steps = np.concatenate((np.ones(len(starts), dtype=np.int64), np.full(len(ends), -1, dtype=np.int64)))
    order = np.lexsort((-steps, instants))
    instants, inside = instants[order], np.cumsum(steps[order]) >= depth
    before = np.concatenate(([False], inside[:-1])) if len(inside) else inside
    opened, closed = instants[inside & ~before], instants[~inside & before]
    some = opened < closed
    return Spans(opened[some], closed[some])
