"""Work in flight when a window closes, a blackout begins or somebody freezes: `docs/explanation/in-flight.md` is the
table. It is Monday 2026-11-23, 08:00 in UTC, and a wave is given 45 minutes; clocks move at the call that is named.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.shop import OPEN, PRODUCT
from tests.world import Killed, World, once
from tests.world import world as made

OLD = {"acme": "1", "birch": "1", "cedar": "1"}
NEW = {"acme": "2", "birch": "2", "cedar": "2"}
PILOT = {**OLD, "acme": "2"}
WATCH, DEPLOY, BUILD = "metrics.read", "target.start", "artifacts.publish"
MORNING = '{name: morning, rrule: FREQ=DAILY, start: "07:00", end: "09:00"}'
DAY = '{name: day, rrule: FREQ=DAILY, start: "07:00", end: "12:00"}'
AUDIT = "{name: audit, from: 2026-11-23T09:00, to: 2026-11-23T10:00}"
NINE, TEN = "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"
TOMORROW = "2026-11-24T07:00:00Z"


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def calendar(windows: str = "", blackouts: str = "") -> str:
    default = f"closed, windows: [{windows}]" if windows else "open"
    return f"calendar: {{timezone: UTC, default: {default}, blackouts: [{blackouts}]}}"


def agreed(world: World, tenants: str, **own: str) -> World:
    """Version 2 is approved, and these are the calendars of the tenants."""
    text = world.directory.read_text()
    rows = [line.replace(OPEN, own.get(line.split("id: ")[-1].split(",")[0], tenants)) for line in text.splitlines()]
    world.directory.write_text("\n".join(rows))
    world.start()
    world.approve()
    return world


def clock(world: World, call: str, when: str) -> None:
    """The clock stands at an instant when the call is made."""
    world.power.trap = once(call, lambda _: setattr(world.clock, "at", at(when)))


def in_wave(world: World, ring: str, call: str, when: str) -> None:
    """The same in the wave of a ring: it has passed its first gate."""
    left = [when]

    def trap(moment: str, called: str, _arguments: tuple[Any, ...]) -> bool:
        begun = any(step == "promoted" for step, _ in world.steps()) or ring == "pilot"
        if (moment, called) == ("before", call) and begun and left:
            world.clock.at = at(left.pop())
        return False

    world.power.trap = trap


def at_promotion(world: World, when: str) -> Callable[[str, str, tuple[Any, ...]], bool]:
    """The clock stands at an instant when a wave has been promoted."""

    def trap(moment: str, called: str, arguments: tuple[Any, ...]) -> bool:
        if (moment, called) == ("after", "ledger.append") and arguments[0].step == "promoted":
            world.clock.at = max(world.clock.at, at(when))
        return False

    return trap


def at(when: str) -> datetime:
    return datetime.fromisoformat(when).astimezone(UTC)


def waits(world: World, until: str) -> None:
    """The release's run ends as waiting until then."""
    assert world.start().name == "WaitingForWindow"
    assert world.last("waiting").fact["until"] == until


def goes_on(world: World, when: str) -> None:
    world.clock.at = at(when)
    assert world.start().name == "Released"
    assert world.production() == NEW


# The nine transitions of Argo CD's page, in its order.


def test_1_open_by_default_a_blackout_begins_while_a_wave_is_watched(world: World) -> None:
    agreed(world, calendar(blackouts=AUDIT))
    clock(world, WATCH, NINE)
    waits(world, TEN)
    assert world.production() == PILOT
    assert world.last("promoted").subject == "pilot"
    goes_on(world, TEN)


def test_2_open_by_default_a_blackout_begins_before_a_wave_is_switched(world: World) -> None:
    agreed(world, calendar(blackouts=AUDIT))
    clock(world, DEPLOY, NINE)
    waits(world, TEN)
    assert world.production() == OLD
    goes_on(world, TEN)


@pytest.mark.slow
def test_3_inside_a_window_a_blackout_begins_while_a_wave_is_watched(world: World) -> None:
    agreed(world, calendar(DAY, AUDIT))
    clock(world, WATCH, NINE)
    waits(world, TEN)
    assert world.production() == PILOT
    goes_on(world, TEN)


@pytest.mark.slow
def test_4_inside_a_window_a_blackout_begins_before_a_wave_is_switched(world: World) -> None:
    agreed(world, calendar(DAY, AUDIT))
    clock(world, DEPLOY, NINE)
    waits(world, TEN)
    assert world.production() == OLD
    goes_on(world, TEN)


