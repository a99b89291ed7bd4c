"""What a calendar picture shows: tenants by day, when each is open, what closes it, and where its planned slot is.

`calendar_picture_html.py` and `calendar_picture_text.py` draw it. Nothing is decided here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from stationmaster.domain.calendar import Named
from stationmaster.domain.calendar_answers import opening, spans_of
from stationmaster.domain.candidates import midnights
from stationmaster.domain.duration import instant
from stationmaster.domain.freeze import Freeze, closing_to
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.slots import DAY, SlotWave
from stationmaster.domain.spans import Spans, union
from stationmaster.domain.tenants import Tenant
from stationmaster.domain.zones import zone

Calendars = tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A wave and its slot, [start, end) in seconds since the epoch."""

    name: str
    start: int
    end: int
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Closing:
    """A blackout or a freeze and when it is in force within the picture."""

    name: str
    spans: Spans


@dataclass(frozen=True, slots=True)
class Row:
    """A tenant. `opening` has no blackout in it any more. `wave` is the place of its wave in the picture's waves, None
    when it is in none; `reason` then says why, in words.
    """

    tenant: str
    name: str
    ring: str
    opening: Spans
    closings: tuple[Closing, ...] = ()
    wave: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """The rows by ring and tenant. `days` are the local midnights of the zone, ascending, from the one that begins the
    first day to the one that ends the last; [begin, end) is what was planned, and lies within.
    """

    begin: int
    end: int
    zone: str
    days: tuple[int, ...]
    waves: tuple[Planned, ...]
    rows: tuple[Row, ...]

    @property
    def rings(self) -> list[tuple[str, list[Row]]]:
        """Rings in order with their rows."""
        return [(ring, list(rows)) for ring, rows in groupby(self.rows, key=lambda row: row.ring)]

    @property
    def closings(self) -> dict[str, list[str]]:
        """Each blackout and freeze that is in force at some time, by name, with the tenants it closes."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            for one in row.closings:
                found.setdefault(one.name, []).append(row.tenant)
        return dict(sorted(found.items()))

    def local(self, at: int) -> datetime:
        """An instant as the picture's zone has it."""
        return datetime.fromtimestamp(at, zone(self.zone))

    def date(self, day: int) -> date:
        """The date of one of its days."""
        return self.local(self.days[day]).date()

    def slot(self, wave: int) -> str:
        """When a wave is, in words: `Tue 24 Nov 22:00 to 22:45`. What ends on another day says which."""
        start, end = self.local(self.waves[wave].start), self.local(self.waves[wave].end)
        ends = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%a} {end.day} {end:%b %H:%M}"
        return f"{start:%a} {start.day} {start:%b %H:%M} to {ends}"


def about(picture: Picture) -> str:
    """Which days it shows: `24 November 2026 to 8 December 2026, in days of Europe/Berlin`."""
    first, last = picture.date(0), picture.date(-2)
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}, in days of {picture.zone}"


def record(picture: Picture) -> dict[str, Any]:
    """For a program; instants in RFC 3339."""
    waves = [(wave, _bounds(wave.start, wave.end)) for wave in picture.waves]
    return {
        "from": _told(picture.begin),
        "to": _told(picture.end),
        "zone": picture.zone,
        "waves": [{"name": wave.name, **bounds, "tenants": list(wave.tenants)} for wave, bounds in waves],
        "tenants": [
            {
                "tenant": row.tenant,
                "ring": row.ring,
                "wave": None if row.wave is None else picture.waves[row.wave].name,
                "reason": row.reason if row.wave is None else None,
                "open": [_bounds(*pair) for pair in row.opening.pairs()],
                "closed": [{"by": one.name, **_bounds(*pair)} for one in row.closings for pair in one.spans.pairs()],
            }
            for row in picture.rows
        ],
    }


def _bounds(start: int, end: int) -> dict[str, str]:
    return {"start": _told(start), "end": _told(end)}


def _told(at: int) -> str:
    return instant(datetime.fromtimestamp(at, UTC))


