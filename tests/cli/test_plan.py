"""`plan`: a what-if from files alone, as it is typed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Answered, Desk

FROM = "2026-11-24T12:00:00Z"  # a Tuesday
BERLIN = """\
timezone: Europe/Berlin
windows:
  - {name: weeknight, rrule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", start: "22:00", end: "02:00"}
"""
PRODUCT = """\
product: shop
build: {command: [make], output: dist/shop}
service: {command: [run]}
rings:
  - {name: general, soak: 1d}
  - {name: pilot}
journeys:
  - {name: log-in, steps: [{name: a, path: /}]}
hard_limits: {availability: {max_bad: 0.1, min_count: 1}}
approvals: {deploy: {approver: 1}}
"""


@dataclass
class Files:
    """A folder with a tenant directory, and calendars beside it."""

    desk: Desk
    folder: Path

    def tenants(self, *rows: str) -> None:
        self.write("tenants.yaml", "tenants:\n" + "".join(f"  - {{name: Somebody, {row}}}\n" for row in rows))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def plan(self, *more: str, days: int = 14, since: str = FROM) -> Answered:
        tokens = ("plan", "--tenants", str(self.folder / "tenants.yaml"), "--from", since, "--days", str(days))
        return self.desk.run(*tokens, *more, "--json")


@pytest.fixture
def files(desk: Desk, tmp_path: Path) -> Files:
    made = Files(desk, tmp_path / "plan")
    made.write("berlin.yaml", BERLIN)
    return made


def waves(answered: Answered) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(one["ring"], one["start"], one["end"], tuple(one["tenants"])) for one in answered.json["waves"]]


def rules(answered: Answered) -> dict[str, list[str]]:
    return {one["tenant"]: one["rules"] for one in answered.json["unplaced"]}


def test_each_tenant_is_in_a_wave_within_its_window_rings_in_order(files: Files) -> None:
    files.write("tokyo.yaml", BERLIN.replace("Europe/Berlin", "Asia/Tokyo"))
    files.tenants(
        "id: b, ring: pilot, calendar: berlin.yaml",
        "id: t, ring: zeta, calendar: tokyo.yaml",
        "id: a, ring: pilot, calendar: berlin.yaml",
        "id: g, ring: general, calendar: berlin.yaml",
    )
    made = files.plan()
    assert made.code == 0
    assert set(made.json) == {"waves", "unplaced", "digest"}
    assert made.json["unplaced"] == []
    assert waves(made) == [
        ("pilot", "2026-11-24T21:00:00Z", "2026-11-24T21:45:00Z", ("a", "b")),
        ("general", "2026-11-24T21:45:00Z", "2026-11-24T22:30:00Z", ("g",)),
        ("zeta", "2026-11-25T13:00:00Z", "2026-11-25T13:45:00Z", ("t",)),
    ]


def test_the_same_tenants_in_any_order_give_the_same_answer(files: Files) -> None:
    rows = [f"id: t{number}, ring: {('pilot', 'early')[number % 2]}, calendar: berlin.yaml" for number in range(9)]
    files.tenants(*rows)
    first = files.plan()
    rows.reverse()
    files.tenants(*rows)
    assert files.plan().json == first.json
    assert first.json["digest"].startswith("sha256:")


def test_who_has_no_calendar_or_a_broken_one_is_left_out_and_the_others_are_planned(files: Files) -> None:
    files.write("broken.yaml", BERLIN.replace("Berlin", "Berln"))
    files.write("bytes.yaml", "")
    (files.folder / "bytes.yaml").write_bytes(b"timezone: \xff")
    files.tenants(
        "id: good, ring: pilot, calendar: berlin.yaml",
        "id: none, ring: pilot, calendar: null",
        "id: absent, ring: pilot",
        "id: lost, ring: pilot, calendar: gone.yaml",
        "id: broken, ring: pilot, calendar: broken.yaml",
        "id: bytes, ring: pilot, calendar: bytes.yaml",
    )
    made = files.plan()
    assert made.code == 1
    assert [wave[3] for wave in waves(made)] == [("good",)]
    told = rules(made)
    assert sorted(told) == ["absent", "broken", "bytes", "lost", "none"]
    assert all(len(reasons) == 1 for reasons in told.values())
    assert "tenant none has no calendar" in told["none"][0]
    assert "tenant absent has no calendar" in told["absent"][0]
    assert "gone.yaml cannot be read: No such file" in told["lost"][0]
    assert "broken.yaml:1: " in told["broken"][0]
    assert "did you mean 'Europe/Berlin'?" in told["broken"][0]
    assert "bytes.yaml cannot be read" in told["bytes"][0]


def test_a_pinned_tenant_is_shown_as_such(files: Files) -> None:
    files.tenants('id: acme, ring: pilot, calendar: berlin.yaml, pinned: "1.4.0"')
    made = files.plan()
    assert (made.code, waves(made)) == (1, [])
    assert rules(made)["acme"][0].endswith("tenant acme is pinned to version 1.4.0")


def test_the_blackout_that_leaves_no_slot_is_named_as_it_is_typed(files: Files) -> None:
    audit = 'blackouts:\n  - {name: audit, from: "2026-11-24T00:00", to: "2026-12-24T00:00"}\n'
    files.write("calendars/acme.yaml", BERLIN + audit)
    files.write("calendars/never.yaml", "timezone: UTC\n")
    files.tenants(
        "id: acme, ring: pilot, calendar: calendars/acme.yaml", "id: never, ring: pilot, calendar: calendars/never.yaml"
    )
    assert rules(files.plan()) == {"acme": ["calendars/acme.yaml#audit"], "never": ["calendars/never.yaml#default"]}
    later = files.plan(days=60)
    assert waves(later)[0][1] == "2026-12-23T23:00:00Z"  # midnight in Berlin


def test_a_calendar_may_be_written_in_the_directory(files: Files) -> None:
    files.tenants("id: acme, ring: pilot, calendar: {timezone: UTC, default: open}")
    assert waves(files.plan())[0][1] == FROM


def test_cutoff_is_kept(files: Files) -> None:
    files.write("short.yaml", BERLIN.replace("02:00", "23:00") + "cutoff: 15m\n")
    files.tenants("id: acme, ring: pilot, calendar: short.yaml")
    assert files.plan().code == 0
    late = files.plan("--duration", "46m")
    assert (late.code, rules(late)) == (1, {"acme": ["short.yaml#default"]})


@pytest.mark.parametrize(
    ("days", "min_days", "start"),
    [
        (0, 0, "2026-11-24T21:00:00Z"),
        (1, 0, "2026-11-24T23:00:00Z"),  # midnight in Berlin, within the night of Tuesday
        (1, 2, "2026-11-25T23:00:00Z"),
        (3, 2, "2026-11-26T23:00:00Z"),  # Friday: what is left of the night of Thursday
        (4, 2, "2026-12-01T21:00:00Z"),
    ],
)
def test_notice_is_counted_in_local_days_from_the_instant_of_the_plan(
    files: Files, days: int, min_days: int, start: str
) -> None:
    files.write("notice.yaml", f"{BERLIN}min_notice_days: {min_days}\n")
    files.tenants(f"id: acme, ring: pilot, calendar: notice.yaml, notice_days: {days}")
    assert waves(files.plan())[0][1] == start


def test_a_notice_that_ends_too_late_is_the_reason(files: Files) -> None:
    files.tenants("id: acme, ring: pilot, calendar: berlin.yaml, notice_days: 14")
    assert rules(files.plan(days=7)) == {"acme": ["notice"]}


def test_a_local_day_that_has_begun_elsewhere_counts_from_there(files: Files) -> None:
    """At noon in UTC it is Wednesday in Kiritimati: a day of notice ends a day later than in Berlin's zone."""
    files.tenants("id: acme, ring: pilot, notice_days: 1, calendar: {timezone: Pacific/Kiritimati, default: open}")
    assert waves(files.plan())[0][1] == "2026-11-25T10:00:00Z"


def test_the_configuration_gives_order_soak_capacity_and_support_hours(files: Files) -> None:
    hours = 'support: {hours: {timezone: Europe/Berlin, windows: [{name: late, rrule: "FREQ=DAILY", '
    files.write(
        "stationmaster.yaml",
        f'{PRODUCT}slot: 1h\ncapacity: {{per_wave: 2, per_day: 3}}\n{hours}start: "22:00", end: "01:00"}}]}}}}\n',
    )
    files.tenants(
        *(f"id: t{n}, ring: {'pilot' if n == 9 else 'general'}, calendar: berlin.yaml" for n in (1, 2, 3, 4, 9))
    )
    made = files.plan("--config", str(files.folder / "stationmaster.yaml"))
    assert waves(made) == [
        ("general", "2026-11-24T21:00:00Z", "2026-11-24T22:00:00Z", ("t1", "t2")),
        ("general", "2026-11-24T22:00:00Z", "2026-11-24T23:00:00Z", ("t3",)),
        ("general", "2026-11-24T23:00:00Z", "2026-11-25T00:00:00Z", ("t4",)),  # it is tomorrow for support
        ("pilot", "2026-11-26T21:00:00Z", "2026-11-26T22:00:00Z", ("t9",)),
    ]
    longer = files.plan("--config", str(files.folder / "stationmaster.yaml"), "--duration", "90m")
    assert waves(longer)[0][2] == "2026-11-24T22:30:00Z"


def test_a_calendar_of_the_product_counts_for_everybody(files: Files) -> None:
    blackout = '{name: fair, from: "2026-11-24T00:00", to: "2026-11-26T12:00"}'
    shared = f"calendars: {{production: {{timezone: UTC, default: open, blackouts: [{blackout}]}}}}\n"
    files.write("stationmaster.yaml", PRODUCT + shared)
    files.tenants("id: a, ring: pilot, calendar: berlin.yaml")
    typed = str(files.folder / ".." / "plan" / "stationmaster.yaml")
    assert waves(files.plan("--config", typed))[0][1] == "2026-11-26T21:00:00Z"
    assert rules(files.plan("--config", typed, days=2)) == {"a": [f"{typed}:calendars.production#fair"]}


def test_a_30_minute_start_window_with_hundreds_of_tenants_loses_nobody(files: Files) -> None:
    files.write("stationmaster.yaml", PRODUCT + "capacity: {per_wave: 40}\n")
    files.write("half.yaml", BERLIN.replace("TU,WE,TH", "MO,TU,WE,TH,FR,SA,SU").replace("02:00", "23:15"))
    files.tenants(*(f"id: t-{number:03}, ring: pilot, calendar: half.yaml" for number in range(300)))
    made = files.plan("--config", str(files.folder / "stationmaster.yaml"))
    assert made.code == 0
    assert [len(wave[3]) for wave in waves(made)] == [40] * 7 + [20]
    starts = [datetime.fromisoformat(wave[1]) for wave in waves(made)]
    assert {later - before for before, later in pairwise(starts)} == {timedelta(days=1)}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--from", "2026-11-24T12:00:00"), ("zone",)),
        (("--from", "2026-11-24T12:00:00zz"), ("--from '2026-11-24T12:00:00zz' is no instant",)),
        (("--from", "soon"), ("soon", "2026-11-24T06:00:00Z")),
        (("--from", "9999-12-31T23:59:59.5Z"), ("9999",)),
        (("--from", "0001-01-01T00:00:00+14:00"), ("0001",)),
        (("--days", "0"), ("--days",)),
        (("--days", "999999999"), ("--days", "3660")),
        (("--duration", "99999999999999d"), ("no_duration", "--duration '99999999999999d' is longer than 3660d")),
        (("--duration", "9" * 5000 + "d"), ("no_duration",)),
        (("--duration", "0m"), ("--duration '0m' is no time at all",)),
        (("--duration", "2"), ("--duration '2' has no unit", "2h")),
        (("--duration", "PT2H"), ("--duration 'PT2H' is no duration", "2h")),
        (("--config", "no-such.yaml"), ("no-such.yaml",)),
    ],
)
def test_wrong_input_is_refused(files: Files, more: tuple[str, str], words: tuple[str, ...]) -> None:
    files.tenants("id: acme, ring: pilot, calendar: berlin.yaml")
    given: dict[str, Any] = {"--from": FROM, "--days": "14", more[0]: more[1]}
    tokens = [token for pair in given.items() for token in pair]
    found = files.desk.run("plan", "--tenants", str(files.folder / "tenants.yaml"), *tokens, "--json")
    assert found.code == 2
    told = str(found.json["error"])
    assert all(word in told for word in words), told


