"""Which parts an OSV record is about, how bad that is, and what of it refuses a release.

The order of versions is that of each ecosystem: PEP 440 for PyPI, Semantic Versioning for npm. Others are not looked up
and said to be so. Reference: https://ossf.github.io/osv-schema/, "Evaluation".
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args

import cvss
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from packaging.version import Version as Pep440
from semver import Version as SemVer

from stationmaster.domain.scan_parts import Part
from stationmaster.domain.scans import Severity, Vulnerabilities

ECOSYSTEMS = {"pypi": "PyPI", "npm": "npm"}  # the kinds of parts that are looked up, as OSV calls them
UNRATED = "unrated"
_ORDER: tuple[Severity, ...] = get_args(Severity)
_WORDS = {"LOW": "low", "MODERATE": "medium", "MEDIUM": "medium", "HIGH": "high", "CRITICAL": "critical"}
_CVSS = {"CVSS_V2": cvss.CVSS2, "CVSS_V3": cvss.CVSS3, "CVSS_V4": cvss.CVSS4}
_FLOORS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))  # of CVSS 3.1, table 14
_EVENTS = ("introduced", "fixed", "last_affected")  # in the order in which they count at one version
_PARSERS: dict[str, Callable[[str], Any]] = {
    "pypi": lambda text: Pep440(Pep440(text).public),  # 1.0+cu118 is a build of 1.0, and as vulnerable
    "npm": SemVer.parse,
}


@dataclass(frozen=True)
class Found:
    """One vulnerability of one part, under every id that the database has for it."""

    part: Part
    ids: tuple[str, ...]
    severity: str  # one of Severity, or unrated
    fixed: tuple[str, ...] = ()
    summary: str = ""

    def __str__(self) -> str:
        to = f", fixed in {', '.join(self.fixed)}" if self.fixed else ""
        return f"{self.part}: {self.ids[0]} ({self.severity}){to}"


def can_be_looked_up(part: Part) -> bool:
    """Whether the order of its versions is known, and its own version has a place in it."""
    return part.kind in ECOSYSTEMS and _parsed(part.kind, part.version) is not None


def names_of(part: Part) -> tuple[str, str]:
    """Ecosystem and name under which a record would be about it."""
    return ECOSYSTEMS.get(part.kind, ""), part.name


def spelled(name: str, ecosystem: str) -> str:
    """A record's name for a package as our parts spell it."""
    return canonicalize_name(name) if ecosystem == "PyPI" else name


def found_in(record: dict[str, Any], part: Part) -> Found | None:
    """What a record says of a part; None when it says nothing, or was withdrawn.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: the record is not OSV.
    """
    if record.get("withdrawn"):
        return None
    about = [one for one in record.get("affected", []) if _is_about(one, part)]
    if not any(_affects(one, part) for one in about):
        return None
    ids = (str(record["id"]), *sorted({str(one) for one in record.get("aliases", [])}))
    return Found(part, ids, severity(record, about), _fixed(about, part), str(record.get("summary", ""))[:200])


def _is_about(affected: dict[str, Any], part: Part) -> bool:
    package = affected.get("package") or {}
    ecosystem = str(package.get("ecosystem", "")).partition(":")[0]
    return (ecosystem, spelled(str(package.get("name", "")), ecosystem)) == names_of(part)


def _affects(affected: dict[str, Any], part: Part) -> bool:
    """Listed, or in a range. A range that cannot be read rules nothing out."""
    version = _parsed(part.kind, part.version)
    listed = affected.get("versions", [])
    if part.version in listed or any(_parsed(part.kind, one) == version for one in listed if version is not None):
        return True
    ranges = [one for one in affected.get("ranges", []) if one.get("type") != "GIT"]
    return any(_holds(one["events"], part.kind, version) for one in ranges)


