"""A release beside others: other legs and other names, the same commit again, what is left of one that was given up."""

from typing import Any

import pytest

from stationmaster.domain.errors import OutsideError
from stationmaster.flows.leg import OtherReleaseError
from stationmaster.ledger.leases import LeaseHeldError, LeaseLostError
from tests.shop import OPEN, PRODUCT
from tests.world import World, once, throw

SAME = PRODUCT.replace("NONCE/$$-$(date +%N)/", "NONCE/same/")  # a build that gives the same bytes each time
OLD = {"acme": "1", "birch": "1", "cedar": "1"}


def test_while_another_leg_works_a_start_changes_nothing(world: World) -> None:
    world.start()
    world.ledger.take_lease("r2", "somebody", world.clock.now())
    before = world.ledger.entries()
    with pytest.raises(LeaseHeldError, match="somebody works on r2"):
        world.start()
    assert world.ledger.entries() == before


def test_a_name_belongs_to_one_product_and_ref(world: World) -> None:
    world.start()
    before = world.ledger.entries()
    with pytest.raises(OtherReleaseError, match="r2 is a release of shop from v2, not of shop from v1"):
        world.start("r2", "v1")
    assert world.ledger.entries() == before


def test_who_lost_the_release_writes_nothing_more(world: World) -> None:
    world.start()
    world.approve()

    def taken_over(_arguments: tuple[Any, ...]) -> None:
        world.clock.sleep(60)
        world.ledger.take_lease("r2", "somebody", world.clock.now())

    world.power.trap = once("target.shift", taken_over)
    with pytest.raises(LeaseLostError):
        world.start()
    assert "failed" not in [step for step, _ in world.steps()]
    assert world.facts()[-1] == ("told", "pilot")


def test_the_same_commit_again_finds_nothing_to_do(world: World) -> None:
    world.commit("v3", product=SAME)
    world.release("r3", "v3")
    world.target.did.clear()
    assert world.start("again", "v3").name == "Released"  # nobody has to approve what touches nobody
    assert world.target.did == []
    assert world.last("planned", "again").fact["waves"] == []
    assert "expanded" not in [step for step, subject in world.steps("again") if subject != "stage"]


def test_a_release_given_up_after_the_pilot_is_taken_to_the_rest_by_another(world: World) -> None:
    world.commit("v3", bad={"cloud": 5}, product=SAME)
    world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}  # as bad as its neighbours: held, not taken back
    world.release("r3", "v3")
    world.abort("r3")
    for found in world.target.runs.values():
        found["bad"] = {}
    assert world.release("r4", "v3").name == "Released"  # the pilot's commit is new to the others, and so are its words
    assert world.production() == dict.fromkeys(OLD, "3")
    assert len(world.last("cut", "r4").fact["changes"]) == 2  # v2 never ran anywhere


@pytest.mark.slow
def test_a_tenant_that_is_new_receives_what_the_others_run(world: World) -> None:
    world.commit("v3", product=SAME)
    world.release("r3", "v3")
    dinah = f"  - {{id: dinah, name: Dinah, ring: broad, {OPEN}}}\n"
    world.directory.write_text(world.directory.read_text() + dinah)
    assert world.release("dinah", "v3").name == "Released"
    assert world.production() == dict.fromkeys((*OLD, "dinah"), "3")
    assert world.last("planned", "dinah").fact["waves"][0]["tenants"] == ["dinah"]


@pytest.mark.slow
def test_routes_that_were_changed_behind_our_back_are_set_again(world: World) -> None:
    world.windows("closed")
    world.release()
    world.windows("open")
    world.power.trap = once("target.retire", throw(OutsideError("away")))
    with pytest.raises(OutsideError):
        world.start()
    world.target.where["acme"] = ("cloud", "a")
    assert world.start().name == "Released"
    assert world.production()["acme"] == "2"


@pytest.mark.slow
def test_who_started_first_stays_the_starter(world: World) -> None:
    world.start(starter="ana")
    world.approve(who="ana")
    assert world.start(starter="ben").name == "WaitingForApproval"
    assert "refused by rule: starter" in world.last("waiting").fact["message"]
    world.approve(who="ben")  # who merely went on with it may
    assert world.start().name == "Released"
