"""A release that is given up: its tenants go back to what still runs beside it, once each, and nobody else moves."""

from collections.abc import Iterator

import pytest

from stationmaster.blocks.going_back import route_back
from stationmaster.blocks.instances import NothingRunsError
from stationmaster.domain.entries import Draft
from tests.world import World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    """Version 2 is held at the pilot: acme has it, birch and cedar have not."""
    with made() as one:
        one.commit("v2", fails={"cloud": ["/order"]})
        one.start()
        one.approve()
        one.start()
        assert one.status().stage == "held"
        assert one.tenants()["acme"] == "2"
        one.ledger.append(Draft(release="r2", step="aborted", fact={"reason": "broken"}), one.clock.now())
        yield one


def test_tenants_go_back_once_and_the_ledger_knows(world: World) -> None:
    with world.leg() as leg:
        assert route_back(leg) == ["acme"]
        assert route_back(leg) == []
    assert world.tenants()["acme"] == "1"
    entry = world.ledger.running()["acme"]
    assert (entry.step, entry.fact["version"]) == ("rolled_back", "1")


def test_another_release_can_follow(world: World) -> None:
    with world.leg() as leg:
        route_back(leg)
    world.commit("v3")
    assert world.release("r3", "v3").name == "Released"
    assert {world.tenants()[tenant] for tenant in ("acme", "birch", "cedar")} == {"3"}


def test_what_does_not_run_any_more_is_not_gone_back_to(world: World) -> None:
    del world.target.runs["cloud", "a"]
    with world.leg() as leg, pytest.raises(NothingRunsError, match="acme stays on it"):
        route_back(leg)
    assert world.target.where["acme"] == ("cloud", "b")


def test_a_tenant_that_ran_nothing_before_stays_and_is_named(world: World) -> None:
    fact = world.ledger.running()["acme"].fact
    world.ledger.append(Draft(release="r2", step="deployed", subject="dawn", fact=fact), world.clock.now())
    with world.leg() as leg, pytest.raises(NothingRunsError, match="dawn stays on it"):
        route_back(leg)
    assert world.tenants()["acme"] == "1"
