"""What a process did and died before it said so is put on record, and nothing else is."""

from collections.abc import Iterator

import pytest

from stationmaster.blocks.unsaid import put_on_record
from stationmaster.domain.errors import OutsideError
from tests.world import Killed, World, once, throw
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


@pytest.fixture
def torn(world: World) -> World:
    """The process of r2 died when acme's route was changed and nobody knew."""
    world.start()
    world.approve()
    world.power.trap = lambda when, call, args: (when, call) == ("after", "target.shift") and "acme" in args[0]
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(31)
    return world


def test_a_tenant_that_was_moved_is_put_on_record_once(torn: World) -> None:
    assert (torn.production()["acme"], torn.ledger.running()["acme"].fact["version"]) == ("2", "1")
    assert [put_on_record(torn.tools, "r2") for _ in range(2)] == [["acme"], []]
    assert torn.ledger.running()["acme"].release == "r2"


def test_the_leg_that_goes_on_finds_the_entry_it_would_have_made(torn: World) -> None:
    put_on_record(torn.tools, "r2")
    assert torn.start().name == "Released"
    assert torn.facts().count(("deployed", "acme")) == 1


def test_it_is_said_that_it_was_found_and_not_when_it_was_done(torn: World) -> None:
    put_on_record(torn.tools, "r2")
    fact = torn.last("deployed").fact
    assert (fact["found"], "asked_at" in fact) == (True, False)


def test_it_goes_back_with_the_others(torn: World) -> None:
    assert torn.rollback("r2", now=True).name == "RolledBack"
    assert torn.production() == {"acme": "1", "birch": "1", "cedar": "1"}


def test_nothing_is_put_on_record_that_the_ledger_has_or_that_is_elsewhere(world: World) -> None:
    assert put_on_record(world.tools, "r2") == []
    world.start()
    assert put_on_record(world.tools, "r2") == []
    world.approve()
    world.start()
    before = world.ledger.entries()
    assert put_on_record(world.tools, "r2") == []
    world.rollback("r2", now=True)
    world.target.where["acme"] = ("cloud", "b")
    assert put_on_record(world.tools, "r2") == []
    assert [e.step for e in world.ledger.entries()[len(before) :]].count("deployed") == 0


def test_a_target_that_is_away_keeps_no_order_from_being_given(torn: World) -> None:
    torn.power.trap = once("target.routes", throw(OutsideError("away")))
    with pytest.raises(OutsideError):
        put_on_record(torn.tools, "r2")
