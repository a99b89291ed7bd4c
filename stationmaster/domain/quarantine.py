"""Which failing tests of a check stop a release: all but those in quarantine whose term has not ended.

Reads the JUnit XML that a check left, and judges it. It runs nothing and opens no file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal
from xml.parsers import expat

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.calendar_fields import Day
from stationmaster.domain.errors import RefusedError, nearest

Outcome = Literal["passed", "failed", "skipped", "missing"]
LARGEST_REPORT = 16 << 20  # bytes
TESTS_FAILED = 1  # how test runners end when tests failed; with any other code something else went wrong
_LISTED = 5  # failing tests that a message names
_RANK: dict[Outcome, int] = {"missing": 0, "skipped": 1, "passed": 2, "failed": 3}  # of a test listed twice
_FILE = re.compile(r"^(?P<folder>[^\[]*?)\.py::")


class ReportUnreadableError(RefusedError):
    """A check's report is missing, too large, or no JUnit XML: which tests failed is unknown."""

    code = "report_unreadable"


class TestsFailedError(RefusedError):
    """Tests failed that no quarantine covers, or a check failed outside its tests."""

    code = "tests_failed"
    __test__ = False  # the name is no test's, whatever pytest thinks

    def __init__(self, check: str, reasons: Sequence[str], *, said: str, hint: str) -> None:
        told = "\n".join(f"  {reason}" for reason in reasons)
        super().__init__(f"check {check!r} does not pass:\n{told}" + (f"\n{said}" if said else ""), hint=hint)
        self.reasons = tuple(reasons)


def plain(test: str) -> str:
    """A test as reports name it: `tests/test_orders.py::TestTotals::test_sum[eur]` becomes
    `tests.test_orders.TestTotals.test_sum[eur]`; what is written so already stays.
    """
    found = _FILE.match(test)
    if not found:
        return test
    name, bracket, parameters = test[found.end() :].partition("[")
    return f"{found['folder'].replace('/', '.')}.{name.replace('::', '.')}{bracket}{parameters}"


class Quarantined(BaseModel):
    """A test that is known to fail: it runs and is reported, and does not stop a release until the term ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: Annotated[str, Field(min_length=1)] = Field(
        description="As the report names it, CLASSNAME.NAME, or as pytest prints it.",
        examples=["tests/test_orders.py::test_total"],
    )
    ticket: Annotated[str, Field(min_length=1)] = Field(description="Where it is being mended.", examples=["SHOP-123"])
    owner: Annotated[str, Field(min_length=1)] = Field(description="Who mends it.", examples=["ana"])
    expires: Day = Field(
        description="The first day, in UTC, on which it stops releases again.", examples=["2027-01-31"]
    )


@dataclass(frozen=True, slots=True)
class Results:
    """What a report says: each test's outcome by its plain name, and what went wrong outside any test."""

    tests: Mapping[str, Outcome]
    outside: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(name for name, outcome in self.tests.items() if outcome == "failed")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why a check stops the release (nothing: it does not), and every quarantined test with its outcome."""

    reasons: tuple[str, ...]
    quarantined: tuple[dict[str, str], ...]
    tests: int

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps beside the check's name, time and log."""
        return {"tests": self.tests, "quarantined": list(self.quarantined)}


def judge(quarantine: Sequence[Quarantined], results: Results, exit_code: int, today: date) -> Judgement:
    """Whether a check that ended with this code and left this report passes. `today` is a day in UTC.

    It passes when every failing test is in quarantine, none of their terms has ended, and nothing else went wrong. An
    exit code and a report that do not fit each other are something else that went wrong.
    """
    held = {plain(one.test): one for one in quarantine}
    reasons = [*_outside(results, exit_code), *_stopping(held, results, today)]
    told = tuple(_told(one, results.tests.get(name, "missing")) for name, one in held.items())
    return Judgement(tuple(reasons), told, len(results.tests))


def _outside(results: Results, exit_code: int) -> Iterator[str]:
    yield from results.outside
    if not results.tests:
        yield "the report lists no test"
    if exit_code not in (0, TESTS_FAILED):
        yield f"the command ended with exit code {exit_code}, which is more than failing tests ({TESTS_FAILED})"
    elif exit_code and results.tests and not results.failed:
        yield f"the command ended with exit code {exit_code}, and the report lists no failing test"


