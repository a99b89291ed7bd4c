"""`plan --ics`: the waves as a file for other calendars."""

from pathlib import Path

import icalendar
import pytest

from tests.cli.conftest import Desk

CALENDAR = "timezone: UTC\nwindows:\n  - {name: night, rrule: FREQ=DAILY, start: '22:00', end: '02:00'}\n"


@pytest.fixture
def asked(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "nights.yaml").write_text(CALENDAR)
    (tmp_path / "tenants.yaml").write_text(
        "tenants:\n"
        "  - {id: a, name: A, ring: pilot, calendar: nights.yaml}\n"
        "  - {id: b, name: B, ring: general, calendar: nights.yaml}\n"
    )
    return ("plan", "--tenants", str(tmp_path / "tenants.yaml"), "--from", "2026-11-24T12:00:00Z", "--ics")


def summaries(content: str) -> list[tuple[str, str]]:
    events = icalendar.Calendar.from_ical(content).walk("VEVENT")
    return [(str(event["SUMMARY"]), f"{event.get('DTSTART').dt:%Y%m%dT%H%M%SZ}") for event in events]


WAVES = [("pilot, wave 1", "20261124T220000Z"), ("general, wave 2", "20261124T224500Z")]


def test_the_file_says_what_the_answer_says(desk: Desk, asked: tuple[str, ...], tmp_path: Path) -> None:
    target = tmp_path / "plan.ics"
    made = desk.run(*asked, str(target), "--json")
    assert (made.code, len(made.json["waves"])) == (0, 2)
    assert summaries(target.read_bytes().decode()) == WAVES
    assert made.json["digest"].removeprefix("sha256:") in target.read_text().replace("\n ", "")


def test_standard_output_takes_the_place_of_the_answer(desk: Desk, asked: tuple[str, ...]) -> None:
    made = desk.run(*asked, "-")
    assert (made.code, summaries(made.out)) == (0, WAVES)
    desk.run(*asked, "-", "--json").refused(2, "input", "both want standard output")
    desk.run(*asked[:-1], "--json", "--ics", "--days").refused(2, "input", "--days is an option")


def test_a_file_that_cannot_be_written(desk: Desk, asked: tuple[str, ...], tmp_path: Path) -> None:
    desk.run(*asked, str(tmp_path / "gone" / "p.ics"), "--json").refused(3, "unwritable_plan", "No such file")
