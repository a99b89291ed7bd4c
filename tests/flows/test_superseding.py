"""A newer release supersedes an older one where that never arrived, and the older one closes when nobody is left."""

from collections.abc import Iterator
from typing import Any

import pytest

from stationmaster.blocks.superseding import SupersededError
from stationmaster.blocks.supervisor import Fence
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from tests.shop import PRODUCT
from tests.world import Killed, World
from tests.world import world as made

NEW = {"acme": "3", "birch": "3", "cedar": "3"}


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def places(world: World, release: str = "r2") -> dict[str, str]:
    return {one["tenant"]: one["place"] for one in world.last("planned", release).fact["placements"]}


def skip(world: World, release: str, tenant: str) -> None:
    world.ledger.append(world.draft(release, "skipped", tenant, {"reason": "their audit"}), world.clock.now())


def test_a_release_that_waited_for_an_approval_closes_when_a_newer_one_is_everywhere(world: World) -> None:
    assert world.start().name == "WaitingForApproval"
    world.commit("v3")
    assert world.release("r3", "v3").name == "Released"
    world.target.did.clear()
    assert world.start().name == "Released"
    assert set(places(world).values()) == {"newer"}
    assert world.last("released").fact["tenants"] == 0
    assert world.production() == NEW
    assert world.target.did == []


def test_one_that_waited_for_a_window_goes_on_to_those_whom_the_newer_one_left_out(world: World) -> None:
    world.start()
    world.approve()
    world.windows("closed")
    assert world.start().name == "WaitingForWindow"
    world.windows("open")
    world.commit("v3")
    world.start("r3", "v3")
    skip(world, "r3", "cedar")
    world.approve("r3")
    assert world.start("r3", "v3").name == "Released"
    assert world.start().name == "Released"
    assert world.production() == {"acme": "3", "birch": "3", "cedar": "2"}
    assert places(world) == {"acme": "newer", "birch": "newer", "cedar": "wave"}
    newer = next(one for one in world.last("planned").fact["placements"] if one["tenant"] == "acme")
    assert newer["reason"] == "runs 3 of r3, which contains this release"


@pytest.mark.slow
def test_what_came_meanwhile_is_proved_in_stage_before_it_is_replaced(world: World) -> None:
    """r2 reaches cedar after r3 was proved against version 1 alone."""
    world.commit("v3")
    assert world.start("r3", "v3").name == "WaitingForApproval"
    world.approve("r3")
    world.start()
    skip(world, "r2", "acme")
    skip(world, "r2", "birch")
    world.approve()
    assert world.start().name == "Released"
    second = world.last("built", "r2").fact["digest"]
    assert second not in {digest for digest, _ in world.last("staged", "r3").fact["pairs"]}
    assert world.start("r3", "v3").name == "Released"
    assert second in {digest for digest, _ in world.last("staged", "r3").fact["pairs"]}
    assert world.rollback("r3", "cedar").name == "Contained"
    assert world.production() == {**NEW, "cedar": "2"}


@pytest.mark.slow
def test_where_the_newer_one_was_taken_back_the_older_one_is_not_superseded(world: World) -> None:
    assert world.start().name == "WaitingForApproval"
    world.commit("v3")
    world.release("r3", "v3")
    world.rollback("r3")
    world.lift("r3")  # it brought what r2 brings
    world.approve()
    assert world.start().name == "Released"
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "2"}


@pytest.mark.slow
def test_an_older_version_is_never_released_over_a_newer_one(world: World) -> None:
    world.release()
    world.target.did.clear()
    assert world.start("old", "v1").name == "Released"
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "2"}
    assert set(places(world, "old").values()) == {"newer"}


@pytest.mark.slow
def test_closing_leaves_alone_what_another_release_has_just_started(world: World) -> None:
    world.commit("v3")
    with world.leg("r3", "v3") as leg:
        artifact = build.fn(leg, cut.fn(leg))
    world.ledger.take_lease("r3", "somebody", world.clock.now(), seconds=600)
    file, fence = str(world.store.path(artifact.digest)), Fence(release="r3", epoch=2)
    places: list[str] = []

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        """As r2 is about to find its last wave good, r3 starts beside it."""
        about = (when, call) == ("before", "ledger.append") and (arguments[0].step, arguments[0].subject)
        if about == ("promoted", "broad") and not places:
            places.append(world.target.start("cloud", file, artifact.digest, (), fence=fence, version="/about"))
        return False

    world.start()
    world.approve()
    world.power.trap = trap
    assert world.start().name == "Released"
    assert world.target.runs["cloud", places[0]]["digest"] == artifact.digest


@pytest.mark.slow
def test_one_that_goes_to_nobody_stops_nothing_and_needs_no_approval(world: World) -> None:
    world.release()
    before = dict(world.target.runs)
    world.target.runs["cedar", "a"] = before["cedar", "b"]  # kept warm for somebody
    world.freeze("env:production")
    assert world.start("old", "v1").name == "Released"
    assert ("cedar", "a") in world.target.runs


@pytest.mark.slow
def test_it_waits_until_the_newer_one_was_found_good(world: World) -> None:
    assert world.start().name == "WaitingForApproval"
    world.commit("v3")
    world.start("r3", "v3")
    world.approve("r3")

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        about = call == "ledger.append" and (arguments[0].step, arguments[0].subject)
        return when == "before" and about == ("promoted", "broad")

    world.power.trap = trap
    with pytest.raises(Killed):
        world.start("r3", "v3")
    world.power.on()
    world.clock.sleep(31)
    assert world.start().name == "WaitingForSoak"
    assert "r3 took its place and is not found good yet" in world.last("waiting").fact["message"]
    assert world.start("r3", "v3").name == "Released"
    assert world.start().name == "Released"


@pytest.mark.slow
def test_a_ring_that_a_newer_one_took_over_soaks_before_the_older_one_goes_on(world: World) -> None:
    soaking = PRODUCT.replace("{name: pilot, watch: 3s}", "{name: pilot, watch: 3s, soak: 2h}")
    world.commit("v2", product=soaking)
    world.start()
    world.approve()
    world.commit("v3", product=soaking)
    world.start("r3", "v3")
    world.approve("r3")
    assert world.start("r3", "v3").name == "WaitingForSoak"
    assert world.start().name == "WaitingForSoak"
    assert world.production() == {"acme": "3", "birch": "1", "cedar": "1"}


@pytest.mark.slow
def test_what_a_release_lacks_is_taken_back_by_no_plan_however_late_it_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start()
    world.approve()
    world.commit("v3")
    assert world.release("fix", "v3").name == "Released"
    beside = world.source.changes((), world.source.refs["v1"])
    known = world.source.changes

    def diverged(since: tuple[str, ...], until: str) -> tuple[Any, ...]:
        """Neither r2 nor the fix contains the other."""
        pair = {world.source.refs["v2"], world.source.refs["v3"]}
        return beside if {*since, until} == pair else known(since, until)

    monkeypatch.setattr(world.source, "changes", diverged)
    for _ in range(2):
        with pytest.raises(SupersededError, match="acme by fix"):
            world.start()
        world.clock.sleep(3600)
    assert world.production() == NEW
