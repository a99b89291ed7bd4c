"""Releases that wait for calendars, told with a moved clock. It is Monday 2026-11-23, 08:00 in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.shop import OPEN, PRODUCT
from tests.world import World, once
from tests.world import world as made

NIGHTS = (
    'calendar: {timezone: UTC, default: closed, windows: [{name: n, rrule: FREQ=DAILY, start: "22:00", end: "23:00"}]}'
)
OLD, NEW = {"acme": "1", "birch": "1", "cedar": "1"}, {"acme": "2", "birch": "2", "cedar": "2"}


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(world: World, tenant: str, new: str, old: str = OPEN) -> None:
    lines = world.directory.read_text().splitlines()
    changed = [line.replace(old, new) if f"id: {tenant}," in line else line for line in lines]
    assert changed != lines
    world.directory.write_text("\n".join(changed))


def says(world: World, product: str) -> None:
    world.commit("v2", product=PRODUCT + product)


def until(world: World) -> str:
    return str(world.last("waiting").fact["until"])


def test_who_is_open_at_night_is_reached_at_night(world: World) -> None:
    calendar(world, "birch", NIGHTS)
    says(world, "gather: 0s\n")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    assert world.production() == {**NEW, "birch": "1"}
    assert until(world) == "2026-11-23T22:00:00Z"
    assert "birch is closed: tenants.yaml:birch#default" in world.last("waiting").fact["message"]
    world.clock.at = at("2026-11-23T21:59")
    assert world.start().name == "WaitingForWindow"
    world.clock.at = at("2026-11-23T22:00")
    assert world.start().name == "Released"
    assert world.production() == NEW


def test_what_cannot_end_in_time_is_not_begun(world: World) -> None:
    calendar(world, "birch", NIGHTS)
    world.start()
    world.approve()
    world.clock.at = at("2026-11-23T22:20")  # a wave takes 45 minutes
    assert world.start().name == "WaitingForWindow"
    assert "birch closes at 2026-11-23T23:00:00Z, too soon for a wave" in world.last("waiting").fact["message"]
    assert until(world) == "2026-11-24T22:00:00Z"


@pytest.mark.slow
def test_a_slot_that_vanished_is_planned_anew_for_those_who_are_left_and_says_so(world: World) -> None:
    calendar(world, "birch", NIGHTS)
    says(world, "gather: 0s\n")
    world.start()
    world.approve()
    world.start()
    closed = "{timezone: UTC, default: open, blackouts: [{name: audit, from: 2026-11-23T12:00, to: 2026-11-26T00:00}]}"
    calendar(world, "birch", f"calendar: {closed}", NIGHTS)
    world.clock.at = at("2026-11-23T22:00")
    assert world.start().name == "WaitingForWindow"
    assert world.last("planned").fact["why"] == "a calendar changed"
    assert until(world) == "2026-11-26T00:00:00Z"
    assert [wave["tenants"] for wave in world.last("planned").fact["waves"]] == [["acme"], ["cedar"], ["birch"]]
    assert world.facts().count(("deployed", "acme")) == 1
    assert world.facts().count(("promoted", "pilot")) == 1
    world.clock.at = at("2026-11-26T00:00")
    assert world.start().name == "Released"


@pytest.mark.slow
def test_the_next_ring_waits_until_the_one_before_has_soaked(world: World) -> None:
    world.commit("v2", product=PRODUCT.replace("{name: pilot, watch: 3s}", "{name: pilot, watch: 3s, soak: 2h}"))
    world.start()
    world.approve()
    assert world.start().name == "WaitingForSoak"
    assert world.production() == {**OLD, "acme": "2"}
    assert until(world) == "2026-11-23T10:00:03Z"
    world.clock.sleep(7200)
    assert world.start().name == "Released"


@pytest.mark.slow
def test_no_more_tenants_a_day_than_support_can_bear(world: World) -> None:
    says(world, "capacity: {per_day: 2}\n")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    reached = [name for name, version in world.production().items() if version == "2"]
    assert len(reached) <= 2
    world.clock.at = at("2026-11-24T08:00")
    assert world.start().name == "Released"


@pytest.mark.slow
def test_support_is_there_when_a_wave_begins(world: World) -> None:
    hours = (
        '{timezone: UTC, default: closed, windows: [{name: day, rrule: "FREQ=DAILY", start: "09:00", end: "17:00"}]}'
    )
    says(world, f"support: {{hours: {hours}}}\n")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    assert until(world) == "2026-11-23T09:00:00Z"
    assert "support.hours#default" in world.last("waiting").fact["message"]
    world.clock.at = at("2026-11-23T09:00")
    assert world.start().name == "Released"


@pytest.mark.slow
def test_a_notice_has_to_run_first(world: World) -> None:
    calendar(world, "cedar", f"{OPEN}, notice_days: 3")
    says(world, "gather: 0s\n")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    assert world.production() == {**NEW, "cedar": "1"}
    assert until(world) == "2026-11-26T00:00:00Z"
    world.clock.at = at("2026-11-26T00:00")
    assert world.start().name == "Released"


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["product", "production"])
def test_the_product_and_its_production_have_calendars_too(world: World, scope: str) -> None:
    audit = "{timezone: UTC, default: open, blackouts: [{name: audit, from: 2026-11-23T00:00, to: 2026-11-24T00:00}]}"
    says(world, f"calendars: {{{scope}: {audit}}}\n")
    assert world.start().name == ("WaitingForWindow" if scope == "product" else "WaitingForApproval")
    if scope == "production":
        world.approve()
        assert world.start().name == "WaitingForWindow"
    assert world.production() == OLD
    assert until(world) == "2026-11-24T00:00:00Z"
    world.clock.at = at("2026-11-24T00:00")
    if scope == "product":
        world.start()
        world.approve()
    assert world.start().name == "Released"


@pytest.mark.slow
def test_what_tenants_share_is_migrated_although_one_is_closed_unless_it_forbids_migrations(world: World) -> None:
    calendar(world, "acme", NIGHTS)
    world.start()
    world.approve()
    world.start()
    assert ("expanded", "cloud") in world.facts()
    erp = "{name: erp, from: 2026-11-24T00:00, to: 2026-11-25T00:00, applies_to: [migration]}"
    calendar(world, "birch", f"calendar: {{timezone: UTC, default: open, blackouts: [{erp}]}}")
    world.clock.at = at("2026-11-24T08:00")
    world.commit("v3", head="r3")
    world.start("r3", "v3")
    world.approve("r3")
    assert world.start("r3", "v3").name == "WaitingForWindow"
    assert "expand of cloud of r3 waits for a window: birch is closed for migrations" in (
        world.last("waiting", "r3").fact["message"].replace("birch: birch", "birch")
    )
    assert ("expanded", "cloud") not in world.facts("r3")


@pytest.mark.slow
def test_going_back_asks_no_calendar_of_those_who_are_hit(world: World) -> None:
    world.commit("v2", bad={"cloud": 5})
    world.start()
    world.approve()
    world.power.trap = once("target.shift", lambda _: world.windows("closed"))
    assert world.start().name == "RolledBack"
    assert world.production() == OLD


@pytest.mark.slow
def test_a_process_that_starts_a_moment_after_its_slot_began_still_has_it(world: World) -> None:
    """The window is exactly as long as a wave takes."""
    calendar(world, "birch", NIGHTS.replace('"23:00"', '"22:45"'))
    says(world, "gather: 0s\n")
    world.start()
    world.approve()
    world.start()
    world.clock.at = at("2026-11-23T22:00:12")
    assert world.start().name == "Released"


@pytest.mark.slow
def test_a_notice_runs_from_when_the_tenant_was_first_planned(world: World) -> None:
    says(world, "gather: 0s\n")
    world.start()
    world.clock.at = at("2026-12-04T08:00")
    calendar(world, "cedar", f"{OPEN}, notice_days: 3")
    dinah = f"  - {{id: dinah, name: Dinah, ring: broad, {OPEN}, notice_days: 10}}"
    world.directory.write_text(f"{world.directory.read_text()}\n{dinah}\n")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    assert world.production() == NEW  # cedar was planned eleven days ago
    assert until(world) == "2026-12-14T00:00:00Z"
