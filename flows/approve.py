"""Takes an approval into the ledger that was signed elsewhere and came as a code. The Prefect UI knows no users, and
need not: the code proves who signed.
"""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from stationmaster.blocks.approval import Desk
from stationmaster.blocks.channel import Answer, bring
from stationmaster.blocks.toolbox import Toolbox, load
from stationmaster.domain.approval_code import envelope_in
from stationmaster.domain.request import ApprovalRequest

_BY = "the form of the flow approve"  # who brought it; who signed it the code says


@flow(name="approve", flow_run_name="{request.release}", retries=0)
def approve(request: ApprovalRequest) -> State[None]:
    """Record an approval, or that somebody wants a release, and say what it comes to.

    Args:
        request: Of what, and the code. The same code again changes nothing.
    """
    tools = load(request.product)
    try:
        return shown(register(tools, request))
    finally:
        tools.ledger.close()


def register(tools: Toolbox, request: ApprovalRequest) -> Answer:
    """What the code comes to; it is on record whether it counts or not.

    Raises:
        ApprovalCodeError: it is no code, or of something else. Nothing is recorded.
        NothingToApproveError, NotAskedError, ConfirmationRefusedError: nothing is recorded.
    """
    desk = Desk(tools.ledger, tools.source, tools.signer)
    return bring(desk, request.product, request.release, envelope_in(request.code), by=_BY, at=tools.now())


def shown(answer: Answer) -> State[None]:
    """The end of the flow run, which says whether it counts and why not."""
    if answer.counts:
        return Completed(name="Counts", message=answer.said)
    return Failed(name="DoesNotCount", message=answer.said)
