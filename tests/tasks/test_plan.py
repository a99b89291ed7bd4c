"""The plan is made once per artifact and directory, and followed by every later leg."""

from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.plan import make_plan
from tests.shop import OPEN
from tests.world import World

NIGHTS = (
    'calendar: {timezone: UTC, default: closed, windows: [{name: n, rrule: FREQ=DAILY, start: "22:00", end: "23:00"}]}'
)


def test_rings_become_waves_and_a_later_leg_follows_them(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        plan = make_plan.fn(leg, this, artifact)
        assert make_plan.fn(leg, this, artifact) == plan
        assert world.facts().count(("planned", "r2")) == 1
    assert [(wave.ring, wave.tenants) for wave in plan.waves] == [("pilot", ("acme",)), ("broad", ("birch", "cedar"))]
    assert plan.shared == ("cloud",)
    assert world.last("planned").fact["digest"] == plan.digest


def test_a_tenant_that_moved_since_means_a_new_plan_which_is_approved_anew(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        before = make_plan.fn(leg, this, artifact)
        world.directory.write_text(
            world.directory.read_text().replace(f"ring: broad, {OPEN}, h", f"ring: pilot, {OPEN}, h")
        )
        after = make_plan.fn(leg, this, artifact)
    assert after.digest != before.digest
    assert [(wave.ring, wave.tenants) for wave in after.waves] == [("pilot", ("acme", "cedar")), ("broad", ("birch",))]


def test_a_calendar_that_changed_means_a_new_plan_that_says_so(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        make_plan.fn(leg, this, artifact)
        world.directory.write_text(
            world.directory.read_text().replace(f"ring: broad, {OPEN}}}", f"ring: broad, {NIGHTS}}}")
        )
        after = make_plan.fn(leg, this, artifact)
    assert world.last("planned").fact["why"] == "a calendar changed"
    assert [(wave.name, wave.tenants, wave.start and wave.start.hour) for wave in after.waves] == [
        ("pilot", ("acme",), 8),
        ("broad", ("birch", "cedar"), 22),  # nobody waits longer than `gather` for the others
    ]


def test_a_slot_that_passed_unused_is_planned_anew(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        before = make_plan.fn(leg, this, artifact)
        world.clock.sleep(44 * 60)
        assert make_plan.fn(leg, this, artifact) == before
        world.clock.sleep(60)
        after = make_plan.fn(leg, this, artifact)
        assert make_plan.fn(leg, this, artifact) == after
    assert world.last("planned").fact["why"] == "a slot passed that nobody used"
    assert [wave.start and wave.start.minute for wave in after.waves] == [45, 30]


def test_who_is_closed_for_ever_comes_last_and_keeps_nobody_waiting_but_where_nobody_else_is_in_the_ring(
    world: World,
) -> None:
    text = world.directory.read_text()
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        world.directory.write_text(
            text.replace(f"name: Birch, ring: broad, {OPEN}", "name: Birch, ring: pilot, calendar: null")
        )
        behind = make_plan.fn(leg, this, artifact)
        world.directory.write_text(
            text.replace(f"name: Acme, ring: pilot, {OPEN}", "name: Acme, ring: pilot, calendar: null")
        )
        first = make_plan.fn(leg, this, artifact)
    assert [(wave.name, wave.tenants) for wave in behind.waves] == [
        ("pilot", ("acme",)), ("broad", ("cedar",)), ("pilot-2", ("birch",)),
    ]  # fmt: skip
    assert [(wave.name, wave.tenants) for wave in first.waves] == [("pilot", ("acme",)), ("broad", ("birch", "cedar"))]
    assert first.waves[0].start is None


def test_a_pinned_tenant_that_lags_is_left_and_told(world: World) -> None:
    pinned = world.directory.read_text().replace("name: Cedar, ", "name: Cedar, pinned: '1', max_lag: 1, ")
    world.directory.write_text(pinned)
    world.release()
    world.commit("v3")
    world.start("r3", "v3")
    place = next(one for one in world.last("planned", "r3").fact["placements"] if one["tenant"] == "cedar")
    assert place["reason"] == "is pinned to version 1, 2 versions behind, more than the 1 that its contract allows"
