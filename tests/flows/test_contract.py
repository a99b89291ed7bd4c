"""Contracts over the fakes: what they wait for, what they take away, and that nothing happens twice or past a gate."""

import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stationmaster.blocks.contract_revisions import NoContractError
from stationmaster.blocks.contracting import NotOverError, StageAwayError
from stationmaster.blocks.supervisor import Fence
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.rollback import NotProvedError
from stationmaster.tasks.contract import ContractFailedInStageError
from tests.contracts import DAY, FILES, KEEPS, SAYS, conditions, signed
from tests.shop import TENANTS
from tests.world import Begun, Killed, World, once
from tests.world import world as made


@pytest.fixture
def world(released_contract: Begun) -> World:
    """Version 2 brings a contract, and runs for everybody since a day."""
    return released_contract.again()


@pytest.fixture
def ready(signed_contract: Begun) -> World:
    """And its contract is signed."""
    return signed_contract.again()


def test_it_asks_waits_and_takes_away_database_by_database_stage_first(ready: World) -> None:
    world = ready
    world.database.ran.clear()
    assert world.contract().name == "Contracted"
    assert world.database.ran == [("stage", "c2"), ("cedar", "c2"), ("cloud", "c2")]
    (back,) = world.last("contract_mandated").fact["way_back"]
    assert "in production no downgrade: from the first statement on a database on, only a restore" in back
    asked = [
        one for one in map(json.dumps, world.chat.shown.values()) if "the contract of r2 waits for approval" in one
    ]
    assert len(asked) == 1
    assert "only a restore of its backup leads back" in asked[0]
    assert "not rehearsed" not in asked[0], "that is said of the expand"
    steps = [each for each in world.facts() if each[0].startswith(("contract", "proved"))]
    assert steps == [
        ("contract", "r2"), ("contract_mandated", "r2"), ("contract_approved", "r2"), ("contracting", "stage"),
        ("contracted", "stage"), ("proved", "r2"), ("contracting", "cedar"), ("contracted", "cedar"),
        ("contracting", "cloud"), ("contracted", "cloud"), ("contract_over", "r2"),
    ]  # fmt: skip
    assert world.status().stage == "released"
    assert "c2" in world.ledger.history("contracted", "cloud")[-1].fact["after"]
    assert world.last("proved").fact["pairs"][0][1] == "c2,r2"
    assert world.database.copies == {}


def test_again_does_nothing_twice(ready: World) -> None:
    world = ready
    world.contract()
    world.database.ran.clear()
    before = world.facts()
    assert world.contract().name == "Contracted"
    assert (world.database.ran, world.facts()) == ([], before)


def test_a_release_that_is_not_through_has_none(world: World) -> None:
    world.commit("v3", product=SAYS, more=FILES)
    world.start("r3", "v3")
    before = len(world.ledger.entries())
    with pytest.raises(NotOverError, match="r3 is planned"):
        world.contract("r3")
    assert len(world.ledger.entries()) == before


def test_a_product_that_declares_none_has_none() -> None:
    with made() as world:
        world.release()
        with pytest.raises(NoContractError, match="shop declares no contract at 2"):
            world.contract()
        assert [step for step, _ in world.steps() if step.startswith("contracting")] == []


def test_it_waits_for_its_age_and_says_until_when(world: World) -> None:
    world.clock.at -= timedelta(hours=1)
    assert world.contract().name == "WaitingForSoak"
    assert set(conditions(world)) == {("cloud", "age"), ("cedar", "age")}
    assert world.last("waiting").fact["until"] is not None
    world.clock.at += timedelta(hours=1)
    assert world.contract().name == "WaitingForApproval"


def test_a_pinned_tenant_keeps_its_own_database_waiting_and_no_other() -> None:
    with made() as world:
        world.directory.write_text(TENANTS.replace("hosting: dedicated", 'hosting: dedicated, pinned: "1"'))
        world.commit("v2", product=SAYS, more=FILES)
        world.release()
        world.clock.at += DAY
        signed(world)
        assert world.contract().name == "WaitingForVersions"
        assert [one for one in world.database.ran if one[1] == "c2"] == [("stage", "c2"), ("cloud", "c2")]
        reasons = conditions(world)
        assert set(reasons) == {("cedar", "tenants"), ("cedar", "processes"), ("cedar", "stage")}
        assert reasons["cedar", "stage"] == "stage has c2,r2, and did not prove what it would be on c2,r1"
        assert reasons["cedar", "tenants"] == "cedar runs 1"


def test_a_process_of_the_version_before_that_is_kept_warm_is_one(world: World) -> None:
    old = world.ledger.history("adopted", "acme")[0].fact["digest"]
    path, fence = str(world.store.path(old)), Fence(release="by hand", epoch=1)
    world.target.start("cloud", path, old, (), fence=fence, version="/about")
    world.contract()
    assert conditions(world) == {}, "cedar may be contracted"
    world.approve_contract()
    world.contract()
    assert set(conditions(world)) == {("cloud", "processes")}
    assert "cloud" in conditions(world)["cloud", "processes"]


def test_who_does_not_answer_keeps_it_waiting(world: World) -> None:
    world.power.trap = away("target.running")
    assert world.contract().name == "WaitingForVersions"
    assert set(conditions(world)) == {("cloud", "processes"), ("cedar", "processes")}
    assert conditions(world)["cloud", "processes"] == "the deploy target does not say what runs"
    world.power.on()
    assert world.contract().name == "WaitingForApproval"


def away(call: str) -> Callable[[str, str, tuple[Any, ...]], bool]:
    def trap(when: str, called: str, _arguments: tuple[Any, ...]) -> bool:
        if (when, called) == ("before", call):
            raise OutsideError("away")
        return False

    return trap


