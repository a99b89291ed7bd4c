"""Who is reached when: tenants in waves, each wave at a slot that every tenant in it has open.

Rings in order: a ring is ready when the last wave of the one before has ended and soaked. In a ring the sweep of
`domain/sweep.py` says who starts together. Whose calendar says what is decided by `domain/calendar.py`; here are only
spans. Who has no slot is left out, with the rules that keep him out, and holds nobody up.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import rfc8785

from stationmaster.domain.duration import instant
from stationmaster.domain.spans import Spans
from stationmaster.domain.sweep import NEVER, Numbers, Pace, Room, Starts, most, sweep

DAY = 86_400
RINGS = ("pilot", "early", "general")
Rules = Callable[[int], tuple[str, ...]]


def _no_rules(_at: int) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tenant that waits for a slot. `opening` is when it may be worked on, its cutoff already taken off the ends;
    `not_before` the end of its notice; `rules` names what keeps it closed from an instant on.
    """

    tenant: str
    ring: str
    opening: Spans
    not_before: int = 0
    rules: Rules = _no_rules


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan must keep; times in seconds. `support` is when support is there, from start to end of each wave.
    `days` are the instants at which the days of `per_day` begin, ascending; UTC days when not given. With `per_wave`
    waves are `one_at_a_time`, or it would limit nothing.
    """

    duration: int
    soak: Mapping[str, int] = field(default_factory=dict)
    gather: int = DAY
    per_wave: int | None = None
    per_day: int | None = None
    one_at_a_time: bool = False
    support: Spans | None = None
    days: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class SlotWave:
    """Tenants of a ring that start together, sorted; [start, end) in seconds since the epoch."""

    ring: str
    start: int
    end: int
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A tenant without a slot, and the rules that keep it out: those of its calendars, or `support`, `notice`,
    `capacity`, `horizon` (its ring is not ready, or it does not open, before it is too late to end in time).
    """

    tenant: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slotted:
    """The waves in time, and who is in none, sorted by tenant."""

    waves: tuple[SlotWave, ...]
    unplaced: tuple[Unplaced, ...]

    def content(self) -> dict[str, Any]:
        """For a program; instants in RFC 3339."""
        return {
            "waves": [_told(wave) for wave in self.waves],
            "unplaced": [{"tenant": one.tenant, "rules": list(one.rules)} for one in self.unplaced],
        }

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON (RFC 8785) of waves and who is in none; the rules are left out, since they
        name files as they were typed.
        """
        content = {**self.content(), "unplaced": [one.tenant for one in self.unplaced]}
        return f"sha256:{hashlib.sha256(rfc8785.dumps(content)).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Common:
    """The start that suits everybody, or else most; None when it suits nobody. `left` are those it does not suit."""

    start: int | None
    left: tuple[Candidate, ...]

    def why(self, after: int) -> tuple[Unplaced, ...]:
        """What keeps each of them out at the start, or from `after` on where there is none. Calendars are asked now."""
        return tuple(_closed(one, after if self.start is None else self.start) for one in self.left)


def ring_order(rings: Iterable[str]) -> tuple[str, ...]:
    """pilot, early, general, then others by name."""
    found = set(rings)
    return (*(ring for ring in RINGS if ring in found), *sorted(found.difference(RINGS)))


def lay_out(candidates: Iterable[Candidate], rings: Sequence[str], limits: Limits, begin: int, end: int) -> Slotted:
    """Everybody who has a slot in [begin, end) in a wave. Ids are unique; a ring that is not among `rings` is an error.

    n log n in the tenants for each wave; the order of the candidates changes nothing.

    Raises:
        ValueError: a candidate's ring is unknown, or the duration is not positive.
    """
    ordered = sorted(candidates, key=lambda one: one.tenant)
    if unknown := {one.ring for one in ordered}.difference(rings):
        raise ValueError(f"unknown rings: {', '.join(sorted(unknown))}")
    if limits.duration <= 0:
        raise ValueError("a slot takes more than no time")
    room = Room(limits.per_wave, limits.per_day, _days(limits, begin, end))
    waves: list[SlotWave] = []
    unplaced: list[Unplaced] = []
    ready = begin
    for ring in rings:
        members = [one for one in ordered if one.ring == ring]
        made = _ring(ring, members, limits, room, (ready, end))
        placed = {tenant for wave in made for tenant in wave.tenants}
        unplaced += [_unplaced(one, limits, ready, end) for one in members if one.tenant not in placed]
        waves += made
        if made:
            ready = made[-1].end + limits.soak.get(ring, 0)
    return Slotted(tuple(waves), tuple(sorted(unplaced, key=lambda one: one.tenant)))


def common_slot(candidates: Iterable[Candidate], duration: int, after: int, end: int) -> Common:
    """The earliest start in [after, end) that suits everybody, or else most, and whom it does not suit.

    n log n in all their spans. Notices are not asked.
    """
    ordered = sorted(candidates, key=lambda one: one.tenant)
    openings, rows = _distinct(ordered, None)
    starts, every = Starts(openings, duration, after, end), np.arange(len(openings))
    owner, low, high = starts.between(every, np.full(len(openings), after), end)
    if not len(owner):
        return Common(None, tuple(ordered))
    at = most(low, high, np.bincount(rows, minlength=len(openings))[owner], NEVER)
    suited = set(owner[(low <= at) & (at <= high)].tolist())
    return Common(at, tuple(one for one, row in zip(ordered, rows.tolist(), strict=True) if row not in suited))


def _ring(
    ring: str, members: Sequence[Candidate], limits: Limits, room: Room, within: tuple[int, int]
) -> list[SlotWave]:
    ready, end = within
    if ready >= end or not members:
        return []
    openings, rows = _distinct(members, limits.support)
    starts = Starts(openings, limits.duration, ready, end)
    own = starts.first(rows, np.maximum(np.array([one.not_before for one in members]), ready))
    one_at_a_time = limits.one_at_a_time or limits.per_wave is not None
    pace = Pace(limits.duration, limits.gather, one_at_a_time=one_at_a_time)
    return [
        SlotWave(ring, at, at + limits.duration, tuple(members[index].tenant for index in aboard.tolist()))
        for at, aboard in sweep(starts, rows, own, pace, room)
    ]


def _distinct(members: Sequence[Candidate], support: Spans | None) -> tuple[list[Spans], Numbers]:
    """Each opening once, cut to the hours of support, and whose is which. Many tenants share one calendar."""
    found: dict[int, int] = {}
    openings: list[Spans] = []
    rows = np.empty(len(members), dtype=np.int64)
    for index, one in enumerate(members):
        rows[index] = found.setdefault(id(one.opening), len(found))
        if len(found) > len(openings):
            openings.append(one.opening if support is None else one.opening & support)
    return openings, rows


def _days(limits: Limits, begin: int, end: int) -> Sequence[int]:
    return limits.days if limits.days is not None else range(begin - begin % DAY, end, DAY)


def _unplaced(one: Candidate, limits: Limits, ready: int, end: int) -> Unplaced:
    """The first thing that, taken alone, leaves no slot: the ring, the calendars, support, the notice; else the room
    is taken by those who waited longer.
    """
    if ready >= end:
        return Unplaced(one.tenant, ("horizon",))
    if _fits(one.opening, limits.duration, ready, end) is None:
        return Unplaced(one.tenant, one.rules(ready) or ("horizon",))
    with_support = one.opening if limits.support is None else one.opening & limits.support
    if _fits(with_support, limits.duration, ready, end) is None:
        return Unplaced(one.tenant, ("support",))
    late = _fits(with_support, limits.duration, max(ready, one.not_before), end) is None
    return Unplaced(one.tenant, ("notice",) if late else ("capacity",))


def _fits(opening: Spans, duration: int, after: int, end: int) -> int | None:
    start = opening.first_fit(duration, after)
    return start if start is not None and start + duration <= end else None


def _closed(one: Candidate, at: int) -> Unplaced:
    """What closes a tenant at a moment, or else first after it."""
    closes = at if not one.opening.at(at) else one.opening.next_change(at)
    return Unplaced(one.tenant, one.rules(at if closes is None else closes) or ("horizon",))


def _told(wave: SlotWave) -> dict[str, Any]:
    return {
        "ring": wave.ring,
        "start": instant(datetime.fromtimestamp(wave.start, UTC)),
        "end": instant(datetime.fromtimestamp(wave.end, UTC)),
        "tenants": list(wave.tenants),
    }
