"""iCalendar text (RFC 5545 § 3.1) as components and properties that know their lines.

Stricter than a reader that wants to show what it can: a line that is left out could be the one that closes. So an
unknown property, a component that is not ended and whatever cannot be read are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from icalendar.parser import Contentline

from stationmaster.domain.errors import nearest

_NAME = re.compile(r"[A-Za-z0-9-]+")
_DEEPEST = 4
# RFC 5545, 7953, 7986, 9073 and 9253. `X-…` may be anything.
_NAMES = (
    "ACKNOWLEDGED ACTION ATTACH ATTENDEE BUSYTYPE CALENDAR-ADDRESS CALSCALE CATEGORIES CLASS COLOR COMMENT "
    "COMPLETED CONCEPT CONFERENCE CONTACT CREATED DESCRIPTION DTEND DTSTAMP DTSTART DUE DURATION EXDATE EXRULE "
    "FREEBUSY GEO IMAGE LAST-MODIFIED LINK LOCATION LOCATION-TYPE METHOD NAME ORGANIZER PARTICIPANT-TYPE PERCENT- "
    "COMPLETE PRIORITY PRODID PROXIMITY RDATE RECURRENCE-ID REFID REFRESH-INTERVAL RELATED-TO REPEAT REQUEST-STATUS "
    "RESOURCE-TYPE RESOURCES RRULE SEQUENCE SOURCE STATUS STRUCTURED-DATA STYLED-DESCRIPTION SUMMARY TRANSP TRIGGER "
    "TZID TZID-ALIAS-OF TZNAME TZOFFSETFROM TZOFFSETTO TZUNTIL TZURL UID URL VERSION"
)
_KNOWN = frozenset(_NAMES.split())


class LineError(ValueError):
    """What is wrong with a line, and what to do about it."""

    def __init__(self, line: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Property:
    """One content line: its name and its parameters' names in capitals, its value without escapes."""

    line: int
    name: str
    parameters: dict[str, str]
    value: str


@dataclass(slots=True)
class Component:
    """What stands between BEGIN and END."""

    line: int
    name: str
    properties: list[Property] = field(default_factory=list)
    components: list["Component"] = field(default_factory=list)

    def all(self, name: str) -> list[Property]:
        return [one for one in self.properties if one.name == name]

    def one(self, name: str) -> Property | None:
        """The only one of that name, or None. Two are a `LineError`: it is unknown which is meant."""
        found = self.all(name)
        if len(found) > 1:
            raise LineError(found[1].line, f"{name} is given twice, first in line {found[0].line}", "leave one out")
        return found[0] if found else None

    def value(self, name: str) -> str | None:
        """The value of the only property of that name, in capitals."""
        found = self.one(name)
        return found.value.strip().upper() if found else None

    def inside(self, *names: str) -> list["Component"]:
        return [one for one in self.components if one.name in names]


def components(text: str) -> Component:
    """The one VCALENDAR of a text, or a `LineError`."""
    root: Component | None = None
    around: list[Component] = []
    for number, line in _unfolded(text.removeprefix("\ufeff")):
        if root is None and line.strip().upper() != "BEGIN:VCALENDAR":
            raise LineError(number, "this is no iCalendar", "it begins with BEGIN:VCALENDAR")
        said = _property(number, line)
        if root is not None and not around:
            raise LineError(number, f"{said.name} after END:VCALENDAR", "give one VCALENDAR in a file")
        if said.name == "BEGIN":
            begun = Component(number, said.value.strip().upper())
            if around:
                around[-1].components.append(begun)
            root = root or begun
            around.append(begun)
            if len(around) > _DEEPEST:
                raise LineError(number, "components are nested too deeply")
        elif said.name == "END":
            _end(around.pop(), said)
        else:
            around[-1].properties.append(said)
    if root is None:
        raise LineError(1, "the file is empty", "it begins with BEGIN:VCALENDAR")
    if around:
        raise LineError(around[-1].line, f"{around[-1].name} is not ended: the file is cut off", "export it again")
    return root


def _end(open_: Component, said: Property) -> None:
    if said.value.strip().upper() != open_.name:
        raise LineError(said.line, f"END:{said.value} where {open_.name} of line {open_.line} is to be ended")


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Content lines with the number of the line they begin in. Empty ones say nothing."""
    begun, whole = 0, ""
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        if line[:1] in (" ", "\t") and whole:
            whole += line[1:]
            continue
        if whole:
            yield begun, whole
        begun, whole = number, line
    if whole:
        yield begun, whole


def _property(number: int, line: str) -> Property:
    if any(ord(char) < ord(" ") and char != "\t" for char in line):
        raise LineError(number, "a control character in the line", "export the file again")
    name = re.split("[:;]", line, maxsplit=1)[0]
    if not _NAME.fullmatch(name):
        raise LineError(number, f"{line[:40]!r} is no line of iCalendar", "a property is written NAME:value")
    name = name.upper()
    if name not in _KNOWN and name not in ("BEGIN", "END") and not name.startswith("X-"):
        raise LineError(number, f"{name}: no property of iCalendar is called so", nearest(name, _KNOWN))
    try:
        _, parameters, value = Contentline(line).parts()  # type: ignore[no-untyped-call]  # it says no types
    except ValueError:
        raise LineError(number, f"{name}: the line cannot be read", "a property is written NAME:value") from None
    flat = {str(key).upper(): said if isinstance(said, str) else ",".join(said) for key, said in parameters.items()}
    return Property(number, name, flat, value)
