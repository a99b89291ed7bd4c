"""Releases whose schema change cannot be made online, told with the fakes: the windows of all tenants, the mode, and
that it ends whatever dies.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.blocks.modes import announced
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.interruption import STEPS, in_mode
from stationmaster.domain.migration_need import ModeNotDeclaredError
from tests.shop import OPEN, PRODUCT
from tests.world import Killed, World
from tests.world import world as made

LONG = "-- Running upgrade r1 -> r2\nALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()"
MODES = PRODUCT.replace("version: /about}", "version: /about, modes: {read_only: router}}")
NIGHTS = (
    'calendar: {timezone: UTC, default: closed, windows: [{name: n, rrule: FREQ=DAILY, start: "22:00", end: "23:59"}]}'
)
CLOUD = ["acme", "birch"]


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        one.commit("v2", product=MODES, sql=LONG)
        yield one


def night(world: World, *tenants: str) -> None:
    lines = world.directory.read_text().splitlines()
    own = {f"id: {name}," for name in tenants}
    changed = [line.replace(OPEN, NIGHTS) if any(one in line for one in own) else line for line in lines]
    world.directory.write_text("\n".join(changed))


def modes(world: World) -> list[tuple[str, ...]]:
    """What was set on the target, in order."""
    return [each[1:] for each in world.target.did if each[0] == "mode"]


def on_and_off(*tenants: str) -> list[tuple[str, ...]]:
    return [(name, mode) for mode in ("read_only", "rw") for name in tenants]


def seen_while_it_runs(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> dict[str, Any]:
    """What production's databases find as they are changed: who is in which mode, by the target."""
    seen: dict[str, Any] = {}
    expand = type(world.database).expand

    def watched(database: Any, instance: str, revisions: Any) -> Any:
        seen[instance] = dict(world.target.in_mode)
        if error is not None and instance != "stage":
            raise error
        return expand(database, instance, revisions)

    monkeypatch.setattr(type(world.database), "expand", watched)
    return seen


def test_all_tenants_of_the_database_are_read_only_while_it_runs_and_in_full_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = seen_while_it_runs(world, monkeypatch)
    assert world.release().name == "Released"
    assert seen == {"stage": {}, "cloud": dict.fromkeys(CLOUD, "read_only"), "cedar": {"cedar": "read_only"}}
    assert modes(world) == [*on_and_off(*CLOUD), *on_and_off("cedar")]
    assert world.target.in_mode == {}
    steps = [each for each in world.steps() if each[0] in {*STEPS, "expanding", "expanded"} and each[1] != "stage"]
    assert steps == [
        ("expanding", "cloud"), ("mode_on", "acme"), ("mode_on", "birch"), ("mode_off", "acme"), ("mode_off", "birch"),
        ("expanded", "cloud"),
        ("expanding", "cedar"), ("mode_on", "cedar"), ("mode_off", "cedar"), ("expanded", "cedar"),
    ]  # fmt: skip


def test_who_is_to_be_told_of_what_and_when_is_on_record_before_anybody_signs(world: World) -> None:
    night(world, "birch")
    world.start()
    steps = [step for step, _ in world.steps()]
    assert steps.index("planned") < steps.index("notice") < steps.index("mandated")
    cedar, cloud = announced(world.ledger, "r2")
    assert (cloud.mode, cloud.tenants, cloud.start) == ("read_only", ("acme", "birch"), "2026-11-23T22:00:00Z")
    assert cloud.why == "1 statement of r2 may lock others out for long"
    assert (cedar.tenants, cedar.start) == (("cedar",), "2026-11-23T08:00:00Z")
    assert world.target.in_mode == {}
    assert "mode_on" not in steps
    shown = str(world.chat.shown)
    assert "acme, birch read-only, expected in the slot from 2026-11-23T22:00:00Z; database cloud" in shown


def test_the_brief_says_it_and_each_record_of_a_mode_leads_to_the_notice(world: World) -> None:
    world.release()
    assert "*Not served in full meanwhile*" in str(world.chat.shown)
    entry = world.last("mode_on")
    notice = next(one for one in world.ledger.entries("r2") if one.index == entry.fact["notice"])
    assert (notice.step, notice.subject) == ("notice", entry.fact["instance"])
    assert {"mode": "read_only", "product": "shop"}.items() <= entry.fact.items()
    assert world.last("mode_off").fact["why"] == "the change is made"


def test_what_the_rehearsal_expects_is_said(world: World) -> None:
    rehearsed = MODES.replace(
        "database: {migrations: migrations}", "database: {migrations: migrations, rehearsal: {rows: {orders: 1000}}}"
    )
    world.commit("v2", product=rehearsed, sql=LONG)
    world.start()
    assert [one.seconds for one in announced(world.ledger, "r2")] == [1.0, 1.0]


@pytest.mark.slow
def test_it_waits_until_all_tenants_of_the_database_are_open_at_once(world: World) -> None:
    night(world, "birch")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    waiting = world.last("waiting").fact
    assert waiting["until"] == "2026-11-23T22:00:00Z"
    assert "expand of cloud (1 statement of r2 may lock others out for long) of r2 waits" in waiting["message"]
    assert "birch is closed" in waiting["message"]
    assert (modes(world), world.database.ran) == ([], [("stage", "r2")])
    world.clock.at = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    assert world.start().name == "Released"


