"""One event of iCalendar, a VEVENT or an AVAILABLE, as rules of ours: its times, its series and what was moved or
left out of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from stationmaster.domain.errors import nearest
from stationmaster.domain.ical_lines import Component, LineError
from stationmaster.domain.ical_series import Series, refuse_uneven, rules
from stationmaster.domain.ical_times import Length, When, Zones, after, length, shown_in, when, whens

Said = Mapping[str, Any]  # what says the days and times of a rule
_STATUS = ("CONFIRMED", "TENTATIVE", "CANCELLED")
_DAY = timedelta(days=1)
_ADVICE = "split the file, or leave out --timezone"


@dataclass(frozen=True, slots=True)
class Range:
    """The wall-clock times of the calendar's zone between which events count; None: without an end."""

    since: datetime | None = None
    until: datetime | None = None

    def overlaps(self, other: "Range") -> bool:
        return _before(self.since, other.until) and _before(other.since, self.until)


def _before(begin: datetime | None, end: datetime | None) -> bool:
    return begin is None or end is None or begin < end


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its zone settled. `end` is None where a DURATION or nothing says it; `instead_of` is the occurrence
    of a series that it replaces.
    """

    component: Component
    zones: Zones
    zone: str
    start: When
    end: When | None
    long: Length | None
    instead_of: When | None

    @classmethod
    def of(cls, component: Component, zones: Zones, zone: str) -> Self:
        """What an event says of its times, or a `LineError`."""
        start, ends, lasts = begin(component, zones), component.one("DTEND"), component.one("DURATION")
        if ends and lasts:
            raise LineError(lasts.line, f"DURATION beside DTEND of line {ends.line}", "leave one out")
        if not start.all_day and not ends and not lasts:
            raise LineError(start.line, "DTSTART without DTEND or DURATION: it takes no time", "say when it ends")
        if other := component.all("EXRULE"):
            raise LineError(other[0].line, "EXRULE is not read", "write the days as EXDATE")
        end = when(ends, zones) if ends else None
        if ends and end and end.all_day != start.all_day:
            raise LineError(ends.line, "DTEND: one of DTSTART and DTEND is a day, the other a time", "write both alike")
        if ends and end and (end.zone is None) != (start.zone is None):
            raise LineError(ends.line, "DTEND: one of DTSTART and DTEND has a zone, the other none", "write both alike")
        long = length(lasts) if lasts else Length(1, 0) if end is None else None
        if lasts and long and long.seconds and start.all_day:
            raise LineError(lasts.line, f"DURATION: {lasts.value} of whole days", "write it in days, as P1D")
        moved = component.one("RECURRENCE-ID")
        return cls(component, zones, zone, start, end, long, when(moved, zones) if moved else None)

    @property
    def uid(self) -> str | None:
        said = self.component.one("UID")
        return said.value if said else None

    def status(self) -> str:
        """CONFIRMED, TENTATIVE or CANCELLED."""
        found = self.component.one("STATUS")
        said = found.value.strip().upper() if found else "CONFIRMED"
        if found and said not in _STATUS:
            raise LineError(found.line, f"STATUS: {found.value!r} is not read", nearest(said, _STATUS))
        return said

    def rules(self, replaced: Sequence[When], within: Range) -> Iterator[Said]:
        """Everything that the event says, without the occurrences that others replace."""
        for said in self.component.all("RDATE"):
            for one in whens(said, self.zones):
                yield from self._once(self._alike(one), within)
        rule = self.component.one("RRULE")
        excluded = [one for said in self.component.all("EXDATE") for one in whens(said, self.zones)]
        if rule is None:
            if left_out := [*excluded, *replaced]:
                raise LineError(left_out[0].line, "an occurrence is left out of an event that does not recur")
            yield from self._once(self.start, within)
            return
        if self.start.zone not in (None, self.zone):
            message = f"RRULE: it recurs in {self.start.zone}, and the zone of the calendar is {self.zone}"
            raise LineError(rule.line, message, _ADVICE)
        opens = self.start.wall
        closes = self._closes(self.start)
        series = Series.of(rule, self.start, self.zone)
        if self.long is not None:
            refuse_uneven(series, opens, self.long, self.zone, self.start.line)
        days = sorted({self._day(series, one) for one in (*excluded, *replaced)})
        for piece in series.without(days):
            cut = _cut(piece, opens, closes, within, self.component.line)
            if cut is not None:
                begun = datetime.combine(cut.first, opens.time())
                yield from rules(cut, begun, begun + (closes - opens), self.component.line)

    def _day(self, series: Series, left_out: When) -> Any:  # noqa: ANN401
        wall = shown_in(self._alike(left_out), self.zone, "starts")
        if wall.time() != self.start.wall.time() or not series.has(wall.date()):
            message = f"EXDATE or RECURRENCE-ID: nothing of the series begins at {wall.isoformat()}"
            raise LineError(left_out.line, message, "name the start of an occurrence, or leave it out")
        return wall.date()

    def _alike(self, other: When) -> When:
        """A further time of the event, which must be said as its start is."""
        if other.all_day != self.start.all_day or (other.zone is None) != (self.start.zone is None):
            raise LineError(other.line, f"{other.wall.isoformat()} is not said as DTSTART is", "write both alike")
        return other

    def _once(self, start: When, within: Range) -> Iterator[Said]:
        opens, closes = shown_in(start, self.zone, "starts"), self._closes(start)
        if closes <= opens:
            message = f"the clocks of {self.zone} show {closes.time()} twice while it lasts, and cannot say it"
            raise LineError(start.line, message, "import the file with --timezone UTC")
        opens = opens if within.since is None else max(opens, within.since)
        closes = closes if within.until is None else min(closes, within.until)
        if opens < closes:
            yield {"from": opens, "to": closes}

    def _closes(self, start: When) -> datetime:
        """The end of the occurrence that begins so, as the clocks of the calendar show it."""
        own, line = start.zone or self.zone, self.end.line if self.end else start.line
        closes = after(start.wall, self.long, own, line) if self.long else start.wall + self._wall_length()
        return shown_in(When(line, closes, own), self.zone, "ends")

    def _wall_length(self) -> timedelta:
        """How long it is by the clocks of its own zone, from DTSTART to DTEND."""
        assert self.end is not None  # noqa: S101 - `of` takes DTEND or a length
        opens, closes = self.start.wall, shown_in(self.end, self.start.zone or self.zone, "ends")
        if closes <= opens:
            raise LineError(self.end.line, f"DTEND {closes.isoformat()} is not after DTSTART {opens.isoformat()}")
        return closes - opens


def begin(component: Component, zones: Zones) -> When:
    """DTSTART, which every event must have."""
    said = component.one("DTSTART")
    if said is None:
        raise LineError(component.line, f"{component.name} has no DTSTART", "say when it begins")
    return when(said, zones)


def _cut(piece: Series, opens: datetime, closes: datetime, within: Range, line: int) -> Series | None:
    """A series within a range. An occurrence that a bound would cut in two is refused."""
    for bound in (within.since, within.until):
        if bound is None:
            continue
        for day in piece.between(bound.date() - (closes - opens) - _DAY, bound.date()):
            start = datetime.combine(day, opens.time())
            if start < bound < start + (closes - opens):
                message = f"its occurrence of {day} is cut in two by a bound of its VAVAILABILITY, {bound.isoformat()}"
                raise LineError(line, message, "end it there, by an event of its own")
    left: Series | None = piece
    if within.since is not None:
        late = opens.time() < within.since.time()
        left = left.since(within.since.date() + late * _DAY) if left else None
    if within.until is not None:
        early = opens.time() >= within.until.time()
        left = left.until(within.until.date() - early * _DAY) if left else None
    return left