@pytest.mark.slow
def test_5_a_window_ends_in_a_blackout_while_a_wave_is_watched(world: World) -> None:
    agreed(world, calendar(MORNING, AUDIT))
    clock(world, WATCH, NINE)
    waits(world, TOMORROW)
    assert world.production() == PILOT
    goes_on(world, TOMORROW)


@pytest.mark.slow
def test_6_a_window_ends_in_a_blackout_before_a_wave_is_switched(world: World) -> None:
    agreed(world, calendar(MORNING, AUDIT))
    clock(world, DEPLOY, NINE)
    waits(world, TOMORROW)
    assert world.production() == OLD
    goes_on(world, TOMORROW)


@pytest.mark.slow
def test_7_a_window_ends_while_a_wave_is_watched(world: World) -> None:
    agreed(world, calendar(MORNING))
    clock(world, WATCH, NINE)
    waits(world, TOMORROW)
    assert world.production() == PILOT
    assert world.last("promoted").subject == "pilot"
    goes_on(world, TOMORROW)


@pytest.mark.slow
def test_8_the_windows_of_all_tenants_of_a_wave_end_while_it_is_watched(world: World) -> None:
    late = '{name: late, rrule: FREQ=DAILY, start: "07:30", end: "08:59"}'
    agreed(world, calendar(MORNING), acme=OPEN, cedar=calendar(late))
    in_wave(world, "broad", WATCH, NINE)
    assert world.start().name == "Released"  # both are through and watched; nobody is left
    assert world.production() == NEW


@pytest.mark.slow
def test_9_the_window_of_one_tenant_of_a_wave_ends_before_it_is_switched(world: World) -> None:
    world.commit("v2", product=PRODUCT + "gather: 0s\n")
    agreed(world, OPEN, birch=calendar(MORNING.replace("09:00", "10:00")))
    in_wave(world, "broad", DEPLOY, TEN)
    assert world.start().name == "WaitingForWindow"
    assert world.production() == PILOT  # cedar is open, but of a wave all are switched or none
    assert "birch is closed: tenants.yaml:birch#default" in world.last("waiting").fact["message"]
    world.start()  # planned anew: cedar waits for nobody
    assert world.last("planned").fact["why"] == "a slot passed that nobody used"
    assert world.production() == {**NEW, "birch": "1"}
    goes_on(world, TOMORROW)


# What the page does not list.


@pytest.mark.slow
def test_a_window_that_closes_while_it_is_built_or_staged_delays_only_what_is_switched(world: World) -> None:
    """Build and stage touch no tenant, so they ask no tenant's window."""
    text = world.directory.read_text()
    world.directory.write_text(text.replace(OPEN, calendar(MORNING)))
    clock(world, BUILD, NINE)
    assert world.start().name == "WaitingForApproval"
    assert ("staged", "r2") in world.facts()
    world.approve()
    waits(world, TOMORROW)
    assert world.production() == OLD
    goes_on(world, TOMORROW)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["database.expand", "flags.publish"])
def test_a_window_that_closes_while_a_wave_is_prepared_keeps_its_tenants_where_they_are(
    world: World, call: str
) -> None:
    agreed(world, calendar(MORNING))
    clock(world, call, NINE)
    waits(world, TOMORROW)
    assert world.production() == OLD
    assert world.target.where["acme"] == ("cloud", "a")
    goes_on(world, TOMORROW)


@pytest.mark.slow
def test_a_window_that_closes_while_routes_change_lets_all_of_the_wave_through(world: World) -> None:
    agreed(world, OPEN, birch=calendar(MORNING), cedar=calendar(MORNING))
    in_wave(world, "broad", "target.shift", NINE)
    assert world.start().name == "Released"
    assert world.production() == NEW


@pytest.mark.slow
def test_a_window_that_closes_between_waves_starts_no_further_one(world: World) -> None:
    agreed(world, calendar(MORNING))
    world.power.trap = at_promotion(world, NINE)
    waits(world, TOMORROW)
    assert world.production() == PILOT
    goes_on(world, TOMORROW)


@pytest.mark.slow
def test_what_is_started_while_it_is_closed_waits_in_line_for_the_window(world: World) -> None:
    agreed(world, calendar(DAY))
    world.clock.at = at("2026-11-23T06:00:00Z")
    waits(world, "2026-11-23T07:00:00Z")
    waits(world, "2026-11-23T07:00:00Z")
    assert world.production() == OLD
    goes_on(world, "2026-11-23T07:00:00Z")


@pytest.mark.slow
def test_a_window_that_opens_while_it_waits_is_used_at_its_first_second(world: World) -> None:
    agreed(world, calendar(DAY, AUDIT))
    world.clock.at = at("2026-11-23T08:30:00Z")
    waits(world, TEN)  # it is open, but a wave takes longer than until the blackout
    world.clock.at = at("2026-11-23T09:59:59Z")
    waits(world, TEN)
    goes_on(world, TEN)


