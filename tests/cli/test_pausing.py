"""`release pause` and `release resume`: recorded with who and why, safe to repeat, refused where they mean nothing."""

from datetime import UTC, datetime

import pytest

from stationmaster.blocks.holder import this_process
from tests.cli.conftest import Desk

BACK = {"scope": "release", "tenants": [], "now": True, "cause": "person", "reason": "bad", "decided_ms": 0}
ENDED = {"tenants": ["acme"], "left": ["birch"], "flags": "kept", "seconds_to_last": None, "bad_requests": None}


def orders(desk: Desk) -> list[str]:
    return [e.step for e in desk.ledger.entries("r2") if e.step in {"paused", "resumed", "lifted"}]


def pause(desk: Desk, *rest: str) -> list[str]:
    return ["release", "pause", "r2", "--reason", "support is short", *rest]


RESUME = ("release", "resume", "r2", "--reason", "support is back")


@pytest.mark.parametrize("stage", ["started", "planned", "deployed"])
def test_a_pause_is_recorded_once_with_who_and_why_and_names_what_ends_it(desk: Desk, stage: str) -> None:
    desk.reach(stage)
    before = desk.run("release", "status", "r2", "--json").json["stage"]
    found = desk.run(*pause(desk), "--json")
    assert (found.code, found.json["stage"], found.json["waiting_for"]) == (0, before, "person")
    entry = desk.ledger.entries("r2")[-1]
    assert (entry.step, entry.fact, desk.ledger.personal(entry)) == (
        "paused", {"reason": "support is short"}, {"who": "ana"},
    )  # fmt: skip
    again = desk.run("release", "pause", "r2", "--reason", "another")
    assert (again.code, orders(desk)) == (0, ["paused"])
    assert "paused already: support is short" in again.err
    why = desk.run("release", "why", "r2", "--json").json
    assert why["message"] == "r2 is paused: support is short"
    assert why["command"] == "stationmaster release resume r2 --reason WHY"
    assert why["command"] in desk.run("release", "status", "r2").out


def test_resume_ends_it_once_and_it_can_be_paused_again(desk: Desk) -> None:
    desk.reach("planned")
    desk.run(*pause(desk))
    for told in ("r2 goes on", "resumed already"):
        found = desk.run(*RESUME)
        assert (found.code, told in found.err) == (0, True)
    entry = desk.ledger.entries("r2")[-1]
    assert (entry.step, entry.fact, desk.ledger.personal(entry)) == (
        "resumed", {"reason": "support is back"}, {"who": "ana"},
    )  # fmt: skip
    assert desk.run("release", "status", "r2", "--json").json["waiting_for"] is None
    desk.run(*pause(desk))
    assert orders(desk) == ["paused", "resumed", "paused"]


def test_who_works_on_it_is_named(desk: Desk) -> None:
    desk.reach("deployed")
    desk.ledger.take_lease("r2", this_process("flow run 7"), datetime.now(UTC))
    assert "flow run 7" in desk.run(*pause(desk)).err


@pytest.mark.parametrize(
    ("last", "told"), [("aborted", "is aborted"), ("released", "is released"), ("rollback", "rolled back")]
)
def test_what_is_over_or_on_its_way_back_is_not_paused(desk: Desk, last: str, told: str) -> None:
    desk.reach("released" if last == "released" else "deployed")
    if last != "released":
        desk.write(last, BACK)
    found = desk.run(*pause(desk), "--json")
    found.refused(1, "nothing_to_pause", told)
    desk.run(*RESUME, "--json").refused(1, "nothing_to_resume", told)
    assert orders(desk) == []


def test_a_paused_release_that_was_aborted_is_not_resumed(desk: Desk) -> None:
    desk.reach("planned")
    desk.run(*pause(desk))
    desk.write("aborted", {"reason": "enough"})
    desk.run(*RESUME, "--json").refused(1, "nothing_to_resume", "r2 is aborted")


def test_what_nobody_paused_is_not_resumed(desk: Desk) -> None:
    desk.reach("planned")
    desk.run(*RESUME, "--json").refused(1, "nothing_to_resume", "not paused", "release why r2")


def test_the_hold_of_a_rolled_back_release_is_lifted_once(desk: Desk) -> None:
    desk.reach("deployed")
    desk.write("rollback", BACK)
    desk.write("restored", ENDED)
    assert "on hold" in desk.run("release", "why", "r2").out
    for told in ("may be released again, by a release of another name", "resumed already"):
        found = desk.run(*RESUME)
        assert (found.code, told in found.err) == (0, True), found
    assert orders(desk) == ["lifted"]
    assert desk.run("release", "status", "r2", "--json").json["stage"] == "rolled_back"
    assert "on hold" not in desk.run("release", "why", "r2").out
    desk.run(*pause(desk), "--json").refused(1, "nothing_to_pause", "rolled back")


def test_a_contained_release_that_is_paused_too_is_let_go_on_by_one_command(desk: Desk) -> None:
    desk.reach("deployed")
    desk.write("rollback", BACK)
    desk.write("contained", ENDED)
    desk.run(*pause(desk))
    desk.run(*RESUME)
    assert orders(desk) == ["paused", "lifted", "resumed"]
    assert desk.run("release", "why", "r2", "--json").json["command"] == "stationmaster release start r2"


def test_neither_is_done_without_a_reason_or_a_release(desk: Desk) -> None:
    desk.reach("planned")
    for word in ("pause", "resume"):
        desk.run("release", word, "r2", "--reason", " ", "--json").refused(2, "input", "reason")
        desk.run("release", word, "r2", "--json").refused(2, "usage", "--reason")
        desk.run("release", word, "r3", "--reason", "x", "--json").refused(2, "unknown_release", "known: r2")
    assert orders(desk) == []