def test_a_wrong_directory_is_an_error_with_its_line(files: Files) -> None:
    files.tenants("id: a, ring: pilot", "id: a, ring: pilot")
    files.plan().refused(2, "document", "the id is given twice, first in line 2", "tenants.yaml")
    files.tenants("id: a, ring: pilot, calender: x.yaml")
    files.plan().refused(2, "document", "did you mean 'calendar'?")
    files.tenants("id: a, ring: pilot, timezone: Europe/Berln")
    files.plan().refused(2, "document", "did you mean 'Europe/Berlin'?")
    files.write("stationmaster.yaml", PRODUCT)
    files.tenants("id: a, ring: pilt")
    files.plan("--config", str(files.folder / "stationmaster.yaml")).refused(2, "document", "did you mean 'pilot'?")
    missing = files.desk.run("plan", "--tenants", "no-such.yaml", "--json")
    missing.refused(2, "input", "cannot be read", "no-such.yaml")


def test_a_person_reads_a_table(files: Files) -> None:
    names = [f"id: t{number}, ring: pilot, calendar: berlin.yaml" for number in range(8)]
    files.tenants(*names, "id: none, ring: pilot")
    found = files.desk.run("plan", "--tenants", str(files.folder / "tenants.yaml"), "--from", FROM)
    assert found.code == 1
    for word in ("2026-11-24T21:00:00Z", "t0, t1, t2, t3, t4, t5 and 2 more", "none", "has no calendar", "sha256:"):
        assert word in found.out


def test_without_an_instant_it_is_planned_from_now(files: Files) -> None:
    files.tenants("id: acme, ring: pilot, calendar: {timezone: UTC, default: open}")
    found = files.desk.run("plan", "--tenants", str(files.folder / "tenants.yaml"), "--json")
    assert found.code == 0


def test_holidays_that_nobody_knows_yet_cost_their_own_tenant_alone(files: Files) -> None:
    files.write("india.yaml", f"{BERLIN}blackouts:\n  - {{name: festivals, holidays: IN}}\n")
    files.tenants("id: a, ring: pilot, calendar: berlin.yaml", "id: i, ring: pilot, calendar: india.yaml")
    made = files.plan(since="2036-06-03T12:00:00Z")
    assert [one[3] for one in waves(made)] == [("a",)]
    assert rules(made) == {
        "i": ["india.yaml#festivals: the public holidays of IN are known from 2001 to 2035, not in 2036"]
    }
