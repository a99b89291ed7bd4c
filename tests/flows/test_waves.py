"""A wave of which a part was moved by a process that died, while the others may not be touched any more."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.world import Killed, World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def half_moved(world: World, *, said: bool) -> None:
    """Cedar is on version 2 and birch is not; the process died before or after it `said` so."""
    world.start()
    world.approve()

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        if said:
            return (
                (when, call) == ("after", "ledger.append") and arguments[0].subject == "cedar" and deployed(arguments)
            )
        return (when, call) == ("after", "target.shift") and arguments[1] == "cedar"

    world.power.trap = trap
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(31)
    assert world.production() == {"acme": "2", "birch": "1", "cedar": "2"}


def deployed(arguments: tuple[Any, ...]) -> bool:
    return bool(arguments[0].step == "deployed")


@pytest.mark.parametrize("said", [True, False])
def test_who_has_it_is_watched_before_the_others_are_waited_for(world: World, *, said: bool) -> None:
    half_moved(world, said=said)
    world.windows("closed")
    assert world.start().name == "WaitingForWindow"
    assert world.last("promoted").fact["tenants"] == ["cedar"]
    assert "birch is closed" in str(world.last("waiting").fact["message"])
    seen = world.steps().count(("verdict", "broad"))
    assert world.start().name == "WaitingForWindow"
    assert world.steps().count(("verdict", "broad")) == seen  # once
    world.windows("open")
    assert world.start().name == "Released"
    assert world.last("promoted").fact["tenants"] == ["birch"]  # planned anew: a calendar changed
    assert world.last("promoted").subject == "broad-2"


def test_it_goes_back_when_it_is_bad_although_the_others_wait(world: World) -> None:
    world.commit("v2", fails={"cedar": ["/order"]})
    half_moved(world, said=True)
    world.windows("closed")
    assert world.start().name == "Contained"
    assert world.production() == {"acme": "2", "birch": "1", "cedar": "1"}


@pytest.mark.slow
def test_one_whose_others_may_be_touched_is_moved_and_watched_as_a_whole(world: World) -> None:
    half_moved(world, said=True)
    assert world.start().name == "Released"
    assert [entry.fact["tenants"] for entry in world.ledger.entries("r2") if entry.step == "promoted"] == [
        ["acme"],
        ["birch", "cedar"],
    ]
