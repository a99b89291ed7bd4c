"""Whoever has a release is watched, whatever the leg waits for or breaks on: a bad wave is not left alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stationmaster.domain.errors import StationmasterError
from tests.shop import OPEN, PRODUCT
from tests.world import Killed, World
from tests.world import world as made

NIGHTS = (
    'calendar: {timezone: UTC, default: closed, windows: [{name: n, rrule: FREQ=DAILY, start: "22:00", end: "23:00"}]}'
)
OLD = {"acme": "1", "birch": "1", "cedar": "1"}


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def dies_as_broad_is_watched(world: World) -> None:
    """Everybody has version 2, whose cedar is bad, and nobody has said so yet."""
    world.commit("v2", product=PRODUCT + "gather: 0s\n", fails={"cedar": ["/order"]})
    world.start()
    world.approve()

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        moved = (when, call) == ("after", "ledger.append") and arguments[0].step == "deployed"
        return moved and {"birch", "cedar"} <= {subject for step, subject in world.steps() if step == "deployed"}

    world.power.trap = trap
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(31)
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "2"}


def a_new_pilot(world: World) -> None:
    dinah = f"  - {{id: dinah, name: Dinah, ring: pilot, {NIGHTS}}}"
    world.directory.write_text(f"{world.directory.read_text()}{dinah}\n")


def a_key_withdrawn(world: World) -> None:
    (world.root / "approvers.yaml").write_text('{"people": [{"id": "ana", "name": "Ana", "roles": [], "keys": []}]}')


def a_typo(world: World) -> None:
    world.directory.write_text(world.directory.read_text().replace("ring: pilot", "ring: pilto", 1))


def a_freeze(world: World) -> None:
    world.freeze("env:production")


def gone(world: World) -> None:
    kept = [line for line in world.directory.read_text().splitlines() if "id: cedar" not in line]
    world.directory.write_text("\n".join(kept))


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", [a_new_pilot, a_key_withdrawn, a_typo, a_freeze, gone])
def test_a_bad_wave_goes_back_whatever_else_the_leg_meets(world: World, meanwhile: Callable[[World], None]) -> None:
    dies_as_broad_is_watched(world)
    meanwhile(world)
    assert world.start().name in {"RolledBack", "Contained"}
    assert world.production()["cedar"] == "1"


def test_a_good_one_is_watched_and_then_the_leg_says_what_it_broke_on(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = lambda when, call, given: (when, call) == ("after", "target.shift") and "acme" in given[0]
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(31)
    a_typo(world)
    with pytest.raises(StationmasterError, match="unknown ring 'pilto'"):
        world.start()
    assert ("promoted", "pilot") in world.facts()
    assert world.status().stage == "failed"


def test_two_who_come_and_go_never_share_a_wave_name(world: World) -> None:
    world.commit("v2", product=PRODUCT + "gather: 0s\n")
    text = world.directory.read_text().replace(
        f"name: Cedar, ring: broad, {OPEN}", f"name: Cedar, ring: broad, {NIGHTS}"
    )
    world.directory.write_text(text)
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    world.directory.write_text("\n".join(line for line in text.splitlines() if "id: birch" not in line))
    assert world.start().name == "WaitingForWindow"
    world.directory.write_text(text)
    world.clock.sleep(14 * 3600)
    assert world.start().name == "Released"
    waves = world.last("planned").fact["waves"]
    assert len({wave["name"] for wave in waves}) == len(waves) == 3