def test_it_wakes_when_all_are_open_at_once_and_not_when_each_has_been_once(world: World) -> None:
    night(world, "birch")
    early = NIGHTS.replace("22:00", "20:00").replace("23:59", "22:45").replace("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=WE")
    world.directory.write_text(world.directory.read_text().replace(f"ring: pilot, {OPEN}", f"ring: pilot, {early}"))
    world.start()
    world.approve()
    world.start()
    assert world.last("waiting").fact["until"] == "2026-11-25T22:00:00Z"


@pytest.mark.slow
def test_without_a_mode_it_waits_for_the_windows_alone(world: World) -> None:
    world.commit("v2", sql=LONG)
    night(world, "acme")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    assert "acme, birch waiting for locks" in str(world.chat.shown)
    world.clock.at = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    assert world.start().name == "Released"
    assert modes(world) == []


def test_a_tenant_of_whom_the_directory_does_not_know_is_limited_by_nobody(world: World) -> None:
    world.target.where["ghost"] = ("cloud", "a")
    world.start()
    world.approve()
    assert world.start().name == "WaitingForWindow"
    assert "ghost: the tenant directory does not know it any more" in world.last("waiting").fact["message"]
    assert modes(world) == []


@pytest.mark.slow
def test_what_is_short_asks_no_tenant_and_limits_nobody(world: World) -> None:
    world.commit("v2", product=MODES, sql="ALTER TABLE orders ADD COLUMN note text")
    night(world, "birch")
    world.start()
    world.approve()
    world.start()
    assert ("cloud", "r2") in world.database.ran
    assert modes(world) == []
    assert announced(world.ledger, "r2") == []


@pytest.mark.slow
def test_a_revision_may_say_what_it_needs_and_a_mode_that_is_not_declared_is_refused_early(world: World) -> None:
    sql = "-- needs maintenance: revision r2\nALTER TABLE orders ADD COLUMN note text"
    world.commit("v2", product=MODES, sql=sql)
    with pytest.raises(ModeNotDeclaredError):
        world.start()
    assert world.last("failed").fact["code"] == "mode_not_declared"
    assert world.database.ran == []
    world.commit("v3", product=MODES.replace("router", "router, maintenance: router"), sql=sql)
    world.release("r3", "v3")
    assert {mode for _, mode in modes(world)} == {"maintenance", "rw"}


def test_it_ends_when_the_change_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = seen_while_it_runs(world, monkeypatch, MigrationFailedError("boom"))
    world.start()
    world.approve()
    with pytest.raises(MigrationFailedError, match="boom"):
        world.start()
    assert seen["cloud"] == dict.fromkeys(CLOUD, "read_only")
    assert world.target.in_mode == {}
    assert world.last("mode_off").fact["why"] == "the change did not end well"


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(0, 32, 4))
def test_killed_anywhere_the_next_leg_ends_it_and_the_change_is_made_once(world: World, moment: int) -> None:
    """From the first tenant that is put into a mode to the last that is not any more."""
    world.start()
    world.approve()
    begun = [False]

    def trap(_when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        begun[0] = begun[0] or (call == "ledger.append" and arguments[0].step == "mode_on")
        if begun[0] and world.power.after is None:
            world.power.after = world.power.moments + moment
        return False

    world.power.trap = trap
    with suppress(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(60)
    assert world.start().name == "Released"
    assert world.target.in_mode == {}
    assert in_mode(world.ledger.latest(STEPS)) == {}
    assert sorted(world.database.ran) == [("cedar", "r2"), ("cloud", "r2"), ("stage", "r2")]


def test_a_leg_that_was_killed_and_may_not_go_on_ends_it_all_the_same(world: World) -> None:
    killed_in_the_middle(world)
    assert world.target.in_mode == dict.fromkeys(CLOUD, "read_only")
    night(world, *CLOUD)
    world.clock.sleep(60)
    assert world.start().name == "WaitingForWindow"
    assert world.target.in_mode == {}
    assert world.last("mode_off").fact["why"] == "the leg that limited it is over"


@pytest.mark.slow
def test_a_rollback_of_a_release_that_was_killed_ends_it(world: World) -> None:
    killed_in_the_middle(world, "cedar")
    assert world.target.in_mode == {"cedar": "read_only"}
    world.clock.sleep(60)
    world.rollback()
    assert world.target.in_mode == {}
    assert world.production() == {"acme": "1", "birch": "1", "cedar": "1"}


@pytest.mark.slow
def test_a_target_that_is_away_for_a_moment_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tries, really = [], world.target.set_mode

    def shaky(tenants: Any, mode: Any, fence: Any = None) -> None:
        tries.append(mode)
        if mode is None and tries.count(None) == 1:
            raise OutsideError("away")
        really(tenants, mode, fence)

    monkeypatch.setattr(world.target, "set_mode", shaky)
    assert world.release().name == "Released"
    assert world.target.in_mode == {}


def killed_in_the_middle(world: World, instance: str = "cloud") -> None:
    """Its process dies while that database is changed."""
    world.start()
    world.approve()
    world.power.trap = lambda when, call, given: (when, call, given[:1]) == ("before", "database.expand", (instance,))
    with suppress(Killed):
        world.start()
    world.power.on()
