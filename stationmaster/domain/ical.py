"""An iCalendar file as a calendar: VEVENTs as windows or blackouts, VAVAILABILITY (RFC 7953) as windows, and the
dialect of AWS Change Calendar, whose X-CALENDAR-TYPE says which.

What cannot be said exactly as rules of ours is refused with its line and the reason; nothing is skipped, for it might
be what closes. `docs/reference/calendar.md` lists what is read.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, ParamSpec, TypeVar

from pydantic import ValidationError

from stationmaster.domain.calendar import DEFAULT, MOST_RULES, Calendar, Rule
from stationmaster.domain.documents import Document, DocumentError
from stationmaster.domain.errors import nearest
from stationmaster.domain.ical_events import Event, Range, begin
from stationmaster.domain.ical_lines import Component, LineError, components
from stationmaster.domain.ical_times import Length, When, Zones, after, length, shown_in, when, zone_of
from stationmaster.domain.located import Located, Problem
from stationmaster.domain.zones import known_zone

Kind = Literal["windows", "blackouts"]
T = TypeVar("T")
P = ParamSpec("P")

_TYPES: dict[str, Kind] = {"DEFAULT_OPEN": "blackouts", "DEFAULT_CLOSED": "windows"}
_WHICH = "add X-CALENDAR-TYPE:DEFAULT_OPEN or DEFAULT_CLOSED, or import with --as blackouts or --as windows"
_BUSY = ("BUSY", "BUSY-UNAVAILABLE", "BUSY-TENTATIVE")
_METHODS = ("PUBLISH", "REQUEST")
_LONGEST_NAME = 150
# What may stand in what. A to-do and a journal entry take no time.
_INSIDE: dict[str, tuple[str, ...]] = {
    "VCALENDAR": ("VEVENT", "VAVAILABILITY", "VTIMEZONE", "VTODO", "VJOURNAL"),
    "VEVENT": ("VALARM", "PARTICIPANT", "VLOCATION", "VRESOURCE"),
    "VAVAILABILITY": ("AVAILABLE",),
    "VTIMEZONE": ("STANDARD", "DAYLIGHT"),
    "VTODO": ("VALARM",),
}


def read(text: str, file: str, kind: Kind | None = None, timezone: str | None = None) -> Document[Calendar]:
    """Text → calendar, or a `DocumentError` with all problems. `kind` is what the events of a file are that does not
    say so itself, `timezone` the zone of times that have none.

    Raises:
        ValueError: the timezone is unknown.
    """
    reader = _Reader(kind, known_zone(timezone) if timezone is not None else None)
    made = reader.tried(reader.calendar, text)
    if made is None or reader.problems:
        raise DocumentError(file, reader.problems)
    return Document(made, file, reader.located)


@dataclass
class _Reader:
    """One reading: the rules so far, their lines, and what is wrong."""

    kind: Kind | None
    timezone: str | None
    rules: dict[Kind, list[Rule]] = field(default_factory=lambda: {"windows": [], "blackouts": []})
    names: set[str] = field(default_factory=lambda: {DEFAULT})
    located: Located = field(default_factory=lambda: Located(lines={(): 1}))
    problems: list[Problem] = field(default_factory=list)

    def tried(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What comes out, or None and one more problem."""
        try:
            return act(*args, **kwargs)
        except LineError as wrong:
            self.problems.append(Problem(wrong.line, wrong.message, wrong.hint))
        return None

    def calendar(self, text: str) -> Calendar | None:
        root = components(text)
        _check_whole(root)
        zones, kind = Zones.of(root), self._kind(root)
        found = [*root.inside("VEVENT"), *(one for around in root.inside("VAVAILABILITY") for one in around.components)]
        bounds = [one for one in root.inside("VAVAILABILITY") if one.all("DTSTART")]
        recurring = self._starts(zones, [one for one in found if one.all("RRULE")])
        once = self._starts(zones, [*(one for one in found if not one.all("RRULE")), *bounds])
        if self.problems:
            return None
        zone = zone_of(root, zones, self.timezone, recurring, once)
        self._take(root.inside("VEVENT"), kind, zones, zone, Range())
        ranges: list[Range] = []
        for around in root.inside("VAVAILABILITY"):
            within = self.tried(_range, around, zones, zone, ranges)
            if within is not None:
                ranges.append(within)
                self._take(around.inside("AVAILABLE"), "windows", zones, zone, within)
        if self.problems:
            return None
        count = sum(len(rules) for rules in self.rules.values())
        if count > MOST_RULES:
            self.problems.append(Problem(None, f"it has {count} rules, and {MOST_RULES} are read at most"))
            return None
        default: Literal["open", "closed"] = "open" if kind == "blackouts" and not ranges else "closed"
        return Calendar(timezone=zone, default=default, **{key: tuple(rules) for key, rules in self.rules.items()})

    def _starts(self, zones: Zones, found: Sequence[Component]) -> list[When]:
        starts = (self.tried(begin, one, zones) for one in found)
        return [start for start in starts if start is not None]

    def _kind(self, root: Component) -> Kind:
        """What VEVENTs are: what the file says, what the caller says, or busy time beside a VAVAILABILITY."""
        said, availability = root.one("X-CALENDAR-TYPE"), root.inside("VAVAILABILITY")
        if said is not None:
            kind = _TYPES.get(said.value.strip().upper())
            if kind is None:
                raise LineError(said.line, f"X-CALENDAR-TYPE: {said.value!r} is not read", nearest(said.value, _TYPES))
            if self.kind not in (None, kind):
                raise LineError(said.line, f"X-CALENDAR-TYPE: its events are {kind}, not {self.kind}", "leave --as out")
            if availability:
                raise LineError(availability[0].line, "VAVAILABILITY beside X-CALENDAR-TYPE", "leave one out")
            self.located.lines["default",] = said.line
            return kind
        if availability:
            if self.kind is not None:
                raise LineError(availability[0].line, "VAVAILABILITY says itself what is a window", "leave --as out")
            return "blackouts"
        if self.kind is None:
            raise LineError(root.line, "it does not say whether its events open or close", _WHICH)
        return self.kind

    def _take(self, found: Sequence[Component], kind: Kind, zones: Zones, zone: str, within: Range) -> None:
        """The events of a component, series with what replaces parts of them."""
        made = (self.tried(Event.of, one, zones, zone) for one in found)
        events = [event for event in made if event is not None]
        replaced = self.tried(_replaced, events) or {}
        for event in events:
            self.tried(self._add, event, kind, replaced.get(event.uid, []), within)

    def _add(self, event: Event, kind: Kind, replaced: Sequence[When], within: Range) -> None:
        status = event.status()
        if status == "TENTATIVE" and kind == "windows":
            line = event.component.all("STATUS")[0].line
            raise LineError(line, "STATUS: a tentative window is not agreed yet", "confirm it, or leave it out")
        line = event.component.line
        said = list(event.rules([] if event.instead_of else replaced, within))
        for one in said if status != "CANCELLED" else ():
            self.located.lines[kind, len(self.rules[kind])] = line
            self.rules[kind].append(self._rule(event.component, one, line))

    def _rule(self, component: Component, said: Any, line: int) -> Rule:  # noqa: ANN401
        try:
            return Rule.model_validate({"name": self._name(component), **said})
        except ValidationError as wrong:
            raise LineError(line, str(wrong.errors()[0]["msg"]).removeprefix("Value error, ")) from None

    def _name(self, component: Component) -> str:
        """SUMMARY, made unique."""
        said = component.one("SUMMARY")
        printable = "".join(char if char.isprintable() else " " for char in said.value) if said else ""
        name = " ".join(printable.split())[:_LONGEST_NAME] or component.name.removeprefix("V").lower()
        number, unique = 1, name
        while unique in self.names:
            number += 1
            unique = f"{name} ({number})"
        self.names.add(unique)
        return unique


