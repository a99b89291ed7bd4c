"""How much of a product its checks reached, build by build: the Cobertura XML that a check left, and their series.

It judges nothing: coverage is evidence, and no gate of ours. It opens no file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import RefusedError

LARGEST = 16 << 20  # bytes of a report, as of any file that is kept
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_HINT = "let the check write Cobertura XML: `coverage xml`, `pytest --cov --cov-report=xml`, `gcovr --cobertura`"


class CoverageUnreadableError(RefusedError):
    """A check declares `coverage`, and what it left there is missing or no Cobertura XML."""

    code = "coverage_unreadable"

    def __init__(self, reason: str, file: str) -> None:
        super().__init__(f"the coverage is unknown: {reason}", file=file, hint=_HINT)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of something were reached."""

    covered: int
    valid: int

    @property
    def permille(self) -> int:
        """Rounded down, so that 1000 means all; of nothing, all is reached."""
        return 1000 * self.covered // self.valid if self.valid else 1000


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lines, and branches where the report counts them."""

    lines: Share
    branches: Share | None = None

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps: whole numbers, so that a signature over them has one spelling."""
        told = {"lines": self.lines, **({"branches": self.branches} if self.branches else {})}
        counted = {name: {"covered": share.covered, "valid": share.valid} for name, share in told.items()}
        return {**counted, "permille": self.lines.permille}


@dataclass(frozen=True, slots=True)
class Point:
    """The coverage by one check of what one release built."""

    release: str
    version: str
    at: str
    check: str
    permille: int


def read_coverage(xml: bytes, file: str) -> Coverage:
    """What a Cobertura XML says. A document type is passed over, as many writers name one; entities are not expanded
    and nothing is fetched.

    Raises:
        CoverageUnreadableError: with the file and the reason.
    """
    root = _root(xml, file)
    lines = _share(root, "lines", file)
    if lines is None:
        raise CoverageUnreadableError("<coverage> does not say lines-covered and lines-valid", file)
    return Coverage(lines, _share(root, "branches", file))


def series(entries: Iterable[Entry]) -> list[Point]:
    """The coverage of each build whose checks said it, in the order of the ledger. A release that was tested again has
    a point for each time.
    """
    points: list[Point] = []
    versions: dict[str, str] = {}
    for entry in entries:
        if entry.step == "cut":
            versions[entry.release] = entry.fact["version"]
        elif entry.step == "tested":
            points += _points(entry, versions.get(entry.release, ""))
    return points


def _points(tested: Entry, version: str) -> Iterator[Point]:
    for check in tested.fact["checks"]:
        if found := check.get("coverage"):
            yield Point(tested.release, version, tested.at, check["name"], found["permille"])


def _root(xml: bytes, file: str) -> dict[str, str]:
    """The attributes of the outermost element, when the whole text is well-formed."""
    found: list[tuple[str, dict[str, str]]] = []

    def begin(name: str, given: dict[str, str]) -> None:
        if not found:
            found.append((name, given))

    def entity(*_declared: object) -> None:
        raise CoverageUnreadableError("the report declares an entity, which is not expanded", file)

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = begin, entity
    try:
        parser.Parse(xml, True)  # noqa: FBT003 - expat's way to say that this is all
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise CoverageUnreadableError(f"the report is no XML: {error}", file) from None
    name, given = found[0]
    if name != "coverage":
        raise CoverageUnreadableError(f"the report is no Cobertura XML: it begins with <{name}>", file)
    return given


def _share(root: Mapping[str, str], of: str, file: str) -> Share | None:
    said = [root[name] for name in (f"{of}-covered", f"{of}-valid") if name in root]
    if not said:
        return None
    covered, valid = (int(one) if _COUNT.fullmatch(one) else -1 for one in (*said, "")[:2])
    if not 0 <= covered <= valid:
        raise CoverageUnreadableError(f"{of}-covered and {of}-valid are {' and '.join(said)}", file)
    return Share(covered, valid)
