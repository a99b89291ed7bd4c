"""What Prefect makes of acts and legs: which errors it tries again, and how a run ends that did not go well."""

from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from stationmaster.blocks.confirmation import confirm
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.request import ReleaseRequest
from stationmaster.flows import release as release_flow
from stationmaster.flows import rollback as rollback_flow
from stationmaster.flows.leg import conduct
from stationmaster.flows.release import runbook
from stationmaster.tasks.cut import cut
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]


@flow(name="release over the fakes", retries=0)
def leg(world: Any, ref: str = "v2") -> State[None]:
    request = ReleaseRequest(id="r2", product="shop", ref=ref, starter="ana")
    confirm(world.ledger, world.tools.signer, request, "command line", world.clock.now())
    return conduct(world.tools, request, "test", runbook)


def cut_in_a_flow(world: World) -> str:
    @flow(name="cut alone")
    def alone() -> str:
        return cut(one).commit.version

    with world.leg() as one:
        return alone()


def failing(world: World, error: Exception, times: int) -> list[str]:
    """The first calls of the source end with the error; the list grows with each call."""
    calls: list[str] = []

    def trap(when: str, call: str, _arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "source.resolve"):
            calls.append(call)
            if len(calls) <= times:
                raise error
        return False

    world.power.trap = trap
    return calls


def test_what_lies_outside_is_tried_again(world: World) -> None:
    calls = failing(world, OutsideError("the repository is away"), times=1)
    assert cut_in_a_flow(world) == "2"
    assert len(calls) == 2


def test_what_is_wrong_is_not(world: World) -> None:
    calls = failing(world, InputError("no such branch"), times=1)
    with pytest.raises(InputError):
        cut_in_a_flow(world)
    assert len(calls) == 1


def test_plan_progress_and_summary_stand_beside_the_run(world: World) -> None:
    leg(world, return_state=True)
    with get_client(sync_client=True) as client:
        found = {one.key: one for one in client.read_artifacts() if str(one.key).endswith("-r2")}
    kinds = {"plan-r2": "table", "progress-r2": "progress", "summary-r2": "markdown"}
    assert {key: found[key].type for key in kinds} == kinds
    world.approve()
    with get_client(sync_client=True) as client:
        run = leg(world, return_state=True).state_details.flow_run_id
        mine = [one for one in client.read_artifacts() if one.flow_run_id == run]
    assert {str(one.data) for one in mine if one.key == "progress-r2"} == {"0", "33.3", "100"}
    (brief,) = [one for one in mine if one.key == "brief-r2"]
    assert str(brief.data) == f"[The support brief]({world.chat.link(world.last('briefed').fact['ts'])})"


def test_a_held_wave_and_a_broken_act_are_failed_runs_that_say_why(world: World) -> None:
    world.commit("v2", bad={"cloud": 5})
    world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}  # as bad as its neighbours
    leg(world, return_state=True)
    world.approve()
    held = leg(world, return_state=True)
    assert (held.type.value, held.name) == ("FAILED", "Held")
    assert "wave pilot is held" in str(held.message)
    failing(world, KeyError("hunter"), times=9)
    broken = leg(world, return_state=True)
    assert (broken.type.value, broken.name) == ("FAILED", "Failed")
    assert "cut broke: KeyError" in str(broken.message)
    assert world.last("failed").fact["step"] == "cut"


def test_a_breach_ends_in_the_flow_rollback_and_a_failed_release(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for flows in (release_flow, rollback_flow):
        monkeypatch.setattr(flows, "load", lambda _product: world.tools)
    world.commit("v2", bad={"cloud": 5})
    request = ReleaseRequest(id="r2", product="shop", ref="v2", starter="ana")
    confirm(world.ledger, world.tools.signer, request, "command line", world.clock.now())
    release_flow.release(request, return_state=True)
    world.approve()
    ended = release_flow.release(request, return_state=True)
    assert (ended.type.value, ended.name) == ("FAILED", "RolledBack")
    assert (world.tenants()["acme"], world.status().stage) == ("1", "rolled_back")


def test_another_ref_under_the_same_name_records_nothing(world: World) -> None:
    leg(world, return_state=True)
    before = world.ledger.entries()
    refused = leg(world, "v1", return_state=True)
    assert (refused.type.value, "r2 is a release of shop from v2" in str(refused.message)) == ("FAILED", True)
    assert world.ledger.entries() == before
