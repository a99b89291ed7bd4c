"""How `release start` and the watchdog have a release go on, against a real Prefect server without a worker."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateDetails, StateType

from stationmaster.deployments.flow_runs import reschedule, runs_of, runs_under_way, train_runs
from stationmaster.deployments.submission import (
    NotRegisteredError,
    PrefectRuns,
    RunChangesError,
    create,
    ended,
    go_on,
    under_way,
)
from stationmaster.domain.flow_runs import FlowRun, Worker, newest
from stationmaster.domain.request import ReleaseRequest, RollbackRequest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def registered(prefect_server: None) -> Iterator[None]:
    with get_client(sync_client=True) as client:
        flows = [client.create_flow(flow(lambda request: request, name=name)) for name in ("release", "rollback")]  # type: ignore[call-overload] # a lambda will do
        made = [client.create_deployment(flow_id=one, name="stationmaster", entrypoint="x.y") for one in flows]
        yield
        for one in made:
            client.delete_deployment(one)


@pytest.fixture
def begun(registered: None) -> tuple[ReleaseRequest, UUID]:
    """A release of its own, with a flow run that nobody has begun."""
    name = f"r-{uuid4().hex[:12]}"
    asked = ReleaseRequest(id=name, product="shop", ref="v2", starter="ana")
    return asked, create("release/stationmaster", asked).id


def put(run: UUID, kind: str, name: str, due: datetime | None = None) -> None:
    state: State[Any] = State(type=StateType(kind), name=name, state_details=StateDetails(scheduled_time=due))
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, state, force=True)


def now(asked: ReleaseRequest) -> FlowRun:
    found = newest(runs_of([asked.id]), asked.id)
    assert found is not None
    return found


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """What is asked from now on is asked so much later: the server alone says when a state began."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override] # a plain one
            return datetime.now(tz) + timedelta(seconds=seconds)

    monkeypatch.setattr("stationmaster.deployments.submission.datetime", Later)


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def test_what_waits_goes_on_in_the_very_same_run_at_once(begun: tuple[ReleaseRequest, UUID]) -> None:
    asked, run = begun
    put(run, "SCHEDULED", "WaitingForApproval", due=tomorrow())
    assert ended(run) == ("SCHEDULED", "")
    assert go_on(asked, Worker(), LONG_AGO).id == run
    found = now(asked)
    assert (found.kind, found.name) == ("SCHEDULED", "Woken")
    assert found.due is not None
    assert found.due <= datetime.now(UTC)
    assert ended(run) is None


def test_what_crashed_a_while_ago_goes_on_in_the_same_run_and_a_moment_ago_in_a_new_one(
    begun: tuple[ReleaseRequest, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, run = begun
    put(run, "CRASHED", "Crashed")
    other = go_on(asked, Worker(), LONG_AGO).id
    assert other != run
    assert now(asked).id == str(other)
    later(monkeypatch, 31)
    put(other, "CRASHED", "Crashed")
    assert go_on(asked, Worker(), LONG_AGO).id == other  # the old one never comes alive again
    assert now(asked).name == "Woken"


def test_a_run_whose_process_and_worker_are_gone_goes_on(begun: tuple[ReleaseRequest, UUID]) -> None:
    asked, run = begun
    put(run, "RUNNING", "Running")
    heard = datetime.now(UTC) + timedelta(seconds=1)
    assert go_on(asked, Worker(renewed=heard, gone=timedelta(0)), heard).id == run
    assert now(asked).name == "Woken"


def test_one_that_is_reported_crashed_meanwhile_is_left_alone(
    begun: tuple[ReleaseRequest, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, run = begun
    put(run, "RUNNING", "Running")
    monkeypatch.setattr("stationmaster.deployments.submission.sleep", lambda _: put(run, "CRASHED", "Crashed"))
    heard = datetime.now(UTC) + timedelta(seconds=1)
    assert go_on(asked, Worker(renewed=heard, gone=timedelta(0)), heard).id != run


@pytest.mark.parametrize("kind", ["SCHEDULED", "PENDING", "RUNNING"])
def test_one_that_is_about_to_begin_is_left_to_it(begun: tuple[ReleaseRequest, UUID], kind: str) -> None:
    asked, run = begun
    put(run, kind, kind.title(), due=datetime.now(UTC))
    assert go_on(asked, Worker(), LONG_AGO).id == run
    assert now(asked).name == kind.title()
    assert (under_way(asked.id) is None) == (kind == "SCHEDULED")


@pytest.mark.parametrize("kind", ["COMPLETED", "FAILED", "CANCELLED"])
def test_what_ended_goes_on_in_a_new_run(begun: tuple[ReleaseRequest, UUID], kind: str) -> None:
    asked, run = begun
    put(run, kind, kind.title())
    assert go_on(asked, Worker(), LONG_AGO).id != run


def test_a_run_that_changed_since_it_was_seen_is_not_scheduled(begun: tuple[ReleaseRequest, UUID]) -> None:
    asked, run = begun
    put(run, "CRASHED", "Crashed")
    seen = now(asked)
    put(run, "CRASHED", "Crashed")
    assert not reschedule(seen, "AwaitingRetry", "it died")
    assert reschedule(now(asked), "AwaitingRetry", "it died")


def test_a_run_that_never_stays_as_it_was_seen_is_left_with_a_word(
    begun: tuple[ReleaseRequest, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, run = begun
    put(run, "CRASHED", "Crashed")
    later(monkeypatch, 60)
    monkeypatch.setattr("stationmaster.deployments.submission.reschedule", lambda *_: False)
    with pytest.raises(RunChangesError, match="changed each time"):
        go_on(asked, Worker(), LONG_AGO)


def test_the_watchdog_sees_runs_that_the_ledger_does_not_know_and_begins_rollbacks(
    begun: tuple[ReleaseRequest, UUID],
) -> None:
    asked, run = begun
    put(run, "CRASHED", "Crashed")
    assert str(run) in {one.run.id for one in runs_under_way()}
    PrefectRuns().begin(
        RollbackRequest(release=asked.id, product="shop", tenants=("acme",), reason="bad", starter="ana")
    )
    found = PrefectRuns().of([asked.id])
    assert {one.flow for one in found if one.release == asked.id} == {"release", "rollback"}
    assert newest(found, asked.id) != newest(found, asked.id, "rollback")


def test_a_deployment_that_is_not_there_is_named(begun: tuple[ReleaseRequest, UUID]) -> None:
    with pytest.raises(NotRegisteredError, match="no deployment release/elsewhere"):
        create("release/elsewhere", begun[0])


def test_a_train_that_crashed_is_found_and_started_again_and_one_that_waits_is_not_looked_at() -> None:
    with get_client(sync_client=True) as client:
        made = client.create_flow(flow(lambda request: request, name="train"))  # type: ignore[call-overload] # as above
        deployment = client.create_deployment(flow_id=made, name=f"shop-{uuid4().hex[:8]}", entrypoint="x.y")
        run = client.create_flow_run_from_deployment(deployment, parameters={"request": {"product": "shop"}})
        try:
            assert str(deployment) not in train_runs()
            put(run.id, "CRASHED", "Crashed")
            found = train_runs()[str(deployment)]
            assert (found.id, found.kind) == (str(run.id), "CRASHED")
            assert reschedule(found, "AwaitingRetry", "it died")
            assert str(deployment) not in train_runs()
        finally:
            client.delete_deployment(deployment)