def _check_whole(root: Component) -> None:
    """Refuse what changes the meaning of all that stands in the file, and components that are not known."""
    for name, known in (("VERSION", ("2.0",)), ("CALSCALE", ("GREGORIAN",)), ("METHOD", _METHODS)):
        said = root.one(name)
        if said is not None and said.value.strip().upper() not in known:
            raise LineError(said.line, f"{name}: {said.value!r} is not read", f"known: {', '.join(known)}")
    _check_inside(root)


def _check_inside(around: Component) -> None:
    known = _INSIDE.get(around.name, ())
    for one in around.components:
        if one.name not in known:
            raise LineError(one.line, f"{one.name} in {around.name} is not read", nearest(one.name, known))
        _check_inside(one)


def _replaced(events: Sequence[Event]) -> dict[str | None, list[When]]:
    """The occurrences of each series that events of their own replace. A series and its UID stand once."""
    series: dict[str, Event] = {}
    for event in events:
        if event.uid is None or event.instead_of is not None:
            continue
        if event.uid in series:
            first = series[event.uid].component.line
            raise LineError(event.component.line, f"UID {event.uid!r} is given twice, first in line {first}")
        series[event.uid] = event
    found: dict[str | None, list[When]] = defaultdict(list)
    for event in events:
        if event.instead_of is None:
            continue
        if event.uid not in series:
            raise LineError(event.instead_of.line, "RECURRENCE-ID: the file has no series of this UID", "export it all")
        if other := event.component.all("RRULE"):
            raise LineError(other[0].line, "RRULE beside RECURRENCE-ID", "one occurrence does not recur")
        found[event.uid].append(event.instead_of)
    return found


