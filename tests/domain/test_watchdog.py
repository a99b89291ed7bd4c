"""What is done about a release nobody works on: tables of what is known and what is decided."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.deaths import ENOUGH, deaths
from stationmaster.domain.duration import instant
from stationmaster.domain.flow_runs import FlowRun, Worker
from stationmaster.domain.release import status, why
from stationmaster.domain.watchdog import Decision, Seen, decide
from tests.entries import AT, story

FACTS: dict[str, dict[str, Any]] = {
    "planned": {"waves": [{"ring": "pilot", "tenants": ["acme"]}, {"ring": "broad", "tenants": ["birch", "cedar"]}]},
    "failed": {"step": "build", "code": "x", "message": "m", "hint": None},
    "held": {"verdict": "hold", "cause": "blind", "message": "no metrics"},
    "waiting": {"for": "window", "until": None, "message": "closed", "hint": None},
    "rollback": {"reason": "bad"},
    "paused": {"reason": "lunch"},
    "contained": {"tenants": ["acme"], "left": ["birch"], "seconds_to_last": 0.4, "bad_requests": 3},
}
APPROVAL = {"for": "approval", "until": None, "message": "one more", "hint": None}
PERSON = {"for": "person", "until": None, "message": "paused", "hint": None}
UNWATCHED = {"verdict": "hold", "cause": "unwatched", "message": "nobody"}
TO_PLAN = ("started", "cut", "built", "tested", "staged", "planned")
TO_PILOT = (*TO_PLAN, "approved", "briefed", ("deployed", "acme"))
BACK = ("rollback", ("rolled_back", "acme"))
LONG = timedelta(hours=3)


def run(kind: str, seconds: float = 600, due: timedelta | None = None, starts: int = 1) -> FlowRun:
    """A flow run in its state for `seconds`, at `AT + LONG`."""
    at = AT + LONG
    return FlowRun("7", kind, kind, at - timedelta(seconds=seconds), None if due is None else at + due, starts)


CRASHED, PARKED, DONE = run("CRASHED"), run("SCHEDULED", due=timedelta(days=1)), run("COMPLETED")


def seen(
    *steps: str | tuple[str, str],
    after: timedelta = LONG,
    run: FlowRun | None = CRASHED,
    back: FlowRun | None = None,
    worker: Worker | None = None,
    thawed: int = -1,
    released: int = -1,
    tries: int = 0,
    **facts: dict[str, Any],
) -> Seen:
    entries = story(*steps, facts={**FACTS, **facts})
    return Seen("r1", AT + after, entries, worker or Worker(), run, back, thawed, released, tries)


def decided(*steps: str | tuple[str, str], **known: Any) -> Decision:
    return decide(seen(*steps, **known))


@pytest.mark.parametrize("found", [CRASHED, run("RUNNING"), run("PENDING")])
@pytest.mark.parametrize(
    "steps", [("started",), TO_PLAN[:3], (*TO_PLAN, "approved"), (*TO_PILOT, ("promoted", "pilot"))]
)
def test_what_died_is_started_again(steps: tuple[Any, ...], found: FlowRun) -> None:
    assert decided(*steps, run=found).do == "restart"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((*TO_PLAN[:2], "failed"), "it failed"),
        ((*TO_PILOT, ("held", "pilot")), "a person decides"),
        ((*TO_PILOT, ("held", "pilot"), "failed"), "a person decides"),
        ((*TO_PILOT, "rollback", "contained"), "a person decides"),
        ((*TO_PLAN, "waiting"), "waits for window"),
        ((*TO_PLAN, "paused"), "is paused"),
        ((*TO_PLAN, "waiting", "paused"), "is paused"),
        (("started", "aborted"), "is aborted"),
        ((*TO_PILOT, "released"), "is released"),
        ((*TO_PILOT, "rollback", "restored"), "is rolled_back"),
    ],
)
@pytest.mark.parametrize("found", [CRASHED, run("RUNNING"), run("PENDING"), PARKED])
def test_what_ended_waits_or_is_paused_is_never_started(steps: tuple[Any, ...], why: str, found: FlowRun) -> None:
    made = decided(*steps, run=found, after=timedelta(seconds=59))
    assert (made.do, why in made.why) == ("leave", True)


def test_what_somebody_works_on_is_left_whatever_prefect_says() -> None:
    for steps in (TO_PLAN, TO_PILOT, (*TO_PILOT, "rollback"), (*TO_PLAN, "waiting")):
        assert decided(*steps, worker=Worker(alive=True)).do == "leave"


@pytest.mark.parametrize("found", [run("CRASHED", 29), run("PENDING", 59), run("RUNNING", 44), run("CANCELLED")])
def test_what_is_about_to_begin_or_was_cancelled_is_left(found: FlowRun) -> None:
    assert decided(*TO_PLAN, run=found).do == "leave"


def test_a_run_that_ended_well_without_a_word_is_left_with_one() -> None:
    made = decided(*TO_PLAN, run=DONE)
    assert (made.do, made.loud, "ended as COMPLETED" in made.why) == ("leave", True, True)


@pytest.mark.parametrize("found", [None, run("FAILED")])
def test_what_failed_while_the_ledger_was_away_is_begun_again(found: FlowRun | None) -> None:
    assert decided(*TO_PLAN, run=found).do == "restart"
    assert decided(*TO_PLAN, run=found, after=timedelta(seconds=5)).do == "leave"


def test_a_rollback_that_failed_because_of_something_outside_is_tried_again_after_a_while() -> None:
    outside = {"step": "retire", "code": "outside", "message": "away", "hint": None, "outside": True}
    assert decided(*TO_PILOT, *BACK, "started", "failed", failed=outside, run=DONE).do == "roll_back"
    soon = timedelta(seconds=50)
    assert decided(*TO_PILOT, *BACK, "started", "failed", failed=outside, run=DONE, after=soon).do == "leave"
    refused = {**outside, "outside": False}
    assert decided(*TO_PILOT, *BACK, "started", "failed", failed=refused, run=DONE).do == "leave"


# -- waits


@pytest.mark.parametrize("found", [PARKED, CRASHED, run("RUNNING"), DONE, None])
@pytest.mark.parametrize(
    ("steps", "known"),
    [
        ((*TO_PLAN, "waiting", "approval"), {"waiting": APPROVAL}),
        ((*TO_PLAN, "waiting", "paused", "resumed"), {"waiting": PERSON}),
        ((*TO_PLAN, "waiting"), {"thawed": 9}),
        ((*TO_PLAN, "waiting"), {"waiting": APPROVAL, "released": 9}),  # it may have been superseded
        ((*TO_PLAN, "waiting"), {"waiting": {**FACTS["waiting"], "until": "2026-11-23T09:00:00Z"}}),
        ((*TO_PLAN, "waiting"), {}),  # a calendar is looked at every hour
    ],
)
def test_what_waits_is_woken_by_its_event_and_its_time(
    steps: tuple[Any, ...], known: dict[str, Any], found: FlowRun | None
) -> None:
    assert decided(*steps, run=found, **known).do == "wake"


@pytest.mark.parametrize(
    ("steps", "known"),
    [
        ((*TO_PLAN, "waiting"), {"waiting": APPROVAL}),
        ((*TO_PLAN, "waiting", "approval"), {"after": timedelta(minutes=59)}),  # opens no window
        ((*TO_PLAN, "waiting"), {"thawed": 3, "after": timedelta(minutes=59)}),  # before it began to wait
        ((*TO_PLAN, "waiting"), {"waiting": APPROVAL, "thawed": 9}),
        ((*TO_PLAN, "waiting"), {"waiting": APPROVAL, "released": 3}),
        ((*TO_PLAN, "waiting"), {"waiting": {**APPROVAL, "for": "confirm_start"}, "released": 9}),
        ((*TO_PLAN, "waiting", "approval", "paused"), {"waiting": APPROVAL}),
        ((*TO_PLAN, "waiting"), {"waiting": {**FACTS["waiting"], "until": "2026-11-23T10:59:30Z"}}),  # its alarm rings
    ],
)
def test_what_still_waits_is_left(steps: tuple[Any, ...], known: dict[str, Any]) -> None:
    assert decided(*steps, run=PARKED, **known).do == "leave"


@pytest.mark.parametrize("found", [run("SCHEDULED", due=timedelta(0)), run("PENDING", 5), run("CRASHED", 5)])
def test_what_was_woken_already_is_not_woken_again(found: FlowRun) -> None:
    assert decided(*TO_PLAN, "waiting", "approval", run=found, waiting=APPROVAL).do == "leave"


# -- waves


@pytest.mark.parametrize(
    ("steps", "ring"),
    [
        (TO_PILOT, "pilot"),
        ((*TO_PILOT, ("promoted", "pilot"), ("deployed", "cedar")), "broad"),
        ((*TO_PILOT, "paused"), "pilot"),
        ((*TO_PILOT, ("promoted", "pilot"), *BACK, "contained", "started", ("deployed", "acme")), "pilot"),
    ],
)
@pytest.mark.parametrize("found", [CRASHED, None, run("SCHEDULED", due=timedelta(0))])
def test_a_wave_that_nobody_watches_is_held(steps: tuple[Any, ...], ring: str, found: FlowRun | None) -> None:
    made = decided(*steps, after=timedelta(seconds=61), run=found)
    assert (made.do, made.about) == ("hold", ring)
    assert decided(*steps, after=timedelta(seconds=60), run=found).do != "hold"


def test_as_long_as_its_worker_gave_a_sign_it_was_watched() -> None:
    worker = Worker(renewed=AT + LONG - timedelta(seconds=59))
    assert decided(*TO_PILOT, worker=worker).do != "hold"
    assert decided(*TO_PILOT, worker=Worker(renewed=AT + LONG - timedelta(seconds=61))).do == "hold"


@pytest.mark.parametrize(
    "steps",
    [
        TO_PLAN,
        (*TO_PILOT, ("promoted", "pilot")),
        (*TO_PILOT, *BACK),
        (*TO_PILOT, *BACK, "contained", "started"),
        (*TO_PILOT, "waiting"),
        (*TO_PILOT, ("held", "pilot")),
        (*TO_PILOT, "failed"),
    ],
)
def test_where_no_wave_is_under_way_nothing_is_held(steps: tuple[Any, ...]) -> None:
    assert decided(*steps).do != "hold"


def test_such_a_hold_is_no_verdict_so_the_release_is_started_again() -> None:
    assert decided(*TO_PILOT, ("held", "pilot"), held=UNWATCHED).do == "restart"
    assert decided(*TO_PILOT, ("held", "pilot"), "paused", held=UNWATCHED).do == "leave"


# -- rollbacks


@pytest.mark.parametrize(
    ("found", "back"),
    [(CRASHED, None), (run("RUNNING"), None), (CRASHED, CRASHED), (None, DONE), (DONE, run("PENDING"))],
)
@pytest.mark.parametrize("more", [(), ("aborted",), ("paused",), (("rolled_back", "acme"),)])
def test_a_rollback_nobody_carries_out_is_begun(
    more: tuple[Any, ...], found: FlowRun | None, back: FlowRun | None
) -> None:
    assert decided(*TO_PILOT, "rollback", *more, run=found, back=back).do == "roll_back"


@pytest.mark.parametrize(
    ("found", "back"), [(CRASHED, run("PENDING", 5)), (run("RUNNING", 5), None), (CRASHED, run("RUNNING", 5))]
)
def test_one_that_is_about_to_begin_is_left(found: FlowRun | None, back: FlowRun | None) -> None:
    assert decided(*TO_PILOT, "rollback", run=found, back=back).do == "leave"


def test_whoever_ordered_it_has_a_moment_to_begin_it_and_one_that_failed_is_for_a_person() -> None:
    assert decided(*TO_PILOT, "rollback", after=timedelta(seconds=10)).do == "leave"
    assert decided(*TO_PILOT, "rollback", after=timedelta(seconds=11)).do == "roll_back"
    assert decided(*TO_PILOT, "rollback", "failed").do == "leave"


# -- no endless loops


def test_what_died_five_times_without_a_new_fact_is_left_and_why_says_so() -> None:
    again = ("started",) * ENOUGH
    made = decided("started", "cut", *again)
    assert (made.do, made.loud) == ("leave", True)
    assert "5 times in a row" in made.why
    assert decided("started", "cut", *again[1:]).do == "restart"
    assert decided("started", "cut", *again, "built").do == "restart"
    reason = why(status("r1", story("started", "cut", *again, facts=FACTS), {}))
    assert "begun 5 times in a row without a new fact, so the watchdog leaves it alone" in reason.message
    assert reason.command == "stationmaster release start r1"
    assert "watchdog" not in why(status("r1", story("started", "cut", facts=FACTS), {})).message


def test_holds_of_ours_between_them_are_no_news() -> None:
    steps = (*TO_PILOT, *(("started", ("held", "pilot")) * ENOUGH))
    flat: list[Any] = list(steps)
    entries = story(*flat, facts={**FACTS, "held": UNWATCHED})
    assert deaths(entries) == ENOUGH
    assert decide(Seen("r1", AT + LONG, entries, Worker(), CRASHED)).do == "leave"
    assert "watchdog leaves it alone" in why(status("r1", entries, {})).message


@pytest.mark.parametrize(
    ("steps", "known"),
    [
        (TO_PLAN, {"tries": ENOUGH}),
        ((*TO_PLAN, "waiting", "approval"), {"tries": ENOUGH, "waiting": APPROVAL}),
        ((*TO_PILOT, "rollback"), {"tries": ENOUGH}),
    ],
)
def test_what_never_came_as_far_as_the_ledger_is_not_started_for_ever(
    steps: tuple[Any, ...], known: dict[str, Any]
) -> None:
    assert (decided(*steps, **known).do, decided(*steps, **known).loud) == ("leave", True)


def test_a_release_that_was_only_asked_for_goes_by_its_flow_run_alone() -> None:
    def asked(found: FlowRun) -> str:
        return decide(Seen("r1", AT + LONG, (), Worker(), found)).do

    assert asked(CRASHED) == "restart"
    assert asked(run("CRASHED", 5)) == "leave"
    assert asked(run("CRASHED", starts=ENOUGH)) == "leave"


KINDS = ("SCHEDULED", "PENDING", "RUNNING", "CRASHED", "COMPLETED", "FAILED", "CANCELLED", "PAUSED")


@given(
    kind=st.sampled_from(KINDS),
    age=st.floats(0, 9999),
    worker=st.sampled_from([Worker(), Worker(alive=True)]),
    tries=st.integers(0, 9),
    last=st.sampled_from(["failed", "aborted", "paused", "released"]),
)
def test_whatever_prefect_says_a_person_has_the_last_word(
    kind: str, age: float, worker: Worker, tries: int, last: str
) -> None:
    entries = story(*TO_PLAN, "approved", "briefed", last, "told", facts=FACTS)
    at = datetime(2027, 1, 1, tzinfo=UTC)
    found = FlowRun("7", kind, kind, at - timedelta(seconds=age))
    assert decide(Seen("r1", at, entries, worker, found, None, 999, tries)).do == "leave"


@pytest.mark.parametrize("about", ["approval", "window", "soak", "confirm_start"])
@pytest.mark.parametrize(("minutes", "over"), [(-1, False), (1, True), (178, True), (180, False)])
def test_the_end_of_a_tenants_time_wakes_what_waits_for_something_else(about: str, minutes: int, *, over: bool) -> None:
    """Of a time that was over as the wait began the leg knew."""
    end = instant(AT + timedelta(minutes=minutes))
    waits = {**APPROVAL, "for": about, "until": instant(AT + timedelta(days=9))}
    planned = {**FACTS["planned"], "awaited": {"cedar": end}}
    found = decided(*TO_PLAN, "waiting", run=PARKED, waiting=waits, planned=planned)
    assert found.do == ("wake" if over and about != "confirm_start" else "leave")
