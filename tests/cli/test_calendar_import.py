"""iCalendar files where calendar files are asked for, and `calendar import`."""

import json
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.calendars import load_calendars
from stationmaster.cli.main import run
from stationmaster.domain.tenants import Tenant

SAMPLES = Path(__file__).parents[1] / "domain" / "ical"
OPEN, SHUT = "2026-11-25T06:00:00Z", "2026-11-25T12:00:00Z"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("aws-closed", "google", "rfc7953-1"):
        (tmp_path / f"{name}.ics").write_text((SAMPLES / f"{name}.ics").read_text())
    return tmp_path


def ask(capsys: pytest.CaptureFixture[str], *tokens: str) -> tuple[int, Any]:
    code = run(["calendar", *tokens])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, json.loads(out) if "--json" in tokens else out


def test_check_next_and_lint_read_icalendar(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = ask(capsys, "check", "aws-closed.ics", "--at", OPEN, "--at", SHUT, "--json")
    assert (code, [one["rules"] for one in told]) == (
        1,
        [["aws-closed.ics#Weeknight changes"], ["aws-closed.ics#default"]],
    )
    code, told = ask(capsys, "next", "aws-closed.ics", "--duration", "2h", "--after", SHUT, "--json")
    assert (code, told) == (0, {"start": "2026-11-26T03:00:00Z", "end": "2026-11-26T05:00:00Z"})
    code, told = ask(capsys, "lint", "aws-closed.ics", "--at", "2027-01-01T00:00:00Z", "--json")
    assert (code, [(one["line"], one["rule"]) for one in told["findings"]]) == (1, [(19, "Once, on a Saturday")])


def test_what_is_wrong_names_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = ask(capsys, "check", "rfc7953-1.ics", "--at", OPEN, "--json")
    assert (code, told["error"]["file"], told["error"]["line"]) == (2, "rfc7953-1.ics", 11)
    assert "is not a day of its own RRULE" in told["error"]["message"]
    code, told = ask(capsys, "check", "google.ics", "--at", OPEN, "--json")
    assert (code, told["error"]["line"]) == (2, 1)
    assert "--as blackouts" in told["error"]["hint"]


def test_import_writes_yaml_that_answers_the_same(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, text = ask(capsys, "import", "aws-closed.ics")
    assert code == 0
    (folder / "aws.yaml").write_text(text)
    instants = [part for hour in range(0, 24, 3) for part in ("--at", f"2026-11-26T{hour:02}:00:00Z")]
    _, from_ics = ask(capsys, "check", "aws-closed.ics", *instants, "--json")
    _, from_yaml = ask(capsys, "check", "aws.yaml", *instants, "--json")
    assert [one["next_transition"] for one in from_ics] == [one["next_transition"] for one in from_yaml]
    assert {one["state"] for one in from_ics} == {"open", "closed"}


def test_import_takes_what_the_file_does_not_say(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = ask(capsys, "import", "google.ics", "--as", "blackouts", "--timezone", "Europe/Berlin", "--json")
    assert (code, told["default"], len(told["blackouts"])) == (0, "open", 10)
    code, told = ask(capsys, "import", "google.ics", "--as", "blackouts", "--timezone", "Europe/Barlin", "--json")
    assert (code, told["error"]["code"], told["error"]["hint"]) == (2, "unknown_zone", "did you mean 'Europe/Berlin'?")
    code, told = ask(capsys, "import", "google.ics", "--as", "blackouts", "--timezone", "Asia/Tokyo", "--json")
    assert (code, told["error"]["line"]) == (2, 43)
    code, told = ask(capsys, "import", "gone.ics", "--json")
    assert (code, told["error"]["code"]) == (2, "unreadable_calendar")


def test_tenants_may_name_an_icalendar_file(folder: Path) -> None:
    tenants = [
        Tenant(id=name[:3], name=name, ring="pilot", calendar=f"{name}.ics") for name in ("aws-closed", "google")
    ]
    found = load_calendars(tenants, folder, "tenants.yaml")
    read = found["aws"]
    assert not isinstance(read, str)
    (named,) = read
    assert named.ref(named.calendar.windows[0].name) == "aws-closed.ics#Weeknight changes"
    assert str(found["goo"]).startswith("google.ics:1: it does not say whether its events open or close")
