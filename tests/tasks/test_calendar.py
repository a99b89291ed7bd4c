"""The window gate: asked anew each time, for those who have not arrived yet; whom nobody knows is not touched."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.entries import Draft
from stationmaster.domain.plan import Wave
from stationmaster.tasks.build import build
from stationmaster.tasks.calendar import SupersededError, WindowClosedError, require_window
from stationmaster.tasks.cut import cut
from stationmaster.tasks.plan import make_plan
from tests.world import World

WAVE = Wave("broad", {"cloud": ("birch",), "cedar": ("cedar",)})


@contextmanager
def planned(world: World) -> Iterator[tuple[Leg, Cut]]:
    with world.leg() as leg:
        this = cut.fn(leg)
        make_plan.fn(leg, this, build.fn(leg, this))
        yield leg, this


def test_every_closed_tenant_is_named_and_what_to_do(world: World) -> None:
    world.windows("closed")
    with planned(world) as (leg, this), pytest.raises(WindowClosedError) as closed:
        require_window.fn(leg, this, WAVE)
    assert sorted(closed.value.closed) == ["birch", "cedar"]
    assert "the window of birch is closed" in closed.value.message
    assert (closed.value.waiting_for, closed.value.hint) == (
        "window", "when it is open: stationmaster release start r2",
    )  # fmt: skip


def test_it_is_asked_anew_each_time(world: World) -> None:
    with planned(world) as (leg, this):
        require_window.fn(leg, this, WAVE)
        world.windows("closed")
        with pytest.raises(WindowClosedError):
            require_window.fn(leg, this, WAVE)


def test_who_has_arrived_need_not_be_open(world: World) -> None:
    world.windows("closed")
    fact = {"version": "2", "digest": "sha256:" + 64 * "a", "commit": world.source.refs["v2"]}
    with planned(world) as (leg, this):
        world.ledger.append(Draft(release="r2", step="deployed", subject="birch", fact=fact), world.clock.now())
        with pytest.raises(WindowClosedError) as closed:
            require_window.fn(leg, this, WAVE)
    assert list(closed.value.closed) == ["cedar"]


def test_whom_the_directory_does_not_know_is_closed(world: World) -> None:
    wave = Wave("broad", {"cloud": ("ghost",)})
    with planned(world) as (leg, this), pytest.raises(WindowClosedError, match="does not know it any more"):
        require_window.fn(leg, this, wave)


def test_what_another_release_brought_since_is_newer(world: World) -> None:
    fact = {"version": "3", "digest": "sha256:" + 64 * "b", "commit": world.source.refs["v2"]}
    with planned(world) as (leg, this):
        world.ledger.append(Draft(release="r3", step="deployed", subject="birch", fact=fact), world.clock.now())
        with pytest.raises(SupersededError, match="r2 was superseded: birch by r3"):
            require_window.fn(leg, this, WAVE)