@pytest.mark.slow
def test_the_way_back_is_kept_until_the_release_after(world: World) -> None:
    world.commit("v3", product=KEEPS, more=FILES)
    world.release("r3", "v3")
    world.clock.at += DAY
    assert world.contract("r3").name == "WaitingForVersions", "what they would go back to is 2, and 3 brings it"
    assert set(conditions(world, "r3")) == {("cloud", "way_back"), ("cedar", "way_back")}
    assert conditions(world, "r3")["cedar", "way_back"] == "cedar would go back to 2"
    world.commit("v4", product=KEEPS, more=FILES)
    world.release("r4", "v4")
    assert world.contract("r3").name == "WaitingForApproval", "they would go back to 3"


def test_after_it_nobody_goes_back_past_it_and_the_ways_out_are_named(ready: World) -> None:
    world = ready
    world.contract()
    before, did = len(world.ledger.entries()), list(world.target.did)
    with pytest.raises(NotProvedError) as refused:
        world.rollback("r2", now=True)
    assert (len(world.ledger.entries()), world.target.did) == (before, did), "nothing was ordered, nobody was moved"
    assert "1 works on schema c2,r2" in refused.value.message
    assert [way.way for way in refused.value.ways] == ["forward", "restore"]
    assert world.production() == dict.fromkeys(["acme", "birch", "cedar"], "2")


def break_stage(world: World, paths: list[str]) -> None:
    for place, runs in world.target.runs.items():
        runs["fails"] = {"stage": paths} if place[0] == "stage" else {}


def test_a_version_that_needs_it_fails_in_stage_which_gets_it_back(ready: World) -> None:
    world = ready
    break_stage(world, ["/order"])
    with pytest.raises(ContractFailedInStageError, match="fails at order") as failed:
        world.contract()
    assert "stage is as it was" in (failed.value.hint or "")
    assert world.database.revision("stage") == ("r2",)
    assert world.database.revision("cloud") == ("r2",)
    assert world.last("contracted").fact["given_back"] is True
    break_stage(world, [])
    assert world.contract().name == "Contracted"


def test_what_was_not_put_back_is_not_said_to_be(ready: World) -> None:
    """Somebody dropped the copy."""
    break_stage(ready, ["/order"])
    ready.power.trap = once("database.put_back", lambda _: ready.database.copies.clear())
    with pytest.raises(ContractFailedInStageError) as failed:
        ready.contract()
    assert "there is no copy of stage any more" in (failed.value.hint or "")
    assert "given_back" not in ready.last("contracted").fact


@pytest.mark.slow
def test_a_copy_of_another_contract_s_making_is_not_what_stage_gets_back(ready: World) -> None:
    ready.database.copies["stage"] = "c1"
    break_stage(ready, ["/order"])
    with pytest.raises(ContractFailedInStageError):
        ready.contract()
    assert ready.database.revision("stage") == ("r2",)


def test_a_copy_that_was_made_before_the_kill_is_the_one_that_stage_gets_back(ready: World) -> None:
    ready.power.trap = lambda when, call, given: (when, call, given[:1]) == ("after", "database.expand", ("stage",))
    with pytest.raises(Killed):
        ready.contract()
    ready.power.on()
    ready.clock.at += timedelta(seconds=31)
    break_stage(ready, ["/order"])
    with pytest.raises(ContractFailedInStageError):
        ready.contract()
    assert ready.database.revision("stage") == ("r2",)


def test_a_stage_that_a_killed_copy_left_without_a_name_is_mended(ready: World) -> None:
    ready.database.away.add("stage")
    ready.database.torn.add("stage")
    assert ready.contract().name == "Contracted"


def test_a_stage_that_is_away_is_said_to_be(ready: World) -> None:
    ready.database.away.add("stage")
    with pytest.raises(StageAwayError, match="does not answer"):
        ready.contract()
    ready.database.away.clear()
    assert ready.contract().name == "Contracted"


@pytest.mark.slow
@pytest.mark.parametrize("moments", [45, 80])
def test_killed_again_and_again_it_arrives_and_does_nothing_twice(ready: World, moments: int) -> None:
    """Each leg lives a little longer: every one looks at all conditions again, which takes as long as it does."""
    world = ready
    for leg in range(40):
        world.power.on()
        world.power.after = moments + 6 * leg
        with contextlib.suppress(Killed):
            assert world.contract().name == "Contracted"
            break
        world.power.on()
        world.clock.at += timedelta(seconds=31)
    assert ("contract_over", "r2") in world.facts()
    _once_each(world)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(3))
def test_killed_at_every_third_moment_it_goes_on_and_does_nothing_twice(signed_contract: Begun, start: int) -> None:
    """Together, every moment of a contract at which its process can die."""
    ready, moment = signed_contract.again(), start
    ready.power.on()
    ready.contract()
    for moment in range(start, ready.power.moments, 3):
        world = signed_contract.again()
        world.power.on()
        world.power.after = moment
        with pytest.raises(Killed):
            world.contract()
        world.power.on()
        world.clock.at += timedelta(seconds=31)
        assert world.contract().name == "Contracted"
        _once_each(world)


def _once_each(world: World) -> None:
    ran = sorted(one for one in world.database.ran if one[1] == "c2")
    assert ran == [("cedar", "c2"), ("cloud", "c2"), ("stage", "c2")]
    assert world.database.copies == {}
    steps = world.facts()
    assert [steps.count(("contracted", name)) for name in ("stage", "cedar", "cloud")] == [1, 1, 1]