def _holds(events: list[dict[str, str]], kind: str, version: Any) -> bool:  # noqa: ANN401 - of either library
    """Whether the version is in the range, as OSV evaluates one: each event in order turns it on or off."""
    ordered = [(event, text) for each in events for event, text in each.items() if event in _EVENTS]
    places = [(_parsed(kind, text), event) for event, text in ordered if (event, text) != ("introduced", "0")]
    if version is None or any(place is None for place, _ in places):
        return True
    inside = ("introduced", "0") in ordered
    for place, event in sorted(places, key=lambda one: (one[0], _EVENTS.index(one[1]))):
        if event == "introduced" and version >= place:
            inside = True
        elif (event == "fixed" and version >= place) or (event == "last_affected" and version > place):
            inside = False
    return inside


def _parsed(kind: str, text: object) -> Any:  # noqa: ANN401 - as above
    """A version that can be compared with others of its kind; None when it cannot."""
    try:
        return _PARSERS[kind](str(text))
    except (InvalidVersion, ValueError, KeyError):
        return None


def _fixed(about: list[dict[str, Any]], part: Part) -> tuple[str, ...]:
    """The versions after this one that mend it."""
    version = _parsed(part.kind, part.version)
    events = [event for one in about for range_ in one.get("ranges", []) for event in range_["events"]]
    places = {str(event["fixed"]): _parsed(part.kind, event["fixed"]) for event in events if "fixed" in event}
    later = [text for text, place in places.items() if place is not None and version is not None and place > version]
    return tuple(sorted(later, key=lambda text: places[text]))


def severity(record: dict[str, Any], about: list[dict[str, Any]]) -> str:
    """The worst that the record says: in words, by a CVSS vector, or by being about a malicious package."""
    if str(record["id"]).startswith("MAL-"):
        return "critical"
    said = [*_words(record), *(word for one in about for word in _words(one))]
    vectors = [*record.get("severity", []), *(one for each in about for one in each.get("severity", []))]
    return worst([*said, *(_by_vector(str(one.get("type")), str(one.get("score"))) for one in vectors)])


def worst(severities: Iterable[str]) -> str:
    rated = [one for one in severities if one in _ORDER]
    return max(rated, key=_rank, default=UNRATED)


def _rank(one: str) -> int:
    """One that nobody rated may be anything, so it counts as the worst."""
    return _ORDER.index(one) if one in _ORDER else len(_ORDER)


def _words(part: dict[str, Any]) -> list[str]:
    specific = [part.get("database_specific"), part.get("ecosystem_specific")]
    return [_WORDS.get(str(one.get("severity")).upper(), UNRATED) for one in specific if isinstance(one, dict)]


def _by_vector(kind: str, vector: str) -> str:
    if kind not in _CVSS:
        return UNRATED
    try:
        score = float(_CVSS[kind](vector).scores()[0])
    except (cvss.CVSSError, ValueError, TypeError, IndexError, KeyError):
        return UNRATED
    return next((word for floor, word in _FLOORS if score >= floor), "low")


def joined(found: Iterable[Found]) -> list[Found]:
    """Records that are aliases of one another are one vulnerability, as bad as the worst of them says."""
    groups: list[Found] = []
    for one in found:
        same = [other for other in groups if other.part == one.part and {*other.ids} & {*one.ids}]
        groups = [other for other in groups if other not in same]
        groups.append(_one_of([*same, one]))
    return sorted(groups, key=lambda one: (-_rank(one.severity), one.part, one.ids))


def _one_of(same: list[Found]) -> Found:
    ids = sorted({one for each in same for one in each.ids})
    fixed = max((each.fixed for each in same), key=len)
    summary = next((each.summary for each in same if each.summary), "")
    return Found(same[0].part, tuple(ids), worst(each.severity for each in same), fixed, summary)


def refusing(found: Iterable[Found], asked: Vulnerabilities, today: date) -> list[Found]:
    """What of it refuses the release: as bad as `fail_on` or unrated, and not ignored today."""
    floor = _rank(asked.fail_on)
    return [one for one in found if _rank(one.severity) >= floor and asked.ignored(one.ids, today) is None]
