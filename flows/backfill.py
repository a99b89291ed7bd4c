"""The backfills of a release by themselves, beside it or after it. Startable alone, several at once: whoever has the
release's lease records what was done, the others lend a hand, and no two work on one tenant.
"""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from stationmaster.blocks.backfill_beside import cut_of, lend_a_hand, want_backfill
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.toolbox import load
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.request import BackfillRequest
from stationmaster.flows.filling import Shown, fill_in
from stationmaster.flows.leg import fill_up, this_run, until
from stationmaster.flows.parking import park
from stationmaster.ledger.leases import LeaseHeldError
from stationmaster.tasks.attest import attest
from stationmaster.tasks.seal import seal

BACKFILL = "backfill/stationmaster"  # the deployment that more workers are runs of


class BackfillNotRegisteredError(OutsideError):
    """The Prefect server has no deployment of which more workers could be runs."""

    code = "backfill_not_registered"


@flow(name="backfill", flow_run_name="{request.of}", retries=0)
def backfill(request: BackfillRequest) -> State[None]:
    """Fill in the rows of those who have a release, tenant by tenant, as it declares.

    Args:
        request: Of which release, and with how many workers. Asking for the same again goes on where it stopped.
    """
    tools = load(request.product)
    want_backfill(tools, request)
    hire(request)
    try:
        ended = fill_up(tools, request, this_run(), carry)
    except LeaseHeldError:
        rows = lend_a_hand(tools, request.of, Shown)
        return Completed(name="LentAHand", message=f"{rows:,} rows of {request.of} are filled in by all who work on it")
    return park(ended, until(tools, request.of))


def carry(leg: Leg) -> None:
    """What is left, and its evidence."""
    fill_in(leg, cut_of(leg.tools, leg.release))
    attest(leg)
    seal(leg)


def hire(request: BackfillRequest) -> None:
    """Submit the other workers, once for each start of this run: the key answers with the runs that there are.

    Raises:
        BackfillNotRegisteredError: Prefect does not know how.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    for number in range(2, request.workers + 1):
        alone = request.model_copy(update={"workers": 1})
        try:
            run_deployment(
                BACKFILL, parameters={"request": alone.model_dump(mode="json")}, flow_run_name=f"{request.of} {number}",
                timeout=0, as_subflow=False, tags=[f"product:{request.product}"],
                idempotency_key=f"{run.id} {run.run_count} {number}" if run else None,
            )  # fmt: skip
        except ObjectNotFound:
            raise BackfillNotRegisteredError(
                f"the Prefect server has no deployment {BACKFILL}", hint="stationmaster register"
            ) from None
