"""What support reads in the brief, whatever becomes of the release: it is held, given up, goes back, goes on."""

import json
from collections.abc import Iterator

import pytest

from tests.world import World, once
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def brief(world: World, release: str) -> str:
    """What stands in its place in the channel now."""
    (ts, _) = world.chat.messages[f"{release}/brief", None]
    return json.dumps(world.chat.shown[ts], ensure_ascii=False)


def messages(world: World) -> list[str]:
    """To support; the approvers were asked before."""
    return [key for key, _ in world.chat.messages if "/approval/" not in key]


def test_a_good_release_is_followed_from_wave_to_wave(world: World) -> None:
    world.release()
    told = [(e.subject, e.fact["progress"]) for e in world.ledger.entries("r2") if e.step == "told"]
    assert told == [("pilot", "now"), ("pilot", "done"), ("broad", "now"), ("broad", "done"), ("r2", "done")]
    assert "✓ *Wave 1: pilot* · done" in brief(world, "r2")
    assert "Released: every tenant of the plan has it." in brief(world, "r2")
    assert messages(world) == ["r2/brief"]


def test_a_held_wave_says_so_and_goes_on_when_it_does(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}
    assert world.release("r3", "v3").name == "Held"
    assert "‖ *Wave 1: pilot* · held" in brief(world, "r3")
    assert "Held at wave 1 of 2 (pilot). A person decides." in brief(world, "r3")
    for found in world.target.runs.values():
        found["bad"] = {}
    assert world.start("r3", "v3").name == "Released"
    assert "✓ *Wave 1: pilot* · done" in brief(world, "r3")


def test_a_release_that_went_back_says_so_and_has_a_message_of_its_own(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    assert world.release("r3", "v3").name == "RolledBack"
    assert "↩ *Wave 1: pilot* · rolled back" in brief(world, "r3")
    assert "○ *Wave 2: broad* · called off" in brief(world, "r3")
    assert messages(world) == ["r3/brief", "r3/rollback/1"]


@pytest.mark.slow
def test_each_rollback_of_a_release_has_its_message(world: World) -> None:
    """The second wave is broken for one instance; then a person takes the rest back too."""
    world.commit("v3", fails={"cedar": ["/order"]})
    assert world.release("r3", "v3").name == "Contained"
    assert "‖ *Wave 2: broad* · held" in brief(world, "r3")
    assert "↩ back on the version before: cedar" in brief(world, "r3")
    assert world.rollback("r3", now=True).name == "RolledBack"
    assert messages(world) == ["r3/brief", "r3/rollback/1", "r3/rollback/2"]
    assert "Rolled back: 3 tenants are back" in brief(world, "r3")


def test_a_release_given_up_on_the_way_says_so(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = once("target.start", lambda _: world.abort())
    assert world.start().name == "Aborted"
    assert "Given up; nothing further happens." in brief(world, "r2")
    assert "○ *Wave 1: pilot* · called off" in brief(world, "r2")


@pytest.mark.slow
def test_a_chat_that_is_away_from_the_first_wave_on_stops_nothing(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.start("r3", "v3")
    world.approve("r3")
    world.power.trap = once("target.shift", lambda _: world.chat.go_away())
    assert world.start("r3", "v3").name == "RolledBack"
    assert world.production() == {"acme": "1", "birch": "1", "cedar": "1"}
    assert messages(world) == ["r3/brief"]
    world.chat.away = False
    world.start("r3", "v3")
    assert "Rolled back" in brief(world, "r3")
    assert messages(world) == ["r3/brief", "r3/rollback/1"]
