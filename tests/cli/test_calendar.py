"""`calendar …`: exact answers and exit codes, with nothing but the files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stationmaster.cli.main import run

NIGHTS = """\
timezone: Europe/Berlin
default: closed
windows:
  - {name: weeknight, rrule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", start: "22:00", end: "02:00"}
blackouts:
  - {name: month end, rrule: "FREQ=MONTHLY;BYMONTHDAY=-1,1", all_day: true}
cutoff: 30m
"""
OPEN, SHUT = "2026-11-24T22:00:00Z", "2026-11-23T22:00:00Z"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where there is nothing but calendar files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(NIGHTS)
    (tmp_path / "b.yaml").write_text("timezone: Asia/Tokyo\ndefault: open\n")
    return tmp_path


def ask(capsys: pytest.CaptureFixture[str], *tokens: str) -> tuple[int, Any]:
    """Exit code, and what was said: read as JSON if that was asked for."""
    code = run(["calendar", *tokens])
    out, err = capsys.readouterr()
    return code, json.loads(out) if "--json" in tokens else out + err


def test_check_answers_one_instant_with_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "check", "a.yaml", "--at", "2026-11-24T23:00:00.5+01:00", "--json") == (
        0,
        {
            "at": OPEN,
            "state": "open",
            "rules": ["a.yaml#weeknight"],
            "next_transition": "2026-11-25T01:00:00Z",
        },
    )
    assert ask(capsys, "check", "a.yaml", "--at", SHUT, "--json") == (
        1,
        {"at": SHUT, "state": "closed", "rules": ["a.yaml#default"], "next_transition": "2026-11-24T21:00:00Z"},
    )


def test_check_answers_several_instants_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = ask(capsys, "check", "a.yaml", "--at", OPEN, "--at", SHUT, "--at", OPEN, "--json")
    assert (code, [one["at"] for one in told]) == (1, [OPEN, SHUT, OPEN])
    assert [one["state"] for one in told] == ["open", "closed", "open"]
    code, told = ask(capsys, "check", "a.yaml", "--at", OPEN, "--at", OPEN, "--json")
    assert (code, len(told)) == (0, 2)


def test_check_names_files_as_they_were_typed_and_asks_all(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    files = ("./a.yaml", str(folder / "a.yaml"), "b.yaml")
    _, told = ask(capsys, "check", *files, "--at", SHUT, "--json")
    assert told["rules"] == sorted(["./a.yaml#default", f"{folder}/a.yaml#default"])
    _, told = ask(capsys, "check", *files, "--at", "2026-11-30T12:00:00Z", "--json")
    assert told["rules"] == sorted(["./a.yaml#month end", f"{folder}/a.yaml#month end"])


@pytest.mark.parametrize(
    ("action", "code", "rules"),
    [
        ("deploy", 1, ["a.yaml#default"]),
        ("flag", 1, ["a.yaml#default"]),
        ("hotfix", 1, ["a.yaml#default"]),
        ("migration", 0, []),
        ("rollback", 0, []),
    ],
)
def test_check_for_an_action(capsys: pytest.CaptureFixture[str], action: str, code: int, rules: list[str]) -> None:
    ended, told = ask(capsys, "check", "a.yaml", "--at", SHUT, "--for", action, "--json")
    assert (ended, told["rules"]) == (code, rules)


def test_check_is_read_by_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "check", "a.yaml", "--at", SHUT)[1] == (
        "2026-11-23T22:00:00Z  closed by a.yaml#default, until 2026-11-24T21:00:00Z\n"
    )
    assert ask(capsys, "check", "b.yaml", "--at", SHUT)[1] == "2026-11-23T22:00:00Z  open, for 400 days and more\n"


def test_the_answer_on_the_page_is_the_answer(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/calendar.md").read_text()
    example, answer = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("yaml", "json"))
    (folder / "FILE").write_text(example)
    assert ask(capsys, "check", "FILE", "--at", "2026-11-24T21:30:00Z", "--json") == (0, json.loads(answer))


def test_next_is_the_earliest_slot_or_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("next", "a.yaml", "b.yaml", "--after", SHUT)
    assert ask(capsys, *asked, "--duration", "210m", "--json") == (
        0,
        {"start": "2026-11-24T21:00:00Z", "end": "2026-11-25T00:30:00Z"},
    )
    assert ask(capsys, *asked, "--duration", "4h", "--json") == (1, {"start": None, "why": ["a.yaml#default"]})
    assert ask(capsys, *asked, "--duration", "2h", "--horizon", "1h", "--json")[0] == 1
    assert ask(capsys, *asked, "--duration", "2h")[1] == "2026-11-24T21:00:00Z to 2026-11-24T23:00:00Z\n"
    assert ask(capsys, *asked, "--duration", "4h")[1].splitlines() == [
        "no slot of 4h starts within 90d of 2026-11-23T22:00:00Z",
        "  a.yaml#default",
    ]
    assert ask(capsys, *asked, "--duration", "4h", "--for", "migration", "--json")[1]["start"] == SHUT


def test_lint_says_what_is_suspicious_where(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    at = ("--at", "2026-11-23T08:00:00Z")
    assert ask(capsys, "lint", "a.yaml", "b.yaml", *at) == (0, "nothing is suspicious\n")
    (folder / "a.yaml").write_text(NIGHTS.replace("cutoff: 30m", "cutoff: 6h"))
    code, told = ask(capsys, "lint", "b.yaml", "a.yaml", *at, "--json")
    assert (code, [(one["file"], one["line"], one["rule"]) for one in told["findings"]]) == (
        1,
        [("a.yaml", 4, "weeknight")],
    )
    told = ask(capsys, "lint", "a.yaml", *at)[1]
    assert told.startswith("a.yaml:4: window 'weeknight' is no longer than the cutoff: nothing ever starts in it; ")
    assert ask(capsys, "lint", "a.yaml")[0] == 1


@pytest.mark.parametrize("command", ["check a.yaml --at", "next a.yaml --duration 1h --after", "lint a.yaml --at"])
@pytest.mark.parametrize(
    ("instant", "code"),
    [
        ("2026-11-24T22:00:00", "no_instant"),
        ("tomorrow", "no_instant"),
        ("2026-02-30T00:00:00Z", "no_instant"),
        ("9999-12-31T23:59:59Z", "outside_calendars"),
        ("0001-01-01T00:00:00+14:00", "no_instant"),
    ],
)
def test_an_instant_that_is_none(capsys: pytest.CaptureFixture[str], command: str, instant: str, code: str) -> None:
    ended, told = ask(capsys, *command.split(), instant, "--json")
    assert (ended, told["error"]["code"]) == (2, code)


@pytest.mark.parametrize("duration", ["0h", "-1h", "2", "two hours", "99999999999999d", "99999999999999999999999999d"])
def test_a_duration_that_is_none(capsys: pytest.CaptureFixture[str], duration: str) -> None:
    for option in ("--duration", "--horizon"):
        given = {"--duration": "1h", "--horizon": "90d", option: duration}
        tokens = [f"{name}={value}" for name, value in given.items()]
        code, told = ask(capsys, "next", "b.yaml", *tokens, "--after", OPEN, "--json")
        assert (code, told["error"]["code"]) == (2, "no_duration")


@pytest.mark.parametrize("command", ["check {} --at " + OPEN, "next {} --duration 1h --after " + OPEN, "lint {}"])
def test_a_file_that_is_wrong_is_never_open(capsys: pytest.CaptureFixture[str], folder: Path, command: str) -> None:
    (folder / "zone.yaml").write_text("timezone: Europe/Berln\ndefault: open\n")
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "empty.yaml").write_text("")
    for file, error, line in (
        ("missing.yaml", "unreadable_calendar", None),
        (".", "unreadable_calendar", None),
        ("bytes.yaml", "unreadable_calendar", None),
        ("empty.yaml", "document", None),
        ("zone.yaml", "document", 1),
    ):
        code, told = ask(capsys, *command.format(f"b.yaml {file}").split(), "--json")
        assert (code, set(told)) == (2, {"error"})
        assert [told["error"][key] for key in ("code", "file", "line")] == [error, file, line]
        assert ask(capsys, *command.format(file).split())[0] == 2


@pytest.mark.parametrize(
    "tokens",
    [
        "check --at " + OPEN,
        "check a.yaml",
        "check a.yaml --empty-at",
        "next a.yaml",
        "check a.yaml --at x --for y",
        "lint",
    ],
)
def test_what_does_not_fit_the_command(capsys: pytest.CaptureFixture[str], tokens: str) -> None:
    code, told = ask(capsys, *tokens.split(), "--json")
    assert (code, told["error"]["code"]) == (2, "usage")


def test_it_needs_no_server_no_repository_and_no_ledger(folder: Path) -> None:
    """In an empty folder, without a home, it answers and has imported nothing that talks."""
    code = (
        "import sys; from stationmaster.cli.main import run; code = run(sys.argv[1:]);"
        "imported = {name.partition('.')[0] for name in sys.modules};"
        "heavy = {'prefect', 'sqlalchemy', 'boto3', 'psycopg', 'httpx'} & imported;"
        "sys.exit(code if not heavy else str(heavy))"
    )
    for asked in (f"check a.yaml --at {OPEN}", f"next a.yaml --duration 1h --after {OPEN}", "lint b.yaml"):
        command = [sys.executable, "-c", code, "calendar", *asked.split()]
        done = subprocess.run(
            command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize(
    "question",
    [("check", "--at", "2036-06-01T12:00:00Z"), ("next", "--duration", "1h", "--after", "2036-06-01T12:00:00Z")],
)
def test_days_that_nobody_knows_are_told_with_file_line_and_rule(
    question: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in.yaml").write_text("timezone: UTC\ndefault: open\nblackouts:\n  - {name: festivals, holidays: IN}\n")
    code, said = ask(capsys, question[0], "b.yaml", "in.yaml", *question[1:])
    assert code == 2
    assert "in.yaml:4: rule 'festivals': the public holidays of IN are known from 2001 to 2035, not in 2036" in said


def test_a_file_without_end_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "zero.yaml").symlink_to("/dev/zero")
    code, said = ask(capsys, "check", "zero.yaml", "--at", OPEN)
    assert code == 2
    assert "zero.yaml: the file is larger than 1 MiB" in said


def test_the_letters_of_an_instant_may_be_small(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "check", "b.yaml", "--at", OPEN.lower(), "--json") == ask(
        capsys, "check", "b.yaml", "--at", OPEN, "--json"
    )
