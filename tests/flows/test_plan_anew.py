"""A plan that is made anew in the middle of a release keeps those in their wave who have it already: nobody else would
watch what it did to them.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.world import Killed, World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def skip(world: World, tenant: str) -> None:
    fact = {"reason": "their audit"}
    world.ledger.append(world.draft("r2", "skipped", tenant, fact), world.clock.now())


def test_a_bad_pilot_goes_back_although_the_plan_changed(world: World) -> None:
    world.commit("v2", bad={"cloud": 5})
    world.start()
    world.approve()

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        return (when, call) == ("after", "ledger.observe") and arguments[0].step == "verdict"

    world.power.trap = trap
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(31)
    skip(world, "cedar")
    assert world.start().name == "RolledBack"
    assert world.production() == {"acme": "1", "birch": "1", "cedar": "1"}


def test_a_held_pilot_is_watched_again_and_not_forgotten(world: World) -> None:
    world.commit("v2", bad={"cloud": 5})
    world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}
    world.start()
    world.approve()
    assert world.start().name == "Held"
    skip(world, "cedar")
    assert world.start().name == "Held"
    assert world.production() == {"acme": "2", "birch": "1", "cedar": "1"}


@pytest.mark.slow
def test_a_ring_that_was_good_is_not_watched_again(world: World) -> None:
    world.start()
    world.approve()
    world.windows("closed")
    directory = world.directory.read_text()
    world.directory.write_text(directory.replace("default: closed", "default: open", 1))
    assert world.start().name == "WaitingForWindow"
    seen = world.steps().count(("verdict", "pilot"))
    skip(world, "cedar")
    world.windows("open")
    assert world.start().name == "Released"
    assert world.steps().count(("verdict", "pilot")) == seen
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "1"}