def picture(
    tenants: Iterable[Tenant],
    calendars: Mapping[str, Calendars | str],
    waves: Sequence[Planned],
    *,
    begin: int,
    end: int,
    zone_name: str,
    rings: Sequence[str] = (),
    left: Mapping[str, str] | None = None,
    freezes: Collection[Freeze] = (),
) -> Picture:
    """The picture of tenants with their calendars, or with the reason in words why they have none, for [begin, end) in
    seconds since the epoch. `rings` is their order; `left` maps who is in no wave to why.

    Errors are those of `opening`.
    """
    days = _days(zone_name, begin, end)
    places = {tenant: place for place, wave in enumerate(waves) for tenant in wave.tenants}
    known: dict[int, _Asked] = {}
    rows = [
        _row(tenant, _asked(calendars[tenant.id], days, known), places.get(tenant.id), freezes, days)
        for tenant in tenants
    ]
    told = [replace(row, reason=(left or {}).get(row.tenant, row.reason)) if row.wave is None else row for row in rows]
    order = {ring: place for place, ring in enumerate(rings)}
    told.sort(key=lambda row: (order.get(row.ring, len(order)), row.ring, row.tenant))
    return Picture(begin, end, zone_name, days, tuple(waves), tuple(told))


def planned(waves: Iterable[SlotWave]) -> tuple[Planned, ...]:
    """Waves that were laid out, named as a plan names them: `general`, `general-2`."""
    count: Counter[str] = Counter()
    found = []
    for wave in waves:
        count[wave.ring] += 1
        name = Wave(wave.ring, {}, count[wave.ring]).name
        found.append(Planned(name, wave.start, wave.end, wave.tenants))
    return tuple(found)


def recorded(plan: Plan) -> tuple[tuple[Planned, ...], dict[str, str]]:
    """The waves of a plan that have a slot, and whom it has in none, with the reason."""
    placed = [
        Planned(wave.name, int(wave.start.timestamp()), int(wave.end.timestamp()), wave.tenants)
        for wave in plan.waves
        if wave.start is not None and wave.end is not None
    ]
    left = {one.tenant: one.reason for one in plan.placements if one.place != "wave"}
    nowhere = (wave for wave in plan.waves if wave.start is None)
    return tuple(placed), left | {tenant: f"{wave.name} has no slot" for wave in nowhere for tenant in wave.tenants}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What calendars say about the days of a picture; `reason` is why there are none."""

    opening: Spans = field(default_factory=Spans.nothing)
    closings: tuple[Closing, ...] = ()
    reason: str = ""


def _asked(calendars: Calendars | str, days: tuple[int, ...], known: dict[int, _Asked]) -> _Asked:
    """Asked once for all who share them."""
    if isinstance(calendars, str):
        return _Asked(reason=calendars)
    if id(calendars) not in known:
        within = (days[0], days[-1])
        known[id(calendars)] = _Asked(opening(calendars, *within), tuple(_blackouts(calendars, *within)))
    return known[id(calendars)]


def _blackouts(calendars: Calendars, begin: int, end: int) -> Iterator[Closing]:
    for named in calendars:
        for rule in named.calendar.blackouts:
            spans = spans_of(named.calendar, rule, begin, end)
            if len(spans) and named.calendar.counts(rule, "deploy"):
                yield Closing(named.ref(rule.name), spans)


def _row(tenant: Tenant, asked: _Asked, place: int | None, freezes: Collection[Freeze], days: tuple[int, ...]) -> Row:
    frozen = tuple(_frozen(freeze, days) for freeze in closing_to(tenant, freezes))
    opened = asked.opening - union(one.spans for one in frozen)
    reason = asked.reason or ("" if len(opened) else "it is closed on all of these days")
    return Row(tenant.id, tenant.name, tenant.ring, opened, (*asked.closings, *frozen), place, reason)


def _frozen(freeze: Freeze, days: tuple[int, ...]) -> Closing:
    since = int(datetime.fromisoformat(freeze.since).timestamp())
    until = int(freeze.until.timestamp()) if freeze.until else days[-1]
    return Closing(f"freeze of {freeze.about}: {freeze.reason}", Spans.of([(since, until)]).within(days[0], days[-1]))


def _days(zone_name: str, begin: int, end: int) -> tuple[int, ...]:
    """The midnights from the one at or before `begin` to the one at or after `end`. A zone may lack a whole day."""
    every = sorted(set(midnights(zone_name, begin, end + 2 * DAY)))
    last = next(place for place, at in enumerate(every) if at >= end)
    return tuple(every[: last + 1])
