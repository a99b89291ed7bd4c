"""Whether production runs what was approved. It looks, records and tells; it mends nothing."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from stationmaster.blocks.drift import check
from stationmaster.blocks.toolbox import load
from stationmaster.domain.request import TrainRequest

_NAMED = 5  # findings that the run's message names


@flow(name="drift", flow_run_name="{request.product}", retries=0)
def drift(request: TrainRequest) -> State[None]:
    """Compare what runs in production with what the ledger says was approved and brought there; tell of what is new.

    Args:
        request: Whose production.
    """
    tools = load(request.product)
    try:
        found = check(tools, request.product)
    finally:
        tools.ledger.close()
    if not found.findings:
        return Completed(name="NoDrift", message=f"{found.tenants} tenants run what the ledger says")
    more = [f"and {len(found.findings) - _NAMED} more"] if len(found.findings) > _NAMED else []
    told = "; ".join([*map(str, found.findings[:_NAMED]), *more])
    return Failed(name="Drift" if found.certain else "Blind", message=told)
