"""Where a release is, and the one thing that blocks it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.entries import Entry
from stationmaster.domain.orders import in_force
from stationmaster.domain.release import Status, UnknownReleaseError, status, why
from stationmaster.domain.stages import CLOSED, TABLE, fold
from tests.entries import GOOD, story

FACTS: dict[str, dict[str, Any]] = {
    "started": {"product": "orderdesk", "kind": "hotfix", "ref": "main", "version": "1.x"},
    "cut": {"commit": "c1", "version": "1.2.0"},
    "built": {"digest": "sha256:" + "a" * 64, "size": 3, "name": "orderdesk.pyz"},
    "planned": {"waves": [{"ring": "pilot", "tenants": ["acme"]}, {"ring": "all", "tenants": ["beta"]}]},
    "waiting": {"for": "window", "until": "2026-11-24T22:00:00Z", "message": "beta is closed", "hint": None},
    "failed": {"step": "built", "code": "outside", "message": "no space left", "hint": "free some"},
    "held": {"verdict": "rollback", "cause": "hard limit", "message": "7 of 40 requests failed"},
}
CONTAINED = {"tenants": ["acme"], "left": ["beta"], "seconds_to_last": 0.4, "bad_requests": 3}
RUNNING = {
    entry.subject: entry
    for entry in story(
        ("adopted", "acme"), ("adopted", "beta"), ("adopted", "gamma"), facts={"adopted": {"version": "1.1.0"}}
    )
}


def at(*steps: str | tuple[str, str], running: dict[str, Entry] = RUNNING, **facts: dict[str, Any]) -> Status:
    return status("r1", story(*steps, facts={**FACTS, **facts}), running)


def test_the_answer_has_exactly_the_keys_of_the_contract() -> None:
    answer = json.loads(at("started", "cut", "built", "failed").model_dump_json())
    assert answer == {
        "id": "r1",
        "version": "1.2.0",
        "kind": "hotfix",
        "stage": "failed",
        "waiting_for": None,
        "until": None,
        "digest": "sha256:" + "a" * 64,
        "tenants": {"acme": "1.1.0", "beta": "1.1.0", "gamma": "1.1.0"},
        "entries": 4,
    }


def test_before_the_cut_the_version_is_the_one_asked_for() -> None:
    begun = at("started")
    assert (begun.version, begun.digest, begun.stage) == ("1.x", None, "requested")


def test_with_a_plan_the_tenants_are_those_of_the_plan_with_what_they_run_now() -> None:
    deployed = story(("deployed", "acme"), facts={"deployed": {"version": "1.2.0"}})[0]
    assert at(*GOOD[:11], running={**RUNNING, "acme": deployed}).tenants == {"acme": "1.2.0", "beta": "1.1.0"}


def test_a_release_nobody_started_is_unknown() -> None:
    with pytest.raises(UnknownReleaseError, match="no release 'r1'"):
        at()
    with pytest.raises(UnknownReleaseError):
        at(("adopted", "acme"))


def test_a_wait_is_shown_until_the_next_start() -> None:
    waits = at(*GOOD[:11], "waiting")
    assert (waits.stage, waits.waiting_for, waits.until) == ("deploying", "window", "2026-11-24T22:00:00Z")
    assert why(waits).message == "Waits for window: beta is closed"
    assert why(waits).command == "stationmaster release start r1"
    goes_on = at(*GOOD[:11], "waiting", "started")
    assert (goes_on.waiting_for, goes_on.until) == (None, None)


def test_who_waits_for_an_approval_is_told_to_approve_and_then_to_start() -> None:
    waiting = {"for": "approval", "until": None, "message": "1 release-approver is missing", "hint": None}
    waits = at(*GOOD[:7], "waiting", waiting=waiting)
    assert why(waits).command == "stationmaster approve r1 --key FILE"
    signed = at(*GOOD[:7], "waiting", ("approval", "key-1"), waiting=waiting)
    assert (signed.waiting_for, why(signed).command) == ("approval", "stationmaster release start r1")


def test_a_signature_does_not_end_the_wait_for_a_window() -> None:
    waits = at(*GOOD[:11], "waiting", ("approval", "key-1"))
    assert why(waits).message == "Waits for window: beta is closed"


def test_a_failure_names_the_step_the_message_and_the_hint() -> None:
    failed = why(at("started", "cut", "failed"))
    assert failed.message == "Step built failed: no space left (free some)"
    assert failed.command == "stationmaster release start r1"


def test_the_first_error_of_a_leg_is_the_one_shown() -> None:
    entries = story("started", "failed", "failed", facts=FACTS)
    later = entries[2].model_copy(update={"fact": {"step": "brief", "message": "chat is down"}})
    assert why(status("r1", [*entries[:2], later], {})).message.startswith("Step built failed")


def test_a_hold_waits_for_a_person_and_an_error_does_not_hide_it() -> None:
    for after in ((), ("failed",)):
        held = at(*GOOD[:11], ("held", "pilot"), *after)
        assert (held.stage, held.waiting_for) == ("held", "person")
        assert why(held).message == "Held at ring pilot: 7 of 40 requests failed"


@pytest.mark.parametrize(("last", "word"), [("released", "released"), ("aborted", "aborted")])
def test_nothing_blocks_a_closed_release_whatever_was_recorded_late(last: str, word: str) -> None:
    closed = at(*GOOD[:-1], last, "failed")
    assert (closed.stage, closed.waiting_for, why(closed).command) == (last, None, None)
    assert word in why(closed).message


def test_a_release_at_work_says_so() -> None:
    working = why(at("started", "cut"), "flow run 7")
    assert working.message == "r1 is cut and nothing blocks it: flow run 7 works on it."
    assert working.command is None


def test_a_release_nobody_works_on_says_so() -> None:
    dead = why(at("started", "cut"))
    assert dead.message == "r1 is cut and waits for nothing, but nobody works on it: its process died."
    assert dead.command == "stationmaster release start r1"


PAUSED = {"reason": "support is short"}
BACK = {"scope": "release", "tenants": [], "reason": "9 of 40 were bad"}


def test_a_paused_release_names_the_reason_and_what_resumes_it_however_its_leg_ended() -> None:
    for after in ((), ("waiting",), ("failed",), ("started",)):
        paused = at(*GOOD[:11], "paused", *after, paused=PAUSED)
        assert (paused.stage, paused.waiting_for) == (("failed" if after == ("failed",) else "deploying"), "person")
        assert why(paused, "flow run 7").message == "r1 is paused: support is short"
        assert why(paused).command == "stationmaster release resume r1 --reason WHY"


def test_a_resumed_release_is_stopped_by_what_stopped_it_before() -> None:
    held = at(*GOOD[:11], ("held", "pilot"), "paused", "resumed", paused=PAUSED)
    assert why(held).message.startswith("Held at ring pilot")
    person = {"for": "person", "until": None, "message": "r1 is paused", "hint": None}
    waited = at(*GOOD[:11], "paused", "waiting", "resumed", paused=PAUSED, waiting=person)
    assert why(waited).message == "Somebody answered since; the next start counts it."


def test_a_release_on_its_way_back_says_why_and_who_works_on_it() -> None:
    back = at(*GOOD[:11], ("held", "pilot"), "rollback", rollback=BACK)
    assert (back.stage, back.waiting_for) == ("rolling_back", None)
    assert why(back).message == "r1 goes back to the version before: 9 of 40 were bad"
    assert why(back).command == "stationmaster release start r1"
    assert why(back, "flow run 8").message.endswith("were bad. flow run 8 works on it.")
    assert why(back, "flow run 8").command is None


def test_a_way_back_that_failed_says_how_and_one_that_began_again_does_not() -> None:
    failed = at(*GOOD[:11], "rollback", "started", "failed", rollback=BACK)
    assert (failed.stage, why(failed).message) == ("rolling_back", "Step built failed: no space left (free some)")
    again = at(*GOOD[:11], "rollback", "started", "failed", "started", rollback=BACK)
    assert why(again).message.startswith("r1 goes back")


def test_an_aborted_release_that_still_goes_back_says_so() -> None:
    for told in (("aborted", "rollback"), ("rollback", "aborted")):
        back = at(*GOOD[:11], *told, rollback=BACK)
        assert (back.stage, why(back).command) == ("aborted", "stationmaster release start r1")
        assert why(back).message.startswith("r1 goes back")
        assert why(at(*GOOD[:11], *told, "restored", rollback=BACK)).command is None


def test_what_was_rolled_back_is_on_hold_until_it_is_lifted() -> None:
    back = at(*GOOD[:11], "rollback", "restored")
    assert (back.stage, why(back).command) == ("rolled_back", "stationmaster release resume r1 --reason WHY")
    assert "on hold" in why(back).message
    lifted = why(at(*GOOD[:11], "rollback", "restored", "lifted"))
    assert (lifted.command, "on hold" in lifted.message) == (None, False)


def test_what_was_rolled_back_in_part_waits_for_a_person_until_it_is_lifted() -> None:
    contained = at(*GOOD[:11], "rollback", "contained", contained=CONTAINED)
    assert (contained.stage, contained.waiting_for) == ("held", "person")
    assert why(contained).message == "r1 was rolled back in part: beta still on it"
    assert why(contained).command == "stationmaster release resume r1 --reason WHY"
    lifted = at(*GOOD[:11], "rollback", "contained", "lifted", contained=CONTAINED)
    assert why(lifted).command == "stationmaster release start r1"
    assert why(lifted).message.startswith("The way back of r1 was ended by a person")


def test_a_way_back_that_is_given_up_says_so_and_what_failed_since_stays() -> None:
    for broken in ((), ("failed",), ("started", "failed")):
        held = at(*GOOD[:11], "rollback", *broken, "lifted", lifted={"reason": "mended"})
        assert (held.stage, why(held).message) == ("held", "The way back of r1 was ended by a person: mended")
    failed = at("started", "failed", "lifted")
    assert (failed.stage, why(failed).message) == ("failed", why(at("started", "failed")).message)


@given(st.data())
def test_on_every_walk_the_trouble_is_that_of_the_stage(data: st.DataObject) -> None:
    told = ["started"]
    for _ in range(data.draw(st.integers(0, 25))):
        stage = fold(story(*told))
        told.append(data.draw(st.sampled_from([event for at_, event in TABLE if at_ == stage])))
    found, order = at(*told, contained=CONTAINED), in_force(story(*told))
    shown = found.trouble and found.trouble.step
    if order == "pause" and found.stage not in CLOSED:
        assert (shown, found.waiting_for) == ("paused", "person")
    elif order == "rollback":
        assert shown in {"rollback", "failed", "waiting", "held"}
    elif found.stage in {"held", "failed"}:
        assert shown == found.stage or (found.stage == "held" and shown in {"contained", "lifted"})
    assert (found.until is not None) == (found.waiting_for not in {None, "person"})
    assert why(found).message
    assert (why(found).command is None) == (found.stage in CLOSED and order != "rollback" and not _on_hold(told))


def _on_hold(told: list[str]) -> bool:
    """Whether it ended rolled back and nobody lifted it since."""
    steps = [step for step in told if step in {"rollback", "lifted"}]
    return fold(story(*told)) == "rolled_back" and steps[-1] == "rollback"
