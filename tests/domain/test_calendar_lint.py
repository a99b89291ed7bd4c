"""What is valid and hardly meant is found, each with its line; what is meant is left alone."""

from datetime import UTC, datetime

import pytest

from stationmaster.domain.calendar import Calendar
from stationmaster.domain.calendar_lint import lint
from stationmaster.domain.documents import read

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
GOOD = """\
timezone: Europe/Berlin
default: closed
cutoff: 30m
windows:
  - {name: nights, rrule: "FREQ=DAILY", start: "22:00", end: "02:00"}
blackouts:
  - {name: month end, rrule: "FREQ=MONTHLY;BYMONTHDAY=-1", all_day: true}
  - {name: holidays, holidays: DE-BY}
"""


def found(text: str) -> list[str]:
    return [f"{one.line}: {one.message}; {one.hint}" for one in lint(read(Calendar, text, "c.yaml"), AT)]


def test_what_is_meant_is_left_alone() -> None:
    assert found(GOOD) == []
    assert found("timezone: UTC\ndefault: open\nblackouts:\n  - {name: holidays, holidays: DE}\n") == []


def test_a_cutoff_of_so_many_seconds_was_rather_meant_in_minutes() -> None:
    assert found(GOOD.replace("30m", "30")) == ["3: cutoff: 30 is 30 seconds; write 30m if you mean minutes"]
    assert found(GOOD.replace("30m", "30s")) == found(GOOD.replace("30m", "60")) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('{name: x, rrule: "FREQ=DAILY", start: "02:00", end: "03:00"}', "is empty on 2027-03-28"),
        ('{name: x, rrule: "FREQ=DAILY", start: "12:00", end: "12:30"}', "is no longer than the cutoff"),
        ("{name: x, from: 2025-01-01T00:00, to: 2025-02-01T00:00}", "is never in force in the next 400 days"),
        ("{name: x, from: 2027-03-28T02:00, to: 2027-03-28T03:00}", "is never in force"),
        ('{name: x, rrule: "FREQ=DAILY;UNTIL=20250101", all_day: true}', "is never in force"),
        ('{name: x, rrule: "FREQ=WEEKLY;BYDAY=SA", all_day: true, expires: 2026-11-23}', "expired on 2026-11-23"),
        ('{name: x, rrule: "FREQ=DAILY;INTERVAL=1", start: "22:00", end: "02:00"}', "says the same as 'nights'"),
        ('{name: x, rrule: "FREQ=DAILY", all_day: true, applies_to: [migration]}', "opens nothing for migration"),
        ('{name: x, rrule: "FREQ=DAILY;UNTIL=20270101T000000Z", all_day: true}', "may end on either of two days"),
    ],
)  # fmt: skip
def test_a_window_that_is_hardly_meant(rule: str, said: str) -> None:
    (only,) = found(GOOD.replace("blackouts:", f"  - {rule}\nblackouts:"))
    assert only.startswith("6: window 'x'")
    assert said in only


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "{name: x, holidays: LK}",
            "7: blackout 'x' is not known from 2027-01-01 on: the public holidays of LK are known",
        ),
        ("{name: x, holidays: US}", "7: blackout 'x' counts days of US in Europe/Berlin; is it DE"),
        (
            "{name: x, business_days: {from: -1, to: 1, country: US}}",
            "7: blackout 'x' counts days of US in Europe/Berlin; is it DE",
        ),
        (
            '{name: x, rrule: "FREQ=DAILY", all_day: true}',
            "4: closed for deploy in the next 400 days: blackouts cover every window; shorten the blackouts",
        ),
        ("{name: x, from: 2026-01-01T00:00, to: 2030-01-01T00:00}", "7: blackout 'x' covers all of the next 400 days"),
    ],
)
def test_a_blackout_that_is_hardly_meant(rule: str, said: str) -> None:
    assert any(one.startswith(said) for one in found(GOOD.replace("blackouts:", f"blackouts:\n  - {rule}")))


def test_a_calendar_that_is_closed_for_ever() -> None:
    assert found("timezone: UTC\ndefault: closed\napplies_to: [deploy]\n") == [
        "2: closed for ever for deploy: it has no window; add `windows`"
    ]


def test_what_is_found_comes_in_the_order_of_the_lines() -> None:
    text = GOOD.replace("blackouts:", "blackouts:\n  - {name: x, holidays: US}\n  - {name: y, holidays: FR}")
    assert [line.split(":")[0] for line in found(text)] == ["7", "8"]
