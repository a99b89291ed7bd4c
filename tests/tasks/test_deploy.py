"""Deploy and shift: converge on what is wanted, record it once, and obey only whoever holds the release."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from stationmaster.blocks.artifact_store import ArtifactCorruptError
from stationmaster.blocks.flag_store import FlagFileError
from stationmaster.blocks.instances import InstanceDidNotStartError, UnknownInstanceError
from stationmaster.blocks.openness import WindowClosedError
from stationmaster.blocks.serving import start_instance
from stationmaster.blocks.supervisor import FencedError
from stationmaster.tasks.deploy import deploy, publish_flags, shift
from tests.shop import FLAGS, SECRET
from tests.tasks.conftest import Ready
from tests.world import World, once

Prepared = Callable[..., AbstractContextManager[Ready]]
COLOURS = {"cloud": "b"}


def test_a_wave_is_routed_and_recorded_once(world: World, ready: Prepared) -> None:
    with ready() as now:
        colour = deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        assert world.tenants()["acme"] == "1"
        for _ in range(2):
            shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], {"cloud": colour})
    assert world.tenants()["acme"] == "2"
    assert world.target.did.count(("shifted", "acme", "2")) == 1
    assert world.facts().count(("deployed", "acme")) == 1
    fact = world.last("deployed").fact
    assert world.tools.evidence.bytes_of(fact.pop("log")).startswith(b"serving with {")
    assert fact == {
        "version": "2", "digest": now.artifact.digest, "commit": now.cut.commit.commit, "instance": "cloud",
        "colour": colour, "asked_at": "2026-11-23T08:00:00Z",
    }  # fmt: skip


def test_what_takes_long_says_when_the_approvals_were_asked(world: World, ready: Prepared) -> None:
    """The mandate may be over when it is recorded: what counts is the gate in front of it."""
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        world.power.trap = once("target.shift", lambda _: world.clock.sleep(20))
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
        publish_flags.fn(now.leg, now.cut)
    asked = [world.last(step).fact["asked_at"] for step in ("deployed", "flagged")]
    assert asked == ["2026-11-23T08:00:00Z", "2026-11-23T08:00:20Z"]
    assert world.last("deployed").at == "2026-11-23T08:00:20Z"


def test_deploying_twice_starts_one_process(world: World, ready: Prepared) -> None:
    with ready() as now:
        assert {deploy.fn(now.leg, now.cut, now.artifact, "cloud") for _ in range(3)} == {"b"}
    assert world.target.did.count(("started", "cloud", "2")) == 1


def test_what_the_process_printed_before_anybody_was_routed_to_it_is_kept_once_and_without_secrets(
    world: World, ready: Prepared
) -> None:
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        world.target.runs["cloud", "b"]["env"] = "what acme asked"
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
    kept = world.tools.evidence.bytes_of(world.last("deployed").fact["log"])
    assert b"DATABASE_URL" in kept
    assert b"***" in kept
    assert SECRET.encode() not in kept
    assert b"acme" not in kept


@pytest.mark.parametrize("note", [None, '{"log": "sha', "[]"])
def test_a_note_of_a_log_that_is_gone_or_half_written_is_made_again(
    world: World, ready: Prepared, note: str | None
) -> None:
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        (path,) = (now.leg.folder("deployed")).glob("cloud-b-*.json")
        path.unlink()
        if note is not None:
            path.write_text(note)
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
    assert world.last("deployed").fact["log"].startswith("sha256:")


def test_a_route_that_was_changed_since_is_set_again(world: World, ready: Prepared) -> None:
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
        world.target.where["acme"] = ("cloud", "a")
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
    assert world.tenants()["acme"] == "2"
    assert world.facts().count(("deployed", "acme")) == 1


def test_a_wave_that_was_closed_since_is_not_routed(world: World, ready: Prepared) -> None:
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        world.windows("closed")
        with pytest.raises(WindowClosedError, match=r"acme is closed: tenants\.yaml:acme#default"):
            shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
        world.windows("open")
        world.freeze("tenant:acme")
        with pytest.raises(WindowClosedError, match="tenant acme is frozen"):
            shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
        world.thaw("tenant:acme")
        assert ("deployed", "acme") not in world.facts()
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
        world.freeze("env:production")
        world.target.where["acme"] = ("cloud", "a")
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
    assert world.tenants()["acme"] == "2"


def test_who_was_routed_before_a_freeze_is_put_on_record_during_it(world: World, ready: Prepared) -> None:
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        world.target.where["acme"] = ("cloud", "b")
        world.freeze("env:production")
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
    assert world.facts().count(("deployed", "acme")) == 1


def test_a_process_that_came_up_in_the_other_colour_is_on_record(world: World, ready: Prepared) -> None:
    """Both processes of an instance died; the next deploy takes the other colour."""
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
        world.target.runs["cloud", "c"] = world.target.runs.pop(("cloud", "b"))
        shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], {"cloud": "c"})
    assert world.last("deployed").fact["colour"] == "c"


def test_an_artifact_that_somebody_changed_is_not_started(world: World, ready: Prepared) -> None:
    with ready() as now:
        path = world.store.path(now.artifact.digest)
        path.chmod(0o644)
        path.write_text('{"version": "evil"}')
        with pytest.raises(ArtifactCorruptError):
            deploy.fn(now.leg, now.cut, now.artifact, "cedar")
    assert ("started", "cedar", "evil") not in world.target.did


def test_an_instance_that_the_target_does_not_know_moves_nobody(world: World, ready: Prepared) -> None:
    with ready() as now:
        world.target.instances = ("stage", "cloud")  # cedar's is gone
        with pytest.raises(UnknownInstanceError, match="no instance 'cedar'"):
            deploy.fn(now.leg, now.cut, now.artifact, "cedar")
    assert world.tenants()["cedar"] == "1"


def test_whoever_was_taken_over_moves_nobody(world: World, ready: Prepared) -> None:
    with ready() as now:
        deploy.fn(now.leg, now.cut, now.artifact, "cloud")
        world.target.told["r2"] = now.leg.fence.epoch + 1  # the target has seen the next holder
        with pytest.raises(FencedError):
            shift.fn(now.leg, now.cut, now.artifact, now.plan.waves[0], COLOURS)
    assert world.tenants()["acme"] == "1"
    assert ("deployed", "acme") not in world.facts()


def test_flags_are_those_of_the_commit(world: World, ready: Prepared) -> None:
    with ready() as now:
        publish_flags.fn(now.leg, now.cut)
        assert (world.root / "flags.json").read_text() == FLAGS
        world.source.commits[now.cut.commit.commit]["flags.json"] = "{"
        with pytest.raises(FlagFileError) as refused:
            publish_flags.fn(now.leg, now.cut)
    assert refused.value.file == "flags.json"
    assert (world.root / "flags.json").read_text() == FLAGS


def test_an_instance_that_ends_at_once_is_named(world: World, ready: Prepared) -> None:
    with ready() as now:
        broken = world.root / "broken"
        broken.write_text('{"version": "3", "kind": "broken"}')
        made = world.store.publish(broken)
        with pytest.raises(InstanceDidNotStartError, match="cloud ended"):
            start_instance(now.leg, now.cut.product.service, made.digest, "cloud")
