"""What people see of a backfill in the Prefect UI, beside the run of the release that fills in."""

from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from stationmaster.blocks.confirmation import confirm
from stationmaster.domain.request import ReleaseRequest
from stationmaster.flows.leg import conduct
from stationmaster.flows.release import runbook
from tests.filled import declare, filled
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]


@flow(name="release with rows over the fakes", retries=0)
def leg(world: Any) -> State[None]:
    request = ReleaseRequest(id="r2", product="shop", ref="v2", starter="ana")
    confirm(world.ledger, world.tools.signer, request, "command line", world.clock.now())
    return conduct(world.tools, request, "test", runbook)


def test_each_database_has_its_progress_and_its_tenants(world: World) -> None:
    declare(world)
    world.start()
    world.approve()
    state = leg(world, return_state=True)
    assert state.name == "Released"
    assert filled(world) == ["acme", "birch", "long-gone", "cedar"]
    with get_client(sync_client=True) as client:
        found = {str(one.key): one for one in client.read_artifacts() if str(one.key).startswith("backfill-r2-")}
    keys = {"backfill-r2-cloud-totals", "backfill-r2-cedar-totals"}
    assert set(found) == keys | {f"{key}-tenants" for key in keys}
    assert all(found[key].data == 100.0 for key in keys)
    assert '"tenant": "birch"' in str(found["backfill-r2-cloud-totals-tenants"].data)
    assert {one.flow_run_id for one in found.values()} == {state.state_details.flow_run_id}
