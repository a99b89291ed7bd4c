"""Quarantine: which failing tests stop a release, on which day, and what a report must be to be believed."""

import contextlib
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.product import Check
from stationmaster.domain.quarantine import Outcome, Quarantined, ReportUnreadableError, Results, judge, plain, results

DAY = date(2026, 11, 23)
LATER = DAY + timedelta(days=30)


def held(test: str, expires: date = LATER) -> Quarantined:
    return Quarantined(test=test, ticket="SHOP-1", owner="ana", expires=expires)


def told(**outcomes: Outcome) -> Results:
    return Results({f"t.{name}": outcome for name, outcome in outcomes.items()})


def suite(*cases: str, tests: int | None = None, bad: int | None = None) -> bytes:
    """As pytest writes it."""
    bad = sum("<failure" in case or "<error" in case for case in cases) if bad is None else bad
    counts = f'tests="{len(cases) if tests is None else tests}" failures="{bad}" errors="0"'
    return f'<?xml version="1.0"?><testsuites><testsuite {counts}>{"".join(cases)}</testsuite></testsuites>'.encode()


def case(name: str, inside: str = "", classname: str = "tests.test_orders") -> str:
    return f'<testcase classname="{classname}" name="{name}" time="0.1">{inside}</testcase>'


FAILURE = '<failure message="assert 1 == 2">traceback</failure>'


@pytest.mark.parametrize(
    ("outcomes", "code", "stops"),
    [
        ({"a": "passed", "held": "passed"}, 0, ()),
        ({"a": "passed", "held": "failed"}, 1, ()),
        ({"a": "skipped", "held": "failed"}, 1, ()),
        ({"a": "passed"}, 0, ()),  # the quarantined test is gone
        ({"a": "failed", "held": "failed"}, 1, ("t.a failed",)),
        ({"a": "failed"}, 0, ("t.a failed",)),  # `… || true`
        ({"a": "passed", "held": "passed"}, 1, ("exit code 1, and the report lists no failing test",)),
        ({"a": "passed", "held": "failed"}, 2, ("exit code 2, which is more than failing tests",)),
        ({"held": "failed"}, 139, ("exit code 139",)),
        ({}, 0, ("lists no test",)),
        ({}, 1, ("lists no test",)),
    ],
)
def test_what_stops_a_release(outcomes: dict[str, Outcome], code: int, stops: tuple[str, ...]) -> None:
    reasons = judge([held("t.held")], told(**outcomes), code, DAY).reasons
    assert len(reasons) == len(stops)
    for reason, words in zip(reasons, stops, strict=True):
        assert words in reason


@pytest.mark.parametrize(
    ("expires", "stops"), [(DAY + timedelta(days=1), False), (DAY, True), (date(2020, 1, 1), True)]
)
def test_a_term_ends_at_the_first_instant_of_its_day(expires: date, stops: bool) -> None:  # noqa: FBT001 - a table
    reasons = judge([held("t.a", expires)], told(a="failed"), 1, DAY).reasons
    ended = f"t.a failed, and its quarantine ended on {expires} (SHOP-1, ana)"
    assert reasons == ((ended,) if stops else ())


def test_one_whose_term_ended_stops_nothing_as_long_as_it_passes() -> None:
    assert judge([held("t.a", date(2020, 1, 1))], told(a="passed"), 0, DAY).reasons == ()


def test_each_quarantined_test_is_told_with_its_outcome() -> None:
    quarantine = [held(f"t.{name}") for name in ("a", "b", "c", "d")]
    judgement = judge(quarantine, told(a="passed", b="failed", c="skipped"), 1, DAY)
    assert [one["outcome"] for one in judgement.quarantined] == ["passed", "failed", "skipped", "missing"]
    assert judgement.fact()["tests"] == 3
    assert judgement.fact()["quarantined"][1] == {
        "test": "t.b", "ticket": "SHOP-1", "owner": "ana", "expires": "2026-12-23", "outcome": "failed",
    }  # fmt: skip


def test_many_failing_tests_are_counted_and_a_name_written_wrongly_is_found() -> None:
    many = Results({f"t.case{number}": "failed" for number in range(9)})
    assert judge([], many, 1, DAY).reasons[-1] == "4 more tests failed"
    (reason,) = judge([held("t.test_totl")], told(test_total="failed"), 1, DAY).reasons
    assert reason == "t.test_total failed; is it the quarantined 't.test_totl'?"


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["passed", "failed", "skipped"])), st.data())
def test_it_passes_only_if_each_failing_test_is_held_for_longer(outcomes: dict[str, Any], data: st.DataObject) -> None:
    terms = data.draw(st.dictionaries(st.sampled_from("abcdef"), st.integers(-3, 3)))
    quarantine = [held(f"t.{name}", DAY + timedelta(days=days)) for name, days in terms.items()]
    failed = [name for name, outcome in outcomes.items() if outcome == "failed"]
    passes = not judge(quarantine, told(**outcomes), 1 if failed else 0, DAY).reasons
    assert passes == (bool(outcomes) and all(terms.get(name, 0) > 0 for name in failed))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tests/test_orders.py::test_total", "tests.test_orders.test_total"),
        ("tests/a/test_b.py::TestC::test_d[x/y.py::z]", "tests.a.test_b.TestC.test_d[x/y.py::z]"),
        ("tests.test_orders.TestTotals.test_sum", "tests.test_orders.TestTotals.test_sum"),
        ("t.test[a.py::b]", "t.test[a.py::b]"),
    ],
)
def test_a_test_may_be_named_as_pytest_prints_it(written: str, meant: str) -> None:
    assert plain(written) == meant
    assert plain(meant) == meant


