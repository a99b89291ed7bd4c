"""`freeze …`: recorded with who and why, safe to repeat, and what a person gets wrong."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from stationmaster.domain.duration import instant
from tests.cli.conftest import Desk


def told(desk: Desk) -> list[tuple[str, str]]:
    return [(entry.step, entry.subject) for entry in desk.ledger.entries("freeze")]


def listed(desk: Desk) -> list[str]:
    return [one["scope"] for one in desk.run("freeze", "status", "--json").json["freezes"]]


def test_on_freezes_production_with_who_and_why_and_off_ends_it(desk: Desk) -> None:
    found = desk.run("freeze", "on", "--reason", "ERP is down", "--json")
    entry = desk.ledger.entries("freeze")[-1]
    assert (found.code, found.json) == (
        0, {"scope": "env:production", "frozen": True, "since": entry.at, "reason": "ERP is down", "until": None},
    )  # fmt: skip
    assert desk.ledger.personal(entry) == {"who": "ana"}
    assert "ana" not in entry.canonical().decode()
    ended = desk.run("freeze", "off", "--reason", "ERP is back", "--json")
    assert (ended.code, ended.json) == (0, {"scope": "env:production", "frozen": False, "others": []})
    entry = desk.ledger.entries("freeze")[-1]
    assert (entry.step, entry.fact, desk.ledger.personal(entry)) == (
        "thawed",
        {"reason": "ERP is back"},
        {"who": "ana"},
    )


def test_both_are_safe_to_repeat_and_say_so(desk: Desk) -> None:
    assert "thawed already" in desk.run("freeze", "off", "--reason", "nothing").out
    for word in ("is frozen: down", "is frozen already: down"):
        assert word in desk.run("freeze", "on", "--tenant", "acme", "--reason", "down").out
    for word in ("is thawed\n", "is thawed already"):
        assert word in desk.run("freeze", "off", "--tenant", "acme", "--reason", "back").out
    assert told(desk) == [("frozen", "tenant:acme"), ("thawed", "tenant:acme")]


def test_another_reason_or_end_takes_the_place_of_the_one_before(desk: Desk) -> None:
    desk.run("freeze", "on", "--reason", "down")
    desk.run("freeze", "on", "--reason", "still down")
    desk.run("freeze", "on", "--reason", "down")
    assert len(told(desk)) == 3
    assert [one["reason"] for one in desk.run("freeze", "status", "--json").json["freezes"]] == ["down"]


@pytest.mark.parametrize(
    ("named", "scope"),
    [
        (("--env", "stage"), "env:stage"),
        (("--env", "production"), "env:production"),
        (("--ring", "broad"), "ring:broad"),
        (("--tenant", "cedar"), "tenant:cedar"),
    ],
)
def test_each_scope_by_itself(desk: Desk, named: tuple[str, str], scope: str) -> None:
    desk.run("freeze", "on", "--tenant", "birch", "--reason", "audit")
    desk.run("freeze", "on", *named, "--reason", "down")
    assert listed(desk) == sorted([scope, "tenant:birch"])
    found = desk.run("freeze", "off", *named, "--reason", "back")
    assert "still frozen: tenant birch, audit" in found.out
    assert listed(desk) == ["tenant:birch"]


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        (("--env", "produktion"), "did you mean 'production'?"),
        (("--ring", "brod"), "did you mean 'broad'?"),
        (("--tenant", "acne"), "did you mean 'acme'?"),
        (("--tenant", "zzz"), "known: acme, birch, cedar"),
    ],
)
@pytest.mark.parametrize("word", ["on", "off"])
def test_what_there_is_not_gets_the_nearest_there_is(desk: Desk, word: str, named: tuple[str, str], hint: str) -> None:
    desk.run("freeze", word, *named, "--reason", "down", "--json").refused(2, "unknown_scope", hint)
    assert told(desk) == []


def test_one_scope_at_a_time_and_never_without_a_reason(desk: Desk) -> None:
    two = ("--ring", "broad", "--tenant", "acme", "--reason", "down", "--json")
    for word in ("on", "off"):
        desk.run("freeze", word, *two).refused(2, "input", "--ring and --tenant")
        desk.run("freeze", word, "--reason", " ", "--json").refused(2, "input", "reason")
        desk.run("freeze", word, "--json").refused(2, "usage", "--reason")
    desk.run("freeze", "onn", "--json").refused(2, "usage", "did you mean 'on'?")


def test_an_end_is_a_duration_or_an_instant_and_ends_it(desk: Desk) -> None:
    before = instant(datetime.now(UTC) + timedelta(hours=2))
    found = desk.run("freeze", "on", "--reason", "down", "--until", "2h", "--json").json
    assert before <= found["until"] <= instant(datetime.now(UTC) + timedelta(hours=2))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["until"])
    at = "2999-01-01T01:00:00+01:00"
    assert desk.run("freeze", "on", "--reason", "down", "--until", at, "--json").json["until"] == "2999-01-01T00:00:00Z"
    shown = desk.run("freeze", "status").out
    assert shown.splitlines()[1].split()[0] == "production"
    assert "2999-01-01T00:00:00Z" in shown


@pytest.mark.parametrize("until", ["tomorrow", "2026-11-24T06:00:00", "2020-01-01T00:00:00Z", "0s", "-2h"])
def test_an_end_that_is_none_is_refused(desk: Desk, until: str) -> None:
    desk.run("freeze", "on", "--reason", "down", f"--until={until}", "--json").refused(2, "wrong_end", "freeze off")
    assert told(desk) == []


def test_one_whose_end_has_come_is_over_without_anybody(desk: Desk) -> None:
    desk.write("frozen", {"reason": "down", "until": "2026-11-23T09:00:00Z"}, "env:production", "freeze")
    assert listed(desk) == []
    assert desk.run("freeze", "status").out == "nothing is frozen\n"
    assert "thawed already" in desk.run("freeze", "off", "--reason", "back").out


def test_what_left_the_directory_can_still_be_thawed(desk: Desk) -> None:
    desk.write("frozen", {"reason": "down", "until": None}, "tenant:gone", "freeze")
    assert desk.run("freeze", "off", "--tenant", "gone", "--reason", "they left").code == 0
    assert listed(desk) == []


def test_a_tenant_and_a_plan_say_that_it_is_frozen(desk: Desk) -> None:
    desk.run("freeze", "on", "--tenant", "acme", "--reason", "their audit")
    asked = desk.run("tenants", "show", "acme", "--json").json
    assert (asked["window"], asked["why"]) == ("closed", "tenant acme is frozen: their audit")
    assert desk.run("tenants", "show", "birch", "--json").json["window"] == "open"
    planned = desk.run("release", "plan", "--ref", "v2.0.0", "--json").json
    assert planned["windows_closed"] == {"acme": "tenant acme is frozen: their audit"}


def test_an_environment_is_frozen_with_nothing_but_a_ledger(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(desk.root / "elsewhere"))
    monkeypatch.setenv("STATIONMASTER_LEDGER", f"sqlite:///{desk.root}/ledger.db")
    assert desk.run("freeze", "on", "--reason", "down").code == 0
    desk.run("freeze", "on", "--tenant", "acme", "--reason", "down", "--json").refused(2, "input")
    assert listed(desk) == ["env:production"]
