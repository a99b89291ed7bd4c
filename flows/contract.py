"""The contract of a release, after it: what code before it needs is taken away, database by database. It waits for all
conditions of each, holds no process meanwhile, and each database waits alone.
"""

from prefect import flow
from prefect.client.schemas.objects import State

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.toolbox import load
from stationmaster.domain.request import ContractRequest
from stationmaster.flows.leg import take_away, this_run, until
from stationmaster.flows.parking import park
from stationmaster.flows.showing import show_contract
from stationmaster.tasks.asking import ask_approval
from stationmaster.tasks.attest import attest
from stationmaster.tasks.contract import (
    contract_database,
    contract_stage,
    end,
    lay_down,
    look,
    prove,
    read,
    require,
    require_contract_approval,
)
from stationmaster.tasks.seal import seal


@flow(name="contract", flow_run_name="{request.of}", retries=0)
def contract(request: ContractRequest) -> State[None]:
    """Take away what code before a release needs, where nobody runs that any more.

    Args:
        request: Of which release. Asking for the same again goes on where it stopped.
    """
    tools = load(request.product)
    return park(take_away(tools, request, this_run(), carry), until(tools, request.of))


def carry(leg: Leg) -> None:
    """From the conditions to the last database."""
    while (what := read(leg)).left:
        found = look(leg, what)
        show_contract(leg.release, found)
        may = require(leg, found)

        lay_down(leg, what, may)
        ask_approval(leg, what.cut)
        require_contract_approval(leg, what)

        contract_stage(leg, what)
        prove(leg, what)
        for instance in may:
            contract_database(leg, what, instance)
        attest(leg)

    end(leg, what)
    show_contract(leg.release, {})
    attest(leg)
    seal(leg)