def _stopping(held: Mapping[str, Quarantined], results: Results, today: date) -> Iterator[str]:
    loose = [name for name in results.failed if name not in held]
    for name in loose[:_LISTED]:
        yield f"{name} failed{_meant(name, held, results)}"
    if len(loose) > _LISTED:
        yield f"{len(loose) - _LISTED} more tests failed"
    for name in results.failed:
        if name in held and held[name].expires <= today:
            one = held[name]
            yield f"{name} failed, and its quarantine ended on {one.expires} ({one.ticket}, {one.owner})"


def _meant(failed: str, held: Iterable[str], results: Results) -> str:
    """Perhaps a quarantine names it wrongly: one of a test that the report does not have."""
    near = nearest(failed, [name for name in held if name not in results.tests])
    return f"; is it the quarantined {near.split(chr(39))[1]!r}?" if near and near.startswith("did you mean") else ""


def _told(one: Quarantined, outcome: Outcome) -> dict[str, str]:
    return {
        "test": one.test, "ticket": one.ticket, "owner": one.owner, "expires": one.expires.isoformat(),
        "outcome": outcome,
    }  # fmt: skip


def results(xml: bytes) -> Results:
    """What a JUnit XML report says.

    Raises:
        ReportUnreadableError: it is no such report, or declares a document type: entities are not expanded.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(xml, True)  # noqa: FBT003 - expat's way to say that this is all
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ReportUnreadableError(f"the report is no JUnit XML: {error}") from None
    return Results(reader.tests, tuple(reader.outside))


def _refuse_doctype(*_declared: object) -> None:
    raise ReportUnreadableError("the report declares a document type, which is not read")


@dataclass
class _Reader:
    """Follows the elements. `open` has what each enclosing suite announces and what was found in it so far."""

    tests: dict[str, Outcome] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _suites: list["_Suite"] = field(default_factory=list)
    _test: str | None = None
    _outcome: Outcome = "passed"
    _of_a_class: bool = False

    def start(self, name: str, given: dict[str, str]) -> None:
        if not self._path and name not in ("testsuites", "testsuite"):
            raise ReportUnreadableError(f"the report is no JUnit XML: it begins with <{name}>")
        if name in ("testsuites", "testsuite"):
            self._suites.append(_Suite.of(given))
        elif name == "testcase":
            self._begin(given)
        elif name in ("failure", "error", "skipped"):
            self._tell(name, given)
        self._path.append(name)

    def end(self, name: str) -> None:
        self._path.pop()
        if name in ("testsuites", "testsuite"):
            self.outside += self._suites.pop().complaints()
        elif name == "testcase" and self._test is not None:
            before = self.tests.get(self._test, "missing")
            self.tests[self._test] = max(before, self._outcome, key=lambda one: _RANK[one])
            self._test = None

    def _begin(self, given: dict[str, str]) -> None:
        classname, name = given.get("classname", ""), given.get("name", "")
        self._test, self._outcome = f"{classname}.{name}" if classname else name, "passed"
        self._of_a_class = bool(classname)
        for suite in self._suites:
            suite.found += 1

    def _tell(self, kind: str, given: dict[str, str]) -> None:
        inside = self._path[-1] == "testcase"
        if kind == "skipped":
            self._outcome = "skipped" if self._outcome == "passed" else self._outcome
            return
        for suite in self._suites:
            suite.bad += 1
        self._outcome = "failed"
        if not inside or (kind == "error" and not self._of_a_class):  # as pytest tells a file that it cannot read
            self.outside.append(f"an error outside any test: {(given.get('message') or 'no message')[:200]}")


@dataclass
class _Suite:
    """How many tests a suite announces and how many of them are bad, and how many its elements tell."""

    tests: int
    failing: int
    found: int = 0
    bad: int = 0

    @classmethod
    def of(cls, given: dict[str, str]) -> "_Suite":
        numbers = [int(given.get(name) or 0) for name in ("tests", "failures", "errors")]
        return cls(numbers[0], numbers[1] + numbers[2])

    def complaints(self) -> Iterator[str]:
        if self.tests > self.found:
            yield f"the report announces {self.tests} tests and lists {self.found}"
        if self.failing > self.bad:
            yield f"the report announces {self.failing} failing tests and lists {self.bad}"
