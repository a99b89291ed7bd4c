"""The way back, from a decision to every tenant on the version before. Startable alone; `release` calls it after a
breach, when the routes are back already.
"""

from prefect import flow
from prefect.client.schemas.objects import State

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.toolbox import load
from stationmaster.domain.request import RollbackRequest
from stationmaster.domain.rollback import Order
from stationmaster.flows.leg import go_back, this_run
from stationmaster.flows.showing import show
from stationmaster.tasks.attest import attest
from stationmaster.tasks.brief import tell_rollback, update_brief
from stationmaster.tasks.rollback import (
    confirm_back,
    end_rollback,
    retire_left,
    route_back,
    send_flags_back,
    stop_backfills,
)
from stationmaster.tasks.seal import seal


@flow(name="rollback", flow_run_name="{request.release}", retries=0)
def rollback(request: RollbackRequest) -> State[None]:
    """Take a release back from its tenants, to what each ran before.

    Args:
        request: Which release, and for whom. Asking for the same again goes on where it stopped.
    """
    tools = load(request.product)
    ended = go_back(tools, request, this_run(), undo)
    show(tools, request.release)
    return ended


def undo(leg: Leg, order: Order) -> None:
    route_back(leg, order)
    stop_backfills(leg)
    flags = send_flags_back(leg)
    retire_left(leg)
    safe = confirm_back(leg, order, flags)
    end_rollback(leg, safe)
    update_brief(leg, leg.release)
    tell_rollback(leg)
    attest(leg)
    seal(leg)
