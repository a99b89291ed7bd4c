"""How a wait looks to Prefect's server: no failed task run, and a flow run that is started again by its name and time.

Without a worker: the run of a deployment is carried out here, as a worker's process would.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort
from prefect.flow_engine import run_flow
from prefect.states import Completed, Scheduled

from stationmaster.blocks.leg import Leg
from stationmaster.domain.errors import WaitingError
from stationmaster.flows.parking import park
from stationmaster.tasks import act
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]
UNTIL = datetime(2099, 6, 1, 20, 0, tzinfo=UTC)


def waiting(until: datetime | None, name: str = "WaitingForWindow") -> Any:
    @flow(name="parked", retries=0)
    def waits() -> State[None]:
        return park(Completed(name=name, message="acme opens Tue 22:00"), until)

    return waits


def deployed(body: Any) -> UUID:
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(flow_id=client.create_flow(body), name="parked", entrypoint="x.y")
        return client.create_flow_run_from_deployment(deployment).id


def read(run: UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def carry_out(body: Any) -> FlowRun:
    """One run of a deployment, in this process."""
    run = deployed(body)
    with pytest.raises(Abort):
        run_flow(body, read(run))
    return read(run)


def test_the_run_of_a_deployment_is_parked_with_name_message_and_time() -> None:
    state = carry_out(waiting(UNTIL)).state
    assert state is not None
    assert (state.type.value, state.name, state.message) == ("SCHEDULED", "WaitingForWindow", "acme opens Tue 22:00")
    assert state.state_details.scheduled_time == UNTIL


@pytest.mark.parametrize(
    ("name", "hours"), [("WaitingForWindow", 1), ("WaitingForApproval", 24), ("WaitingForPerson", 24), ("Paused", 24)]
)
def test_what_nobody_knows_the_end_of_is_looked_at_again(name: str, hours: int) -> None:
    before = datetime.now(UTC)
    state = carry_out(waiting(None, name)).state
    assert state is not None
    assert state.state_details.scheduled_time is not None
    assert (
        before + timedelta(hours=hours)
        <= state.state_details.scheduled_time
        <= datetime.now(UTC) + timedelta(hours=hours)
    )


def test_the_same_run_begins_again_and_may_be_parked_again() -> None:
    body = waiting(UNTIL)
    run = carry_out(body)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Scheduled(name="Woken"))
    with pytest.raises(Abort):
        run_flow(body, read(run.id))
    again = read(run.id)
    assert (again.run_count, again.state_name, again.state_type and again.state_type.value) == (
        2,
        "WaitingForWindow",
        "SCHEDULED",
    )


def test_without_a_deployment_nobody_could_start_it_again_so_it_ends() -> None:
    state = waiting(UNTIL)(return_state=True)
    assert (state.type.value, state.name, state.message) == ("COMPLETED", "WaitingForWindow", "acme opens Tue 22:00")
    assert park(state, UNTIL) is state  # and so does what runs in no flow


def test_what_is_no_wait_is_not_parked() -> None:
    body = waiting(UNTIL, "Released")
    run = deployed(body)
    run_flow(body, read(run))
    assert (read(run).state_name, read(run).state_type and read(run).state_type) == ("Released", "COMPLETED")


def test_a_gate_that_waits_is_no_failed_task_run_and_lets_nobody_past(world: World) -> None:
    states: list[State[Any]] = []
    past: list[str] = []

    @act("gate", timeout=60)
    def gate(_leg: Leg) -> None:
        raise WaitingError("one more approver", waiting_for="approval")

    gate.task.on_completion_hooks.append(lambda _task, _run, state: states.append(state))
    with world.leg() as leg:

        @flow(name="gated", retries=0)
        def gated() -> State[None]:
            try:
                gate(leg)
            except WaitingError as wait:
                return Completed(name="WaitingForApproval", message=wait.message)
            past.append("the gate")
            return Completed()

        ended = gated(return_state=True)
    assert past == []
    assert [(one.type.value, one.name, one.message) for one in states] == [
        ("COMPLETED", "WaitingForApproval", "one more approver")
    ]
    assert ended.name == "WaitingForApproval"


@pytest.mark.parametrize("answer", [None, 7, ("a", "b"), {"a": 1}, Completed()], ids=lambda one: type(one).__name__)
def test_what_an_act_answers_comes_back_as_it_is(world: World, answer: object) -> None:
    @act("answer", timeout=60)
    def answers(_leg: Leg) -> object:
        return answer

    found: list[object] = []
    with world.leg() as leg:

        @flow(name="answering")
        def answering() -> None:
            found.append(answers(leg))

        answering()
    assert found == [answer]
    assert found[0] is answer
