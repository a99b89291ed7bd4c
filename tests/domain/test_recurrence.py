"""Which days a rule recurs on: against dateutil, against libical's cases, and what is refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from heapq import merge
from itertools import groupby, islice, takewhile
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stationmaster.domain import recurrence
from stationmaster.domain.recurrence import Recurrence, ambiguous, days, ending, must_begin, parse
from stationmaster.domain.rule_parts import WEEKDAYS

LIBICAL = Path(__file__).with_name("libical_recurrences.txt").read_text(encoding="utf-8")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def of(text: str, begin: str, first: str, last: str) -> list[str]:
    anchor = date.fromisoformat(begin) if begin else None
    rule = parse(text)
    must_begin(rule, anchor)
    return [day.isoformat() for day in days(rule, anchor, date.fromisoformat(first), date.fromisoformat(last))]


# What libical says


def cases() -> Iterator[Any]:
    for number, block in enumerate(LIBICAL.partition("\n\n")[2].split("\n\n")):
        case = dict(line.split(": ", 1) for line in block.strip().splitlines())
        yield pytest.param(case, id=f"{number}:{case['rule'][:60]}")


def expected(text: str) -> list[date]:
    found = []
    for run in text.split():
        first, _, last = run.partition("..")
        day, end = date.fromisoformat(first), date.fromisoformat(last or first)
        found += [day + timedelta(days=n) for n in range((end - day).days + 1)]
    return found


@pytest.mark.parametrize("case", [case for case in cases() if "days" in case.values[0]])
def test_the_cases_of_libical_are_equal(case: dict[str, str]) -> None:
    begins = datetime.fromisoformat(case["dtstart"])
    rule = ending(parse(case["rule"]), begins.time(), ZoneInfo("UTC"))
    must_begin(rule, begins.date())
    wanted = expected(case["days"])
    end = date(2100, 1, 1)
    assert rule.count or rule.until
    assert days(rule, begins.date(), begins.date(), end) == wanted
    later = datetime.fromisoformat(case.get("after", case["dtstart"])).date()
    assert days(rule, begins.date(), later, end) == [day for day in wanted if day >= later]


@pytest.mark.parametrize("case", [case for case in cases() if "refused" in case.values[0]])
def test_the_cases_of_libical_outside_the_subset_are_refused(case: dict[str, str]) -> None:
    begins = datetime.fromisoformat(case["dtstart"])
    with pytest.raises(ValueError, match=r"^" + case["refused"]):
        must_begin(parse(case["rule"]), begins.date())


def test_every_case_of_libical_is_one_or_the_other() -> None:
    kinds = [("days" in case.values[0], "refused" in case.values[0]) for case in cases()]
    assert (kinds.count((True, False)), kinds.count((False, True)), len(kinds)) == (65, 79, 144)


def refused(ask: Callable[[], object]) -> str:
    """What a ValueError says; nothing when there is none."""
    try:
        ask()
    except ValueError as wrong:
        return str(wrong)
    return ""


# What dateutil says

DATES = st.dates(date(1995, 1, 1), date(2045, 1, 1))
MONTH_DAYS = st.integers(-31, 31).filter(bool)
FREQUENCIES: dict[str, Literal[0, 1, 2, 3]] = {
    "DAILY": rrule.DAILY,
    "WEEKLY": rrule.WEEKLY,
    "MONTHLY": rrule.MONTHLY,
    "YEARLY": rrule.YEARLY,
}


def some(numbers: st.SearchStrategy[int], most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(numbers, min_size=1, max_size=most, unique=True).map(lambda found: tuple(sorted(found)))


@st.composite
def rules(draw: st.DrawFn) -> Recurrence:
    frequency = draw(st.sampled_from(list(FREQUENCIES)))
    months = draw(st.just(()) | some(st.integers(1, 12), 6))
    of_months = frequency == "MONTHLY" or bool(frequency == "YEARLY" and months)
    ordinals = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, -1, -2, -5] if of_months else [0])
    day = st.tuples(ordinals, st.sampled_from(WEEKDAYS))
    weekdays = draw(st.just(()) | st.lists(day, min_size=1, max_size=5, unique=True).map(tuple))
    month_days = draw(st.just(()) | some(MONTH_DAYS, 8)) if of_months or frequency == "DAILY" else ()
    picks = frequency == "MONTHLY" and (weekdays or month_days) and draw(st.booleans())
    end = draw(st.sampled_from(["", "COUNT", "UNTIL"]))
    return Recurrence(
        frequency,
        draw(st.just(1) | st.integers(1, 14)),
        draw(st.integers(1, 40)) if end == "COUNT" else None,
        draw(DATES) if end == "UNTIL" else None,
        months,
        month_days,
        tuple(sorted(weekdays, key=lambda one: (one[0], WEEKDAYS.index(one[1])))),
        draw(some(st.integers(-8, 8).filter(bool), 3)) if picks else (),
        draw(st.sampled_from(WEEKDAYS)),
    )


UNTIL = date(2060, 1, 1)  # as far as the oracle is asked


def oracle(rule: Recurrence, begin: date) -> Iterator[date]:
    """dateutil's days. It takes plain and numbered weekdays of one BYDAY for both at once, where RFC 5545 means either:
    it is asked for each kind alone.
    """
    kinds = [kind for kind in (plain(rule), numbered(rule)) if kind] or [list[tuple[int, str]]()]
    found = merge(*(_oracle(rule, begin, kind) for kind in kinds))
    return islice((day for day, _ in groupby(found)), rule.count)


def _oracle(rule: Recurrence, begin: date, kind: list[tuple[int, str]]) -> Iterator[date]:
    found = rrule.rrule(
        FREQUENCIES[rule.frequency],
        dtstart=datetime.combine(begin, time()),
        until=datetime.combine(rule.until or UNTIL, time()),
        interval=rule.interval,
        wkst=WEEKDAYS.index(rule.week_start),
        bymonth=rule.months or None,
        bymonthday=rule.month_days or None,
        byweekday=[rrule.weekday(WEEKDAYS.index(day), ordinal or None) for ordinal, day in kind] or None,
        bysetpos=rule.positions or None,
    )
    return (at.date() for at in found)


def plain(rule: Recurrence) -> list[tuple[int, str]]:
    return [day for day in rule.days if not day[0]]


def numbered(rule: Recurrence) -> list[tuple[int, str]]:
    return [day for day in rule.days if day[0]]


def between(first: date, last: date, found: Iterator[date]) -> list[date]:
    return [day for day in takewhile(lambda day: day <= last, found) if day >= first]


def compare(rule: Recurrence, near: date, later: int) -> None:
    """From the first day that dateutil finds, on which the rule then begins, and any later question."""
    assume(not (rule.positions and plain(rule) and numbered(rule)))
    begin = next(oracle(rule, near), None)
    if begin is None:
        with pytest.raises(ValueError, match="is not a day of"):
            must_begin(rule, near)
        return
    if begin != near:
        with pytest.raises(ValueError, match="is not a day of"):
            must_begin(rule, near)
    must_begin(rule, begin)
    first = begin + timedelta(days=later)
    last = first + timedelta(days=400)
    assume(last <= UNTIL)
    assert days(rule, begin, first, last) == between(first, last, oracle(rule, begin))


@settings(max_examples=60)
@given(rules(), DATES, st.integers(-500, 1500))
def test_the_days_are_those_of_dateutil(rule: Recurrence, near: date, later: int) -> None:
    compare(rule, near, later)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=2500)
@given(rules(), DATES, st.integers(-500, 4000))
def test_many_rules_have_the_days_of_dateutil(rule: Recurrence, near: date, later: int) -> None:
    compare(rule, near, later)


@settings(max_examples=100)
@given(rules().map(lambda rule: replace(rule, interval=1, count=None)), DATES)
def test_without_a_first_day_the_rule_has_always_been(rule: Recurrence, first: date) -> None:
    last = first + timedelta(days=400)
    assume(not (rule.positions and plain(rule) and numbered(rule)))
    refusal = refused(lambda: must_begin(rule, None))
    assume("`dtstart`" not in refusal)
    always = replace(rule, until=min(rule.until or last, last))
    wanted = list(oracle(always, first))
    assert wanted == [] if refusal.endswith("is never: no month has such a day") else refusal == ""
    assert days(rule, None, first, last) == wanted


@given(rules())
def test_a_rule_is_written_so_that_it_reads_the_same(rule: Recurrence) -> None:
    again = parse(str(rule))
    assert str(again) == str(rule)
    assert again == replace(rule, week_start=again.week_start)
    counts_weeks = rule.frequency == "WEEKLY" and rule.interval > 1
    assert again.week_start == (rule.week_start if counts_weeks else "MO")


# What people mean


@pytest.mark.parametrize(
    ("text", "begin", "first", "last", "found"),
    [
        ("FREQ=MONTHLY;BYMONTHDAY=30", "", "2027-01-01", "2027-03-31", ["2027-01-30", "2027-03-30"]),
        ("FREQ=MONTHLY", "2027-01-31", "2027-01-01", "2027-05-31", ["2027-01-31", "2027-03-31", "2027-05-31"]),
        ("FREQ=YEARLY", "2024-02-29", "2024-01-01", "2032-12-31", ["2024-02-29", "2028-02-29", "2032-02-29"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", "", "2027-01-01", "2028-12-31", ["2027-02-28", "2028-02-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1,1", "", "2026-12-31", "2027-01-01", ["2026-12-31", "2027-01-01"]),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "", "2026-01-01", "2027-12-31", ["2026-11-26", "2027-11-25"]),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "", "2026-01-01", "2026-12-31",
         ["2026-02-13", "2026-03-13", "2026-11-13"]),
        ("FREQ=MONTHLY;BYDAY=TU,1MO", "", "2026-12-01", "2026-12-10", ["2026-12-01", "2026-12-07", "2026-12-08"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "", "2026-10-31", "2026-11-30", ["2026-11-30"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", "2026-12-27", "2027-01-01", "2027-01-31", ["2027-01-10", "2027-01-24"]),
        ("FREQ=DAILY;COUNT=3", "2026-12-31", "2027-01-02", "2027-12-31", ["2027-01-02"]),
        ("FREQ=DAILY;UNTIL=20270102", "", "2027-01-01", "2027-12-31", ["2027-01-01", "2027-01-02"]),
        ("FREQ=DAILY", "2027-01-02", "2027-01-01", "2027-01-03", ["2027-01-02", "2027-01-03"]),
        ("freq=weekly;byday=mo;", "", "2027-01-01", "2027-01-07", ["2027-01-04"]),
        ("FREQ=DAILY", "", "2027-01-02", "2027-01-01", []),
        ("FREQ=DAILY", "", "9999-12-30", "9999-12-31", ["9999-12-30", "9999-12-31"]),
    ],
)  # fmt: skip
def test_which_days(text: str, begin: str, first: str, last: str, found: list[str]) -> None:
    assert of(text, begin, first, last) == found


def test_what_began_long_ago_is_not_expanded_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    named = recurrence._named

    def counted(rule: Recurrence, found: recurrence.Days) -> recurrence.Mask:
        sizes.append(len(found))
        return named(rule, found)

    monkeypatch.setattr(recurrence, "_named", counted)
    assert of("FREQ=DAILY;INTERVAL=3", "1900-01-01", "2027-01-01", "2027-01-05") == ["2027-01-01", "2027-01-04"]
    assert sizes == [31, 31]  # the month it is in and, for `must_begin`, the month it began in


# UNTIL with a time


@pytest.mark.parametrize(
    ("until", "start", "zone", "last"),
    [
        ("20261231", time(23), BERLIN, date(2026, 12, 31)),
        ("20261231T215959", time(22), BERLIN, date(2026, 12, 30)),
        ("20261231T220000", time(22), BERLIN, date(2026, 12, 31)),
        ("20261231T210000Z", time(22), BERLIN, date(2026, 12, 31)),  # 22:00 in Berlin
        ("20261231T205959Z", time(22), BERLIN, date(2026, 12, 30)),
        ("20261231T233000Z", time(0, 30), BERLIN, date(2027, 1, 1)),  # already the next year there
        ("20270101T030000Z", time(22), NEW_YORK, date(2026, 12, 31)),  # still the old one there
        ("20270328T013000Z", time(2, 30), BERLIN, date(2027, 3, 28)),  # 02:30 does not exist: it begins at 01:00Z
        ("20270328T005959Z", time(2, 30), BERLIN, date(2027, 3, 27)),
    ],
)
def test_until_ends_with_the_last_that_begins_in_time(until: str, start: time, zone: ZoneInfo, last: date) -> None:
    rule = ending(parse(f"FREQ=DAILY;UNTIL={until}"), start, zone)
    assert rule.until == last
    assert days(rule, None, last, last + timedelta(days=3)) == [last]


@pytest.mark.parametrize("until", ["20261231T000000", "20261231T000000Z", "20261231T235959Z"])
def test_until_with_a_time_is_its_written_day_where_no_zone_is_said(until: str) -> None:
    assert days(parse(f"FREQ=DAILY;UNTIL={until}"), None, date(2026, 12, 31), date(2027, 2, 1)) == [date(2026, 12, 31)]


def test_until_with_a_time_is_ambiguous_and_a_day_is_not() -> None:
    assert ambiguous(parse("FREQ=DAILY")) is None
    assert ambiguous(parse("FREQ=DAILY;UNTIL=20261231")) is None
    assert ambiguous(parse("FREQ=DAILY;UNTIL=20261231T220000Z")) == (
        "UNTIL=20261231T220000Z is in UTC, so that the last day depends on the zone; "
        "write the last day alone, as UNTIL=20261231"
    )
    assert "is compared with the start" in (ambiguous(parse("FREQ=DAILY;UNTIL=20261231T220000")) or "")


# What is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a recurrence rule has no part ''"),
        ("BYDAY=MO", "a recurrence rule needs FREQ"),
        ("FREQ=WEEKLEY", "FREQ=WEEKLEY is not read; did you mean 'WEEKLY'?"),
        ("FREQ=HOURLY", "FREQ=HOURLY is not read: `start` and `end` say the time"),
        ("FREQ=DAILY;BYHOUR=9", "BYHOUR is not read: `start` and `end` say the time"),
        ("FREQ=DAILY;BYSECOND=9", "BYSECOND is not read: `start` and `end` say the time"),
        ("FREQ=YEARLY;BYWEEKNO=9", "BYWEEKNO is not read"),
        ("FREQ=YEARLY;BYYEARDAY=9", "BYYEARDAY is not read: write BYMONTH with BYMONTHDAY"),
        ("FREQ=WEEKLY;BYDAYS=MO", "a recurrence rule has no part 'BYDAYS'; did you mean 'BYDAY'?"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is not within 1 to 999"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL=1,2 must be one number"),
        ("FREQ=DAILY;COUNT=", "COUNT= is not within 1 to 9999"),
        ("FREQ=DAILY;COUNT=٣", "COUNT=٣ is not within"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "COUNT and UNTIL both end the rule; give one"),
        ("FREQ=DAILY;UNTIL=2027-01-01", "UNTIL=2027-01-01 is no day; write it as UNTIL=20261231"),
        ("FREQ=DAILY;UNTIL=20270230", "UNTIL=20270230: day is out of range for month"),
        ("FREQ=DAILY;UNTIL=00010101", "UNTIL=00010101 is not within 1900 to 2999"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13 is not within 1 to 12"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0 is not within -31 to 31"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY needs FREQ=MONTHLY"),
        ("FREQ=YEARLY;BYMONTHDAY=1", "BYMONTHDAY with FREQ=YEARLY needs BYMONTH"),
        ("FREQ=WEEKLY;BYDAY=MON", "BYDAY=MON: 'MON' is no day"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY=6MO: no month has a 6MO"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY with a number, as 1TU, needs FREQ=MONTHLY"),
        ("FREQ=YEARLY;BYDAY=1MO", "BYDAY with a number, as 1TU, needs FREQ=MONTHLY, or FREQ=YEARLY with BYMONTH"),
        ("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1", "BYSETPOS needs FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS picks from BYDAY or BYMONTHDAY; give one"),
        ("FREQ=WEEKLY;WKST=XX", "WKST=XX is not read"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_with_the_part(text: str, said: str) -> None:
    assert refused(lambda: parse(text)).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FREQ=DAILY;INTERVAL=2", "INTERVAL=2 counts from a first day; add `dtstart`"),
        ("FREQ=DAILY;COUNT=2", "COUNT=2 counts from a first day; add `dtstart`"),
        ("FREQ=WEEKLY", "FREQ=WEEKLY needs BYDAY, as BYDAY=TU, or `dtstart`"),
        ("FREQ=MONTHLY", "FREQ=MONTHLY needs BYMONTHDAY or BYDAY, or `dtstart`"),
        ("FREQ=YEARLY", "FREQ=YEARLY needs BYMONTH, or `dtstart`"),
        ("FREQ=YEARLY;BYDAY=TU", "FREQ=YEARLY needs BYMONTH, or `dtstart`"),
        ("FREQ=YEARLY;BYMONTH=3", "FREQ=YEARLY needs BYMONTHDAY or BYDAY, or `dtstart`"),
    ],
)
def test_a_rule_that_counts_or_leans_on_a_first_day_needs_one(text: str, said: str) -> None:
    rule = parse(text)
    assert refused(lambda: must_begin(rule, None)) == said
    assert refused(lambda: days(rule, None, date(2027, 1, 1), date(2027, 1, 2))) == said


def test_a_first_day_that_its_own_rule_does_not_generate_is_refused() -> None:
    with pytest.raises(ValueError, match="`dtstart` 2026-11-24 is not a day of FREQ=WEEKLY;BYDAY=MO; begin on one"):
        must_begin(parse("FREQ=WEEKLY;BYDAY=MO"), date(2026, 11, 24))
    with pytest.raises(ValueError, match="is not a day of"):
        must_begin(parse("FREQ=DAILY;UNTIL=20261123"), date(2026, 11, 24))


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=2",
    ],
)
def test_a_rule_that_is_never_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text} is never: no month has such a day"):
        must_begin(parse(text), None)


def test_a_leap_day_on_a_monday_is_not_never() -> None:
    must_begin(parse("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO"), None)
    must_begin(parse("FREQ=DAILY;UNTIL=19991231"), None)  # over, but it was


PIECES = st.sampled_from(
    ["FREQ=", "DAILY", "WEEKLY", "MONTHLY", "YEARLY", ";", ",", "=", "COUNT=", "UNTIL=", "20261231", "T220000", "Z",
     "BYDAY=", "MO", "1TU", "-1FR", "BYMONTH=", "2", "BYMONTHDAY=", "29", "-31", "BYSETPOS=", "WKST=", "INTERVAL=", " "]
)  # fmt: skip


@settings(max_examples=300)
@given(st.text(max_size=40) | st.lists(PIECES, max_size=16).map("".join), st.none() | st.dates())
def test_any_text_is_a_rule_or_refused(text: str, begin: date | None) -> None:
    def ask() -> None:
        rule = parse(text)
        must_begin(rule, begin)
        days(ending(rule, time(2, 30), NEW_YORK), begin, date(2026, 1, 1), date(2027, 2, 5))

    assert len(refused(ask)) < 400  # and nothing else is raised