def test_a_report_of_pytest_is_read() -> None:
    skipped, broken = '<skipped type="pytest.skip" message="later"/>', '<error message="fixture failed"/>'
    found = results(suite(case("a"), case("b", FAILURE), case("c", skipped), case("d", broken), case("e[x y]")))
    assert found.outside == ()
    assert {name.rpartition(".")[2]: outcome for name, outcome in found.tests.items()} == {
        "a": "passed", "b": "failed", "c": "skipped", "d": "failed", "e[x y]": "passed",
    }  # fmt: skip
    assert found.failed == ("tests.test_orders.b", "tests.test_orders.d")


def test_a_suite_alone_and_suites_in_suites_are_reports_too() -> None:
    inner = suite(case("a", FAILURE)).decode().removeprefix('<?xml version="1.0"?><testsuites>')
    inner = inner.removesuffix("</testsuites>")
    assert results(inner.encode()).failed == ("tests.test_orders.a",)
    counts = 'tests="1" failures="1"'
    outer = f'<testsuites {counts}><testsuite name="all" {counts}>{inner}</testsuite></testsuites>'
    assert results(outer.encode()) == results(inner.encode())


@pytest.mark.parametrize("order", [("", FAILURE), (FAILURE, ""), (FAILURE, "<skipped/>")])
def test_a_test_that_is_listed_twice_failed_if_it_ever_did(order: tuple[str, str]) -> None:
    assert results(suite(*(case("a", inside) for inside in order))).failed == ("tests.test_orders.a",)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (suite(case("tests.test_broken", '<error message="collection failure"/>', classname="")), "collection failure"),
        (suite('<error message="the suite broke"/>', case("a")), "the suite broke"),
        (suite('<failure message="set-up failed"/>', case("a")), "set-up failed"),
        (suite(case("a"), tests=4), "announces 4 tests and lists 1"),
        (suite(case("a"), bad=2), "announces 2 failing tests and lists 0"),
    ],
)
def test_what_went_wrong_outside_the_tests_is_covered_by_no_quarantine(report: bytes, said: str) -> None:
    found = results(report)
    assert said in found.outside[0]
    assert said in judge([held(name) for name in found.tests], found, 1, DAY).reasons[0]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><testsuites>&b;</testsuites>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuites>&a;</testsuites>'


@pytest.mark.parametrize(
    "text",
    [BOMB, OUTSIDE, "<!DOCTYPE html><testsuites/>", "", "no xml", "<html></html>", "<testsuites>", "<testsuites/><x/>",
     '<testsuite tests="many"/>', '<?xml version="1.0" encoding="klingon"?><testsuites/>'],
)  # fmt: skip
def test_what_is_no_report_or_wants_something_expanded_is_refused(text: str) -> None:
    with pytest.raises(ReportUnreadableError):
        results(text.encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<testsuite>{text}</testsuite>".encode()))
def test_nothing_that_a_guest_may_leave_breaks_the_reader(xml: bytes) -> None:
    with contextlib.suppress(ReportUnreadableError):
        assert isinstance(results(xml), Results)


GOOD = "name: unit\ncommand: [pytest]\nreport: report.xml\nquarantine:\n"
ENTRY = "  - {test: t.a, ticket: SHOP-1, owner: ana, expires: 2026-12-23}\n"


def test_a_check_lists_them_with_a_day() -> None:
    check = read(Check, GOOD + ENTRY, "stationmaster.yaml").value
    assert check.quarantine == (held("t.a"),)
    assert read(Check, GOOD + ENTRY.replace("2026-12-23", '"2026-12-23"'), "x").value == check


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("report: report.xml\n", "") + ENTRY, "`quarantine` needs `report`"),
        (GOOD + ENTRY + ENTRY.replace("t.a", "t.py::a").replace("t.py::a", "t.a"), "'t.a' is quarantined twice"),
        (GOOD + ENTRY + ENTRY.replace("t.a", '"t.py::a"'), "'t.a' is quarantined twice"),
        (GOOD.replace("[pytest]", "[pytest, --maxfail=1]") + ENTRY, "take --maxfail out of `command`"),
        (GOOD.replace("report.xml", "../report.xml") + ENTRY, "must lie in the export"),
        (GOOD.replace("report.xml", "/etc/report.xml") + ENTRY, "must lie in the export"),
        (GOOD + ENTRY.replace("2026-12-23", "20261223"), "20261223 is no date; write it as 2026-12-14"),
        (GOOD + ENTRY.replace("2026-12-23", '"20261223"'), "is no date; write it as 2026-12-14"),
        (GOOD + ENTRY.replace("2026-12-23", "soon"), "expires"),
        (GOOD + ENTRY.replace("owner: ana, ", ""), "missing key 'owner'"),
        (GOOD + ENTRY.replace("owner", "onwer"), "did you mean 'owner'?"),
        (GOOD + ENTRY.replace("SHOP-1", '""'), "ticket"),
    ],
)
def test_one_that_cannot_be_judged_is_refused(text: str, said: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read(Check, text, "stationmaster.yaml")
    assert said in str(refused.value)
