"""Stage: what runs now and what comes, both proved on the new schema, by their own journeys."""

from typing import Any

import pytest

from stationmaster.blocks.instances import InstanceDidNotStartError, WrongDigestError
from stationmaster.blocks.openness import FrozenError
from stationmaster.domain.entries import Draft
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.expand import expand
from stationmaster.tasks.stage import StageFailedError, stage
from tests.shop import PRODUCT
from tests.world import World


def staged(world: World, release: str = "r3", ref: str = "v3") -> None:
    with world.leg(release, ref) as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        expand.fn(leg, this, "stage")
        stage.fn(leg, this, artifact)


def test_every_pair_of_artifact_and_schema_is_recorded_the_new_one_last(world: World) -> None:
    old = world.ledger.running()["acme"].fact["digest"]
    staged(world, "r2", "v2")
    fact = world.last("staged").fact
    assert fact == {"revision": "r2", "pairs": [[old, "r2"], [world.last("built").fact["digest"], "r2"]]}
    assert world.tenants() == {"acme": "1", "birch": "1", "cedar": "1", "stage-probe": "2"}


def given_up(world: World) -> None:
    """Version 3 expanded stage, and nobody got it."""
    world.commit("v3", head="r3")
    staged(world)
    world.abort("r3")


def test_what_knows_nothing_of_a_revision_is_proved_without_it_too(world: World) -> None:
    """A fix of what runs, while a release that was given up left more in stage than its tenants have."""
    given_up(world)
    staged(world, "r4", "v1")
    fact, new = world.last("staged", "r4").fact, world.last("built", "r4").fact["digest"]
    assert (fact["pairs"][-1], fact["covers"]) == ([new, "r3"], [[new, "r1"]])


def test_code_that_has_lost_its_revision_is_proved_with_it_alone(world: World) -> None:
    given_up(world)
    world.commit("v4", head="r1")
    staged(world, "r4", "v4")
    assert "covers" not in world.last("staged", "r4").fact


def test_a_frozen_stage_keeps_what_it_runs(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        expand.fn(leg, this, "stage")
        world.freeze("env:stage")
        with pytest.raises(FrozenError):
            stage.fn(leg, this, artifact)
        assert world.tenants()["stage-probe"] == "1"
        world.thaw("env:stage")
        stage.fn(leg, this, artifact)
        world.freeze("env:stage")
        stage.fn(leg, this, artifact)


def test_each_version_that_runs_anywhere_is_proved(world: World) -> None:
    world.release()
    other = world.root / "other"
    other.write_text('{"version": "0"}')
    fact = {"version": "0", "digest": world.store.publish(other).digest, "commit": world.source.refs["v1"]}
    world.ledger.append(Draft(release="x", step="adopted", subject="cedar", fact=fact), world.clock.now())
    world.commit("v3")
    staged(world)
    assert len(world.last("staged", "r3").fact["pairs"]) == 3


@pytest.mark.parametrize(
    ("app", "error"),
    [
        ({"fails": {"stage": ["/order"]}}, StageFailedError),
        ({"kind": "broken"}, InstanceDidNotStartError),
        ({"kind": "liar"}, WrongDigestError),
    ],
)
def test_what_is_not_good_enough_stays_out_of_production(
    world: World, app: dict[str, Any], error: type[Exception]
) -> None:
    world.commit("v3", **app)
    with pytest.raises(error):
        staged(world)
    assert ("staged", "r3") not in world.facts("r3")
    assert world.tenants() == {"acme": "1", "birch": "1", "cedar": "1", "stage-probe": "1"}


def test_the_message_names_the_version_the_journey_and_the_step(world: World) -> None:
    world.commit("v3", fails={"stage": ["/order"]})
    with pytest.raises(StageFailedError, match=r"fails: order, place: answered 500 where 200 is expected"):
        staged(world)


def test_an_instance_is_given_its_database_and_the_product_s_secrets(world: World) -> None:
    staged(world, "r2", "v2")
    (env,) = [found["env"] for found in world.target.runs.values() if found["version"] == "2"]
    assert env == {"API_TOKEN": "hunter2-secret", "DATABASE_URL": "postgresql://app:hunter2-secret-stage@db/stage"}


def test_a_journey_that_is_new_is_none_of_the_version_before(world: World) -> None:
    more = (
        "journeys: [{name: order, steps: [{name: place, path: /order}]}, {name: new, steps: [{name: a, path: /new}]}]"
    )
    world.target.runs["stage", "a"]["fails"] = {"stage": ["/new"]}  # the version before has no such path
    world.commit("v3", product=PRODUCT.replace("journeys: [{name: order, steps: [{name: place, path: /order}]}]", more))
    staged(world)
    assert world.tenants()["stage-probe"] == "3"
