"""The plan is made once per artifact and directory, and followed by every later leg."""

from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.plan import make_plan
from tests.world import World


def test_rings_become_waves_and_a_later_leg_follows_them(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        plan = make_plan.fn(leg, this, artifact)
        world.windows("closed")  # says nothing about who goes where
        assert make_plan.fn(leg, this, artifact) == plan
    assert [(wave.ring, wave.tenants) for wave in plan.waves] == [("pilot", ("acme",)), ("broad", ("birch", "cedar"))]
    assert plan.shared == ("cloud",)
    assert world.last("planned").fact["digest"] == plan.digest


def test_a_tenant_that_moved_since_means_a_new_plan_which_is_approved_anew(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        before = make_plan.fn(leg, this, artifact)
        world.directory.write_text(
            world.directory.read_text().replace("ring: broad, window: open, h", "ring: pilot, window: open, h")
        )
        after = make_plan.fn(leg, this, artifact)
    assert after.digest != before.digest
    assert [(wave.ring, wave.tenants) for wave in after.waves] == [("pilot", ("acme", "cedar")), ("broad", ("birch",))]
