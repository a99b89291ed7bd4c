"""The window gate: asked anew each time, for those who have not arrived yet; whom nobody knows is not touched."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import FrozenError, WindowClosedError
from stationmaster.blocks.superseding import SupersededError
from stationmaster.domain.artifact import Cut
from stationmaster.domain.entries import Draft
from stationmaster.domain.plan import Wave
from stationmaster.tasks.build import build
from stationmaster.tasks.calendar import StepNotProvedError, require_unfrozen, require_window
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
    assert "birch is closed: tenants.yaml:birch#default" in closed.value.message
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
    world.commit("v3")
    fact = {"version": "3", "digest": "sha256:" + 64 * "b", "commit": world.source.refs["v3"]}
    with planned(world) as (leg, this):
        world.ledger.append(Draft(release="r3", step="deployed", subject="birch", fact=fact), world.clock.now())
        with pytest.raises(SupersededError, match="r2 was superseded: birch by r3") as newer:
            require_window.fn(leg, this, WAVE)
    assert newer.value.hint == "to go on without them: stationmaster release start r2"


def test_what_this_release_would_take_back_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = {"version": "1.1", "digest": "sha256:" + 64 * "b", "commit": world.source.refs["v1"]}
    with planned(world) as (leg, this):
        beside = world.source.changes((), world.source.refs["v1"])
        monkeypatch.setattr(world.source, "changes", lambda _since, _until: beside)  # neither contains the other
        world.ledger.append(Draft(release="r3", step="deployed", subject="birch", fact=fact), world.clock.now())
        with pytest.raises(SupersededError) as other:
            require_window.fn(leg, this, WAVE)
    assert other.value.hint is not None
    assert "release abort r2" in other.value.hint


def test_what_came_after_stage_is_not_replaced_before_it_is_proved(world: World) -> None:
    fact = {"version": "1.1", "digest": "sha256:" + 64 * "b", "commit": world.source.refs["v1"]}
    with planned(world) as (leg, this):
        pairs = {"revision": "", "pairs": [[world.ledger.running()["cedar"].fact["digest"], ""]]}
        leg.record("staged", {}, pairs)
        world.ledger.append(Draft(release="r1", step="deployed", subject="birch", fact=fact), world.clock.now())
        with pytest.raises(StepNotProvedError, match="what birch run came after stage proved r2"):
            require_window.fn(leg, this, WAVE)


def test_what_another_release_brought_and_was_taken_back_from_is_not(world: World) -> None:
    fact = {"version": "1", "digest": "sha256:" + 64 * "b", "commit": world.source.refs["v1"]}
    with planned(world) as (leg, this):
        world.ledger.append(Draft(release="r3", step="rolled_back", subject="birch", fact=fact), world.clock.now())
        require_window.fn(leg, this, WAVE)


def test_who_was_taken_back_from_the_release_is_asked_for_again(world: World) -> None:
    world.windows("closed")
    fact = {"version": "1", "digest": "sha256:" + 64 * "b", "commit": world.source.refs["v1"]}
    with planned(world) as (leg, this):
        world.ledger.append(Draft(release="r2", step="rolled_back", subject="birch", fact=fact), world.clock.now())
        with pytest.raises(WindowClosedError, match="birch"):
            require_window.fn(leg, this, WAVE)


@pytest.mark.parametrize(
    ("scope", "closed"),
    [
        ("env:production", ["birch", "cedar"]),
        ("ring:broad", ["birch", "cedar"]),
        ("tenant:cedar", ["cedar"]),
        ("tenant:acme", []),
        ("ring:pilot", []),
        ("env:stage", []),
    ],
)
def test_a_freeze_closes_whom_it_names_until_it_is_over(world: World, scope: str, closed: list[str]) -> None:
    world.freeze(scope)
    with planned(world) as (leg, this):
        if closed:
            with pytest.raises(WindowClosedError, match="is frozen: ERP is down") as shut:
                require_window.fn(leg, this, WAVE)
            assert list(shut.value.closed) == closed
        world.thaw(scope)
        require_window.fn(leg, this, WAVE)


def test_a_wave_is_woken_when_the_last_freeze_in_its_way_ends(world: World) -> None:
    world.freeze("tenant:birch", hours=2)
    world.freeze("ring:broad", hours=1)
    with planned(world) as (leg, this):
        with pytest.raises(WindowClosedError) as shut:
            require_window.fn(leg, this, WAVE)
        assert (shut.value.waiting_for, shut.value.until) == ("window", "2026-11-23T10:00:00Z")
        world.clock.sleep(7200)
        require_window.fn(leg, this, WAVE)
        world.freeze("tenant:birch", hours=2)
        world.freeze("tenant:cedar")
        with pytest.raises(WindowClosedError) as shut:
            require_window.fn(leg, this, WAVE)
        assert shut.value.until is None


def test_a_frozen_environment_is_not_touched_and_names_the_end_and_the_way_out(world: World) -> None:
    world.freeze("env:stage", hours=3)
    with planned(world) as (leg, this):
        require_unfrozen.fn(leg, this, "production")
        with pytest.raises(FrozenError) as frozen:
            require_unfrozen.fn(leg, this, "stage")
    assert frozen.value.message == "r2 waits: stage is frozen until 2026-11-23T11:00:00Z: ERP is down"
    assert (frozen.value.waiting_for, frozen.value.until) == ("window", "2026-11-23T11:00:00Z")
    assert frozen.value.hint == "stationmaster freeze off --env stage --reason WHY"


def test_what_the_release_has_changed_already_is_not_asked_for_again(world: World) -> None:
    world.start()
    world.freeze("env:stage")
    world.freeze("env:production")
    with world.leg() as leg:
        this = cut.fn(leg)
        require_unfrozen.fn(leg, this, "stage")
        with pytest.raises(FrozenError):
            require_unfrozen.fn(leg, this, "production")
        fact = {"version": "2", "digest": "sha256:" + 64 * "a", "commit": world.source.refs["v2"]}
        world.ledger.append(Draft(release="r2", step="deployed", subject="acme", fact=fact), world.clock.now())
        require_unfrozen.fn(leg, this, "production")