def test_what_would_not_end_before_the_window_closes_is_not_begun(world: World) -> None:
    agreed(world, calendar(MORNING))
    world.clock.at = at("2026-11-23T08:15:01Z")
    waits(world, TOMORROW)
    assert world.production() == OLD
    assert "too soon for a wave" in world.last("waiting").fact["message"]


@pytest.mark.slow
def test_a_freeze_that_is_ordered_while_a_wave_is_watched_stops_the_next(world: World) -> None:
    agreed(world, OPEN)
    world.power.trap = once(WATCH, lambda _: world.freeze("env:production", hours=1))
    waits(world, NINE)
    assert world.production() == PILOT
    assert world.last("promoted").subject == "pilot"
    world.clock.at = at(NINE)
    assert world.start().name == "Released"


@pytest.mark.slow
def test_a_freeze_that_is_ordered_while_a_wave_is_prepared_stops_that_wave(world: World) -> None:
    agreed(world, OPEN)
    world.power.trap = once(DEPLOY, lambda _: world.freeze("tenant:acme"))
    assert world.start().name == "WaitingForWindow"
    assert world.production() == OLD
    world.thaw("tenant:acme")
    assert world.start().name == "Released"


@pytest.mark.slow
def test_a_wave_that_is_bad_goes_back_although_its_window_closed(world: World) -> None:
    world.commit("v2", fails={"cloud": ["/order"]})
    agreed(world, calendar(MORNING))
    clock(world, WATCH, NINE)
    assert world.start().name == "RolledBack"
    assert world.production() == OLD


@pytest.mark.slow
def test_a_rollback_that_somebody_asks_for_runs_through_a_blackout_and_a_freeze(world: World) -> None:
    agreed(world, calendar(blackouts=AUDIT))
    clock(world, WATCH, NINE)
    waits(world, TEN)
    world.freeze("env:production")
    assert world.rollback("r2", "acme").name in {"RolledBack", "Contained"}
    assert world.production() == OLD


def test_a_release_is_given_up_while_its_window_closes(world: World) -> None:
    agreed(world, calendar(MORNING))

    def gives_up(_: tuple[Any, ...]) -> None:
        world.clock.at = at(NINE)
        world.abort()

    world.power.trap = once(DEPLOY, gives_up)
    assert world.start().name == "Aborted"
    assert world.production() == OLD


@pytest.mark.slow
def test_a_wave_whose_process_died_is_watched_to_its_end_although_its_window_closed(world: World) -> None:
    agreed(world, calendar(MORNING))
    world.power.trap = lambda when, call, _: (when, call) == ("before", WATCH)
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.at = at(NINE)
    waits(world, TOMORROW)
    assert world.production() == PILOT
    assert world.last("promoted").subject == "pilot"


@pytest.mark.slow
def test_a_calendar_that_is_closed_while_a_wave_is_watched_lets_it_end_and_plans_the_rest_anew(world: World) -> None:
    agreed(world, OPEN)
    world.power.trap = once(WATCH, lambda _: world.windows("closed"))
    assert world.start().name == "WaitingForWindow"
    assert world.production() == PILOT
    assert world.start().name == "WaitingForWindow"
    assert world.last("planned").fact["why"] == "a calendar changed"
    world.windows("open")
    assert world.start().name == "Released"


# Where the flow does not yet do what the page says.


@pytest.mark.slow
def test_the_database_of_a_dedicated_tenant_is_not_changed_after_its_window_closed(world: World) -> None:
    agreed(world, OPEN, cedar=calendar(MORNING))
    in_wave(world, "broad", "flags.publish", NINE)
    waits(world, TOMORROW)
    assert world.production() == PILOT
    assert ("expanding", "cedar") not in world.facts()


@pytest.mark.slow
def test_whoever_is_open_does_not_wait_for_whoever_closed(world: World) -> None:
    world.commit("v2", product=PRODUCT + "gather: 0s\n")
    agreed(world, OPEN, birch=calendar(MORNING.replace("09:00", "10:00")))
    in_wave(world, "broad", DEPLOY, TEN)
    assert world.start().name == "WaitingForWindow"
    reached = world.production()["cedar"] == "2"
    assert reached or world.last("waiting").fact["until"] < TOMORROW  # birch opens then; cedar is open now


def test_the_page_names_every_test_here_and_no_other() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "in-flight.md"
    named = set(re.findall(r"`(test_\w+)`", page.read_text("utf-8")))
    here = {name for name in globals() if name.startswith("test_") and "page_names" not in name}
    assert named == here
