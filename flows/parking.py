"""How a leg that waits ends: its flow run is scheduled anew, under a name that says for what, and no process stays."""

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateDetails, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import Abort
from prefect.utilities.engine import propose_state_sync

from stationmaster.domain.waiting import SHOWN, look_again


def park(ended: State[None], until: datetime | None = None) -> State[None]:
    """`ended` itself, unless it is a wait and a worker can start this flow run again: then the run is parked, and this
    does not return. To be called when the lease was given back, or nobody else could work meanwhile.

    Raises:
        Abort: Prefect's signal to end the process without another word. It is no Exception, and nothing may catch it.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if ended.name not in SHOWN or run is None or run.deployment_id is None:
        return ended
    at = look_again(ended.name, until, datetime.now(UTC))
    if _scheduled(run.id, ended, at):
        raise Abort(f"parked until {at:%Y-%m-%d %H:%M:%S} UTC")
    return ended  # somebody cancelled the run meanwhile


def _scheduled(run: UUID, ended: State[None], at: datetime) -> bool:
    """Whether the server took it. The message begins with what is awaited: lists of runs show no more."""
    parked: State[None] = State(
        type=StateType.SCHEDULED, name=ended.name, message=ended.message, state_details=StateDetails(scheduled_time=at)
    )
    with get_client(sync_client=True) as client:
        return propose_state_sync(client, parked, flow_run_id=run).is_scheduled()
