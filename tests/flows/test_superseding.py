"""A newer release supersedes an older one where that never arrived, and the older one closes when nobody is left."""

from collections.abc import Iterator

import pytest

from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from tests.shop import PRODUCT
from tests.world import World
from tests.world import world as made

SAME = PRODUCT.replace("NONCE/$$-$(date +%N)/", "NONCE/same/")  # a build that gives the same bytes each time
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


def test_where_the_newer_one_was_taken_back_the_older_one_is_not_superseded(world: World) -> None:
    assert world.start().name == "WaitingForApproval"
    world.commit("v3")
    world.release("r3", "v3")
    world.rollback("r3")
    world.lift("r3")  # it brought what r2 brings
    world.approve()
    assert world.start().name == "Released"
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "2"}


def test_an_older_version_is_never_released_over_a_newer_one(world: World) -> None:
    world.release()
    world.target.did.clear()
    assert world.start("old", "v1").name == "Released"
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "2"}
    assert set(places(world, "old").values()) == {"newer"}


def test_closing_leaves_alone_what_another_release_has_just_started(world: World) -> None:
    world.commit("v2", product=SAME)
    world.release()
    world.commit("v3")
    with world.leg("r3", "v3") as leg:
        artifact = build.fn(leg, cut.fn(leg))
        file = str(world.store.path(artifact.digest))
        colour = world.target.start("cloud", file, artifact.digest, (), fence=leg.fence, version="/about")
        assert world.start("again", "v2").name == "Released"
        assert world.target.runs["cloud", colour]["digest"] == artifact.digest
    assert world.start("later", "v2").name == "Released"
    assert ("cloud", colour) not in world.target.runs
