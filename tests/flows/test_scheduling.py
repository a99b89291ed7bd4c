"""The schedule of a product's trains on a real Prefect server: one, however often it is registered."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import FlowRun, State, StateDetails, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, RRuleSchedule
from prefect.exceptions import Abort
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from stationmaster.deployments.registration import SLUG, schedule_train
from stationmaster.domain.request import ReleaseRequest
from stationmaster.domain.train import Train
from stationmaster.flows import train as flows
from tests.flows.test_train import CADENCE, services
from tests.shop import PRODUCT
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]
TRAIN = Train(cadence="FREQ=WEEKLY;BYDAY=TU;BYHOUR=9", zone="Europe/Berlin")


@pytest.fixture
def shop() -> Iterator[str]:
    yield "shop"
    with get_client(sync_client=True) as client:
        client.delete_deployment(read().id)


def read() -> DeploymentResponse:
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name("train/shop")


def runs() -> list[FlowRun]:
    """Those that the schedule did not make for later."""
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs()
    return [run for run in found if run.deployment_id == read().id and not run.auto_scheduled]


def rules() -> list[tuple[str | None, str, str | None, bool]]:
    return [
        (one.slug, one.schedule.rrule, one.schedule.timezone, one.active)
        for one in read().schedules
        if isinstance(one.schedule, RRuleSchedule)
    ]


def park(run: UUID) -> None:
    """As a worker that ran it until it waits."""
    later = StateDetails(scheduled_time=datetime.now(UTC) + timedelta(days=5))
    parked: State[None] = State(type=StateType.SCHEDULED, name="WaitingForCutOff", state_details=later)
    with get_client(sync_client=True) as client:
        for state in (State[None](type=StateType.PENDING), State[None](type=StateType.RUNNING), parked):
            client.set_flow_run_state(run, state, force=True)


def test_it_is_registered_once_and_its_first_run_is_due_at_once(shop: str) -> None:
    rule = "DTSTART:20240101T000000\nRRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=TU;BYHOUR=9;BYMINUTE=0"
    for _ in range(3):
        assert schedule_train(shop, TRAIN) == "train/shop"
    assert rules() == [(SLUG, rule, "Europe/Berlin", True)]
    assert read().parameters == {"request": {"product": "shop"}}
    (first,) = runs()
    assert first.parameters == {"request": {"product": "shop"}}
    park(first.id)
    schedule_train(shop, TRAIN.model_copy(update={"zone": "Asia/Tokyo"}))
    assert rules() == [(SLUG, rule, "Asia/Tokyo", True)]
    assert [(run.id, run.state_name) for run in runs()] == [(first.id, "WaitingForCutOff")]


def test_what_people_scheduled_and_paused_stays(shop: str) -> None:
    schedule_train(shop, TRAIN)
    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(read().id, read().schedules[0].id, active=False)
        theirs = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 * * *"), active=False, slug="at-night")
        client.create_deployment_schedules(read().id, [theirs])
    schedule_train(shop, TRAIN)
    assert [active for _, _, _, active in rules()] == [False]
    schedule_train(shop, None)
    assert [(one.slug, one.active) for one in read().schedules] == [("at-night", False)]


def test_who_never_had_trains_has_no_deployment() -> None:
    assert schedule_train("no-trains", None) is None


def test_the_flow_waits_for_the_cut_off_as_a_parked_run_and_remembers_whom_it_serves(
    shop: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services(world, "release-train")
    world.commit("v3", product=f"{PRODUCT}train: {{{CADENCE}}}\n")
    begun: list[ReleaseRequest] = []
    monkeypatch.setattr(flows, "load", lambda _product: world.tools)
    monkeypatch.setattr(flows, "begin", begun.append)
    asked: list[datetime] = []
    due = flows.first_due

    def first_due() -> datetime:
        asked.append(due())
        return world.clock.at  # the world's time is not the server's

    monkeypatch.setattr(flows, "first_due", first_due)
    schedule_train(shop, TRAIN)
    for _ in range(2):
        (run,) = runs()
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, Scheduled(name="Woken"))
        with pytest.raises(Abort):
            run_flow(flows.train, run)
        (parked,) = runs()
        assert parked.run_count == len(asked)
        assert (parked.state_name, parked.state_type and parked.state_type.value) == ("WaitingForCutOff", "SCHEDULED")
    assert asked[0] == asked[1] == parked.expected_start_time
    assert begun == []


def test_prefect_begins_one_release_for_a_train_and_says_when_it_cannot(world: World) -> None:
    request = ReleaseRequest(id="shop-train-x", product="shop", ref="0" * 40, kind="train", starter="release-train")
    with pytest.raises(flows.ReleaseNotRegisteredError):
        flows.begin(request)
    with get_client(sync_client=True) as client:
        made = client.create_deployment(
            flow_id=client.create_flow_from_name("release"), name="stationmaster", entrypoint="x.y"
        )
        for _ in range(3):
            flows.begin(request)
        found = [run for run in client.read_flow_runs() if run.deployment_id == made]
        client.delete_deployment(made)
    assert [(run.name, run.parameters["request"]["id"]) for run in found] == [("shop-train-x", "shop-train-x")]
