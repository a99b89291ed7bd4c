"""No act on production goes past a gate, whatever a flow does."""

from collections.abc import Callable
from typing import Any

import pytest

from stationmaster.blocks.leg import GateNotPassedError, Leg
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.entries import Draft
from stationmaster.domain.plan import Wave
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.deploy import deploy, publish_flags, shift
from stationmaster.tasks.expand import expand
from tests.world import World

WAVE = Wave("pilot", {"cloud": ("acme",)})
ACTS: dict[str, Callable[[Leg, Cut, Artifact], Any]] = {
    "expand": lambda leg, this, _: expand(leg, this, "cloud"),
    "flags": lambda leg, this, _: publish_flags(leg, this),
    "deploy": lambda leg, this, artifact: deploy(leg, this, artifact, "cloud"),
    "shift": lambda leg, this, artifact: shift(leg, this, artifact, WAVE, {"cloud": "b"}),
}


@pytest.mark.parametrize("act", ACTS)
def test_before_the_approval_production_is_not_touched(world: World, act: str) -> None:
    world.commit("v2")
    with world.leg() as leg:
        this = cut(leg)
        artifact = build(leg, this)
        with pytest.raises(GateNotPassedError, match="production is not touched"):
            ACTS[act](leg, this, artifact)
    assert world.tenants()["acme"] == "1"
    assert world.target.did == []


@pytest.mark.parametrize("act", ACTS)
def test_an_approval_that_a_new_plan_undid_does_not_count(world: World, act: str) -> None:
    world.commit("v2")
    world.release()
    with world.leg() as leg:
        this = cut(leg)
        artifact = build(leg, this)
        plan = world.last("planned")
        world.ledger.append(
            Draft(release="r2", step="planned", inputs={"again": True}, fact=plan.fact), world.clock.now()
        )
        with pytest.raises(GateNotPassedError):
            ACTS[act](leg, this, artifact)


def test_stage_needs_no_approval(world: World) -> None:
    world.commit("v2")
    with world.leg() as leg:
        expand(leg, cut(leg), "stage")
