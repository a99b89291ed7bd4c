"""Backfills inside a release, told with the fakes: after its waves, ring by ring, for who has it; what it waits for,
and what a way back takes away.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from stationmaster.blocks.approval import mandate_of
from stationmaster.blocks.backfill_stage import BackfillFailedInStageError
from stationmaster.blocks.backfilling import Ended
from stationmaster.blocks.ordering import give_order
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.entries import Draft
from stationmaster.domain.release import why
from tests.filled import FILE, JOBS, declare, filled, states
from tests.shop import OPEN
from tests.world import Killed, World, once
from tests.world import world as made

AUDIT = '{name: audit, rrule: FREQ=DAILY, start: "06:00", end: "20:00"}'
SHUT = f"calendar: {{timezone: UTC, default: open, blackouts: [{AUDIT}]}}"


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        declare(one)
        yield one


def backfills(world: World, release: str = "r2") -> list[tuple[str, str]]:
    return [one for one in world.facts(release) if one[0].startswith("backfill") and not one[1].startswith("stage")]


def test_it_is_filled_in_after_the_last_wave_and_before_the_close_in_the_order_of_the_rings(world: World) -> None:
    assert world.release().name == "Released"
    steps = world.facts()
    assert backfills(world) == [(step, job) for job in JOBS for step in ("backfilling", "backfilled")]
    assert steps.index(("promoted", "broad")) < steps.index(("backfilling", "cloud/totals"))
    assert steps.index(("backfilled", "cedar/totals")) < steps.index(("released", "r2"))
    assert filled(world) == ["acme", "birch", "long-gone", "cedar"]


def test_what_is_on_record_says_for_whom_and_how_many(world: World) -> None:
    world.release()
    fact = world.last("backfilled").fact
    assert (fact["name"], fact["database"], fact["tenants"], fact["left"]) == ("totals", "cedar", ["cedar"], [])
    assert fact["commit"] == world.source.refs["v2"]
    assert [one.rows for one in world.status().backfills.values()] == [1, 51, 5]
    assert all(one.state == "verified" for one in world.status().backfills.values())


def test_a_release_that_declares_none_has_nothing_of_it() -> None:
    with made() as world:
        assert world.release().name == "Released"
        assert not any("backfill" in step for step, _ in world.steps())
        assert "backfills" not in world.status().model_dump()
        assert world.database.engine.did == []


def test_it_runs_in_stage_before_anybody_signs(world: World) -> None:
    world.start()
    assert [one for one in world.facts() if one[0] == "backfilled"] == [("backfilled", "stage/totals")]
    assert filled(world) == []


def test_what_does_not_come_to_its_end_in_stage_reaches_nobody(world: World) -> None:
    world.database.engine.poisoned = {"stage-probe": "row 1: value too long"}
    with pytest.raises(BackfillFailedInStageError, match="stage-probe: row 1: value too long"):
        world.start()
    assert world.production() == {"acme": "1", "birch": "1", "cedar": "1"}
    world.database.engine.poisoned = {}
    assert world.release().name == "Released"


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        (FILE.replace("todo:", "tood:"), 8, "todo"),
        (FILE.replace("revision: r2", "revision: r7"), 3, "keyed to revision 'r7', which the commit does not have"),
        (FILE.replace("total * 100", "total * 100 WHERE true"), 7, "set"),
    ],
)
def test_a_wrong_file_stops_the_release_before_stage_with_its_line(
    world: World, file: str, line: int, told: str
) -> None:
    declare(world, file=file)
    with pytest.raises(DocumentError, match=told) as caught:
        world.start()
    assert (caught.value.file, caught.value.line) == ("backfills.yaml", line)
    assert ("expanded", "stage") not in world.facts()


def test_what_the_file_says_is_part_of_what_is_signed(world: World) -> None:
    world.start()
    digest = world.source.fingerprint(world.source.refs["v2"], "backfills.yaml")
    assert mandate_of(world.ledger, "r2").parts["backfills"] == digest


def test_a_poisoned_row_is_waited_for_with_its_key_and_the_others_go_on(world: World) -> None:
    world.database.engine.poisoned = {"acme": "row 17: numeric field overflow"}
    assert world.release().name == "WaitingForPerson"
    assert filled(world) == ["birch", "long-gone", "cedar"]
    reason = why(world.status())
    assert "backfill totals on cloud: acme: row 17: numeric field overflow" in reason.message
    assert "backfill skip --database URL totals --tenant acme" in reason.message
    assert reason.command == "stationmaster release start r2"
    assert world.status().backfills["cloud/totals"].left == ("acme",)
    world.database.engine.poisoned = {}
    assert world.start().name == "Released"
    assert world.status().backfills["cloud/totals"].left == ()


def test_who_is_in_a_blackout_is_waited_for_until_its_end_and_the_others_are_filled_in(world: World) -> None:
    world.start()
    world.approve()
    text = world.directory.read_text()
    world.power.trap = once("database.backfill", lambda _: world.directory.write_text(text.replace(OPEN, SHUT, 1)))
    assert world.start().name == "WaitingForWindow"
    assert world.status().until == "2026-11-23T20:00:00Z"
    assert filled(world) == ["birch", "long-gone", "cedar"]
    world.directory.write_text(text)
    assert world.start().name == "Released"
    assert filled(world)[-1] == "acme"


def test_a_freeze_of_production_keeps_everybody_out(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = once("database.backfill", lambda _: world.freeze("env:production"))
    assert world.start().name == "WaitingForWindow"
    assert filled(world) == ["long-gone"]
    world.thaw("env:production")
    assert world.start().name == "Released"


def test_what_a_person_paused_is_waited_for_and_stays_so(world: World) -> None:
    world.database.engine.each = lambda tenant: (
        world.database.pause_backfill("cloud", "totals", "birch", "month end") if tenant == "acme" else None
    )
    assert world.release().name == "WaitingForPerson"
    assert "birch: paused: month end" in world.last("waiting").fact["message"]
    assert world.start().name == "WaitingForPerson"
    world.database.engine.each = None
    world.database.resume_backfill("cloud", "totals", "birch")
    assert world.start().name == "Released"


def test_it_stands_still_while_the_release_is_bad_and_goes_on_when_that_is_over(world: World) -> None:
    world.start()
    world.approve()
    stood = bad_from_the_second_tenant_on(world, seconds=30)
    assert world.start().name == "Released"
    assert 30 < len(stood) < 300
    assert filled(world) == ["acme", "birch", "long-gone", "cedar"]


def test_it_does_not_stand_still_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stationmaster.blocks.backfill_release.STANDS", timedelta(seconds=60))
    world.start()
    world.approve()
    stood = bad_from_the_second_tenant_on(world, seconds=10_000)
    assert world.start().name == "WaitingForPerson"
    assert filled(world, "cloud") == ["acme"]
    assert 59 <= len(stood) <= 62
    assert "birch: stands still: hold: " in world.last("waiting").fact["message"]
    assert world.status().until is not None


def bad_from_the_second_tenant_on(world: World, seconds: int) -> list[int]:
    """The seconds for which it stood still; so many of them, every request of the new version in the cloud is bad."""
    stood: list[int] = []

    def each(tenant: str) -> None:
        world.clock.sleep(1)
        if tenant == "acme" and not stood:
            set_bad(world, 10)

    def second() -> None:
        world.clock.sleep(1)
        stood.append(len(stood))
        if len(stood) == seconds:
            set_bad(world, 0)

    world.database.engine.each, world.database.engine.second = each, second
    return stood


def set_bad(world: World, of_ten: int) -> None:
    for (instance, _), runs in world.target.runs.items():
        if runs["version"] == "2":
            runs["bad"] = {instance: of_ten}


def test_a_pause_of_the_release_ends_it_before_the_next_tenant(world: World) -> None:
    world.database.engine.each = lambda tenant: pause(world) if tenant == "acme" else None
    assert world.release().name == "Paused"
    assert filled(world) == ["acme"]
    world.ledger.append(world.draft("r2", "resumed", "r2", {"reason": "go"}), world.clock.now())
    world.database.engine.each = None
    assert world.start().name == "Released"


def pause(world: World) -> None:
    world.ledger.append(world.draft("r2", "paused", "r2", {"reason": "wait"}), world.clock.now())


def go_back_at(world: World, tenant: str) -> None:
    """A person orders the release back while a tenant is filled in."""

    def each(one: str) -> None:
        if one == tenant:
            give_order(world.tools, world.asked("r2", now=True))

    world.database.engine.each = each


def test_a_release_that_goes_back_meanwhile_ends_it_and_who_goes_back_loses_it(world: World) -> None:
    go_back_at(world, "birch")
    assert world.release().name == "RolledBack"
    assert filled(world) == ["acme", "birch"]
    assert states(world) == {"acme": "pending", "birch": "pending", "long-gone": "paused"}
    assert world.database.engine.lost["cloud", "totals"] == {"acme", "birch"}
    assert world.status().stage == "rolled_back"


def test_a_release_that_comes_again_resumes_it_and_verifies_anew_what_was_lost(world: World) -> None:
    go_back_at(world, "birch")
    world.release()
    world.database.engine.each = None
    world.lift("r2")
    assert world.release("r3", "v2").name == "Released"
    assert filled(world) == ["acme", "birch", "acme", "birch", "long-gone", "cedar"]
    assert world.database.engine.lost["cloud", "totals"] == set()
    assert world.last("backfilled", "r3").fact["left"] == []


def test_a_later_release_with_the_same_declaration_touches_nothing(world: World) -> None:
    world.release()
    before = list(world.database.engine.did)
    declare(world, "v3")
    assert world.release("r3", "v3").name == "Released"
    assert backfills(world, "r3") == []
    assert [one for one in world.database.engine.did if one[1] != "stage"] == [
        one for one in before if one[1] != "stage"
    ]


def test_what_another_release_led_back_past_the_dual_write_is_verified_anew_by_the_next(world: World) -> None:
    """Here somebody brought it there by hand: what it wrote meanwhile may be stale."""
    world.release()
    fact = {**world._installed, "instance": "cloud"}
    found = Draft(release="install", step="adopted", subject="acme", inputs={"at": "noon"}, fact=fact)
    world.ledger.append(found, world.clock.now())
    declare(world, "v3")
    assert world.release("r3", "v3").name == "Released"
    assert backfills(world, "r3") == [("backfilling", "cloud/totals"), ("backfilled", "cloud/totals")]
    assert [one for one in world.database.engine.did if one[0] == "lost"] == [("lost", "cloud", "totals", "acme")]
    assert filled(world)[4:] == ["acme"]


def test_a_way_back_to_a_version_that_writes_both_loses_nothing(world: World) -> None:
    world.release()
    declare(world, "v3")
    world.release("r3", "v3")
    assert world.rollback("r3", now=True).name == "RolledBack"
    assert not any(one[0] == "lost" for one in world.database.engine.did)


def test_a_database_that_is_away_keeps_nobody_from_going_back(world: World) -> None:
    world.release()
    world.database.away = {"cloud"}
    assert world.rollback("r2", now=True).name == "RolledBack"


def test_a_run_that_ended_before_it_knew_its_tenants_verified_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start()
    world.approve()
    ended = Ended("totals", 0, 0.0, 0, {"done": 0, "failed": 0, "paused": 0}, verified=False)
    monkeypatch.setattr(world.database.engine, "run", lambda *_: ended)
    assert world.start().name == "WaitingForPerson"
    assert ("backfilled", "cloud/totals") not in world.facts()
    assert "*: was not come to" in world.last("waiting").fact["message"]


def test_a_killed_leg_goes_on_and_is_begun_once(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = lambda when, call, _: (when, call) == ("after", "database.backfill")
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.at += timedelta(minutes=1)  # the dead leg's lease is over
    assert world.start().name == "Released"
    assert backfills(world) == [(step, job) for job in JOBS for step in ("backfilling", "backfilled")]