def _range(around: Component, zones: Zones, zone: str, others: Sequence[Range]) -> Range:
    """What a VAVAILABILITY is about. Outside AVAILABLE it is closed, whatever BUSYTYPE calls it."""
    busy, priority = around.one("BUSYTYPE"), around.one("PRIORITY")
    if busy and busy.value.strip().upper() not in _BUSY:
        raise LineError(busy.line, f"BUSYTYPE: {busy.value!r} is not read", nearest(busy.value, _BUSY))
    if priority and priority.value.strip() not in tuple("0123456789"):
        raise LineError(priority.line, f"PRIORITY: {priority.value!r} is not within 0 to 9")
    if recurring := [one for one in around.properties if one.name in ("RRULE", "RDATE", "EXDATE")]:
        raise LineError(recurring[0].line, f"{recurring[0].name}: a VAVAILABILITY does not recur", "its AVAILABLE may")
    since, until, lasts = around.one("DTSTART"), around.one("DTEND"), around.one("DURATION")
    if lasts and (until or not since):
        raise LineError(lasts.line, "DURATION belongs to DTSTART without DTEND")
    if until and bool(when(until, zones).zone) != bool(since and when(since, zones).zone):
        raise LineError(
            until.line, "DTEND has a zone and DTSTART none, or DTSTART has one and DTEND none", "write both"
        )
    begins = shown_in(when(since, zones), zone, "starts") if since else None
    ends = shown_in(when(until, zones), zone, "ends") if until else None
    if lasts and begins:
        long: Length = length(lasts)
        ends = after(begins, long, zone, lasts.line)
    if begins and ends and ends <= begins:
        raise LineError(around.line, "VAVAILABILITY: DTEND is not after DTSTART")
    made = Range(begins, ends)
    if any(made.overlaps(other) for other in others):
        line = priority.line if priority else around.line
        message = "VAVAILABILITY: it overlaps another, and PRIORITY between them is not read"
        raise LineError(line, message, "bound both by DTSTART and DTEND, so that they do not overlap")
    return made
