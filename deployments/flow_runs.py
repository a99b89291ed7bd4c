"""Reads and reschedules the flow runs of our deployments. Imports prefect; its settings come first."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun as PrefectRun
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import get_current_settings
from prefect.states import Scheduled

from stationmaster.deployments import descriptor
from stationmaster.deployments.descriptor import NoStackError
from stationmaster.domain.errors import InputError
from stationmaster.domain.flow_runs import Asked, Flow, FlowRun

RELEASE, ROLLBACK, CONTRACT = "release/stationmaster", "rollback/stationmaster", "contract/stationmaster"
_UNDER_WAY = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CRASHED]
_RECENT = timedelta(days=1)
_MOST = 200  # rows that the server gives at once


class NoServerError(InputError):
    """No Prefect server was brought up here, and the person's settings name none."""

    code = "no_server"


def connected() -> SyncPrefectClient:
    """A client of the server that the settings name, else of the one that was brought up here.

    Raises:
        NoServerError: Prefect would start a server of its own for this one call, and nobody would work for it.
    """
    if get_current_settings().api.url is None:
        with suppress(NoStackError):
            descriptor.load().connect()
    if get_current_settings().api.url is None:
        raise NoServerError("no Prefect server is known here", hint="`stationmaster up`, or set PREFECT_API_URL")
    return get_client(sync_client=True)


def runs_of(releases: Iterable[str]) -> list[Asked]:
    """The flow runs of these releases and their rollbacks."""
    names = sorted(releases)
    return _read(filters.FlowRunFilter(name=filters.FlowRunFilterName(any_=names))) if names else []


def runs_under_way() -> list[Asked]:
    """Those of any release that have not ended, or died lately: also of releases that the ledger does not know yet."""
    since = filters.FlowRunFilterExpectedStartTime(after_=datetime.now(UTC) - _RECENT)
    kinds = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=_UNDER_WAY))
    return _read(filters.FlowRunFilter(state=kinds, expected_start_time=since))


def train_runs() -> dict[str, FlowRun]:
    """Per deployment of a train the newest run that has begun and not ended, or died lately."""
    kinds = filters.FlowRunFilterState(
        type=filters.FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CRASHED])
    )
    with connected() as client:
        found = client.read_flow_runs(
            flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=["train"])),
            flow_run_filter=filters.FlowRunFilter(state=kinds),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_MOST,
        )
    since = datetime.now(UTC) - _RECENT
    recent = [run for run in found if run.state and run.state.timestamp > since]
    return {str(run.deployment_id): seen for run in reversed(recent) if (seen := _seen(run))}


def reschedule(run: FlowRun, name: str, message: str) -> bool:
    """Have a worker start the run now. False when it is not in the state any more in which it was seen, or when the
    server refuses; nothing is forced.
    """
    state: State[None] = Scheduled(scheduled_time=datetime.now(UTC), name=name, message=message)
    with connected() as client:
        now = client.read_flow_run(UUID(run.id)).state
        if now is None or str(now.id) != run.state:
            return False
        return client.set_flow_run_state(UUID(run.id), state).status == SetStateStatus.ACCEPT


def _read(wanted: filters.FlowRunFilter) -> list[Asked]:
    with connected() as client:
        found = client.read_flow_runs(
            flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=["release", "rollback", "contract"])),
            deployment_filter=filters.DeploymentFilter(name=filters.DeploymentFilterName(any_=["stationmaster"])),
            flow_run_filter=wanted,
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_MOST,
        )
    return [asked for run in found if (asked := _asked(run))]


def _asked(run: PrefectRun) -> Asked | None:
    """None for one that somebody created with parameters that make no request."""
    request = run.parameters.get("request")
    if not isinstance(request, dict) or run.created is None:
        return None
    flow: Flow = "contract" if "of" in request else "rollback" if "release" in request else "release"
    if "id" not in request and flow == "release":
        return None
    seen = _seen(run)
    return Asked(flow, request, run.created, seen) if seen else None


def _seen(run: PrefectRun) -> FlowRun | None:
    state = run.state
    if state is None:
        return None
    return FlowRun(
        id=str(run.id),
        kind=state.type.value,
        name=state.name or "",
        since=state.timestamp,
        due=state.state_details.scheduled_time,
        starts=run.run_count,
        state=str(state.id),
    )
