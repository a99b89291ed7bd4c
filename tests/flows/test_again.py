"""Releases that come, go and come again, one over the other, as random commands once found them."""

from collections.abc import Iterator

import pytest

from stationmaster.domain.entries import Draft
from tests.world import Killed, World
from tests.world import world as made

OLD = {"acme": "1", "birch": "1", "cedar": "1"}


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def test_what_was_released_and_went_back_in_part_is_released_again_once_that_is_lifted(world: World) -> None:
    world.release()
    assert world.rollback("r2", "acme").name == "Contained"
    assert world.production() == {"acme": "1", "birch": "1", "cedar": "2"}
    world.ledger.append(Draft(release="r2", step="lifted", fact={"reason": "it was not that"}), world.clock.now())
    assert world.start().name == "Released"
    assert (world.status().stage, world.production()) == ("released", dict.fromkeys(OLD, "2"))


def test_a_release_over_which_another_came_and_went_goes_back_to_what_was_before_both(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.start()
    world.approve()
    world.power.trap = lambda when, call, _: (when, call) == ("before", "target.retire")
    with pytest.raises(Killed):  # it dies when all have it
        world.start()
    world.power.on()
    world.clock.sleep(31)
    assert world.release("r3", "v3").name == "RolledBack"
    assert world.production() == dict.fromkeys(OLD, "2")
    assert world.rollback(now=True).name == "RolledBack"
    assert world.production() == OLD
