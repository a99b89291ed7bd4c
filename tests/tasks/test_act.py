"""What `act` makes of a function: a task with a name, errors that know their act, and no act when none may be done."""

import traceback
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from stationmaster import tasks
from stationmaster.blocks.leg import Leg, ReleaseAbortedError, ReleasePausedError
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import InputError, OutsideError, RefusedError, StationmasterError, WaitingError
from stationmaster.ledger.leases import LeaseLostError
from stationmaster.tasks import Act, ActBrokeError, ActOverdueError, StrayAnswerError, _outside, _wait_in, act
from tests.shop import SECRET
from tests.world import World


def raising(error: Exception) -> Act[[Leg], None]:
    @act("try", timeout=60)
    def attempt(_leg: Leg) -> None:
        raise error

    return attempt


def test_outside_a_flow_it_is_the_function(world: World) -> None:
    @act("double", timeout=60)
    def double(_leg: Leg, number: int, *, more: int = 0) -> int:
        return 2 * number + more

    with world.leg() as leg:
        assert double(leg, 4, more=1) == double.fn(leg, 4, more=1) == 9
    assert (double.task.name, double.task.retries, double.task.timeout_seconds) == ("double", 3, 60.0)
    assert double.task.retry_delay_seconds == [1.0, 4.0, 15.0]


def test_an_error_learns_where_it_was_raised_and_keeps_it(world: World) -> None:
    error = InputError("no")
    with world.leg() as leg, pytest.raises(InputError):
        raising(error)(leg)
    assert error.step == "try"
    error.step = "deeper"
    with world.leg() as leg, pytest.raises(InputError):
        raising(error)(leg)
    assert error.step == "deeper"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [(KeyError("x"), ActBrokeError, "internal"), (TimeoutError("scope"), ActOverdueError, "act_overdue")],
)
def test_any_other_error_becomes_one_of_ours_with_its_cause(
    world: World, error: Exception, kind: type[StationmasterError], code: str
) -> None:
    with world.leg() as leg, pytest.raises(kind) as known:
        raising(error)(leg)
    assert (known.value.step, known.value.code, known.value.__cause__) == ("try", code, error)


def test_nothing_begins_after_an_abort_or_a_takeover(world: World) -> None:
    done = []

    @act("touch", timeout=60)
    def touch(_leg: Leg) -> None:
        done.append(1)

    with world.leg() as leg:
        leg.lost.set()
        with pytest.raises(LeaseLostError):
            touch(leg)
        leg.lost.clear()
        draft = Draft(release="r2", step="aborted", fact={"reason": "enough"}, personal={"who": "ana"})
        world.ledger.append(draft, world.clock.now())
        with pytest.raises(ReleaseAbortedError):
            touch(leg)
    assert done == []


@pytest.mark.parametrize(
    ("error", "again"), [(OutsideError("away"), True), (RefusedError("no"), False), (InputError("wrong"), False)]
)
def test_only_what_lies_outside_is_tried_again(error: Exception, again: bool) -> None:  # noqa: FBT001
    assert _outside(None, None, Failed(data=error)) is again


@pytest.mark.parametrize("kind", [RefusedError, RuntimeError])
def test_what_an_act_says_on_failing_has_no_secret_in_it_nor_in_what_it_came_from(
    world: World, kind: type[Exception]
) -> None:
    @act("leak", timeout=5)
    def leak(_leg: Leg) -> None:
        raise kind(f"the guest printed {SECRET}") from ValueError(SECRET)

    with world.leg() as leg, pytest.raises(StationmasterError) as caught:
        leak(leg)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "***" in caught.value.message


@pytest.mark.parametrize(
    ("wait", "name"),
    [
        (WaitingError("acme opens at ten", waiting_for="window"), "WaitingForWindow"),
        (WaitingError("one more approver", waiting_for="approval"), "WaitingForApproval"),
        (ReleasePausedError("r2", "lunch"), "Paused"),
    ],
)
def test_a_wait_ends_its_task_run_well_and_under_its_name(world: World, wait: WaitingError, name: str) -> None:
    with world.leg() as leg:
        state: Any = raising(wait).task.fn(leg)
    assert (state.type.value, state.name, state.message) == ("COMPLETED", name, wait.message)
    found = _wait_in(state)
    assert found is not None
    assert found.error is wait


def in_a_flow(monkeypatch: pytest.MonkeyPatch, made: Act[[Leg], Any], answer: object) -> Act[[Leg], Any]:
    """The act in a flow run whose task runs end with the answer."""

    class Context:
        @staticmethod
        def get() -> object:
            return object()

    class Run:
        name = made.task.name

        def __call__(self, *_args: Any, **_named: Any) -> object:
            return answer

    task: Any = Run()
    monkeypatch.setattr(tasks, "FlowRunContext", Context)
    return Act(made.fn, task)


@pytest.mark.parametrize(
    "stray",
    [None, True, "approved", (), Completed(), Completed(data=True), Failed(), RefusedError("no"), [1]],
    ids=lambda one: type(one).__name__,
)
def test_in_a_flow_nothing_but_the_acts_own_answer_gets_past(
    world: World, monkeypatch: pytest.MonkeyPatch, stray: object
) -> None:
    """However Prefect comes to answer: a cache, a state of its own, a result that was lost."""
    gate = in_a_flow(monkeypatch, raising(RefusedError("the gate is closed")), stray)
    with world.leg() as leg, pytest.raises(StrayAnswerError, match="no answer of its") as known:
        gate(leg)
    assert known.value.step == "try"


def test_in_a_flow_an_answer_comes_out_and_a_wait_is_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @act("answer", timeout=5)
    def answers(_leg: Leg) -> State[Any]:
        return Completed()  # whatever it is, it is the act's own

    wait = WaitingError("closed", waiting_for="window")
    with world.leg() as leg:
        sent: Any = answers.task.fn(leg)
        assert in_a_flow(monkeypatch, answers, sent)(leg) is sent.value
        waits = in_a_flow(monkeypatch, answers, raising(wait).task.fn(leg))
        with pytest.raises(WaitingError) as known:
            waits(leg)
    assert known.value is wait
