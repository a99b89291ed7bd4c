"""A hotfix passes a blackout of a calendar by the waivers of two approvers, for as long as they last, and the next time
by other ones. What is closed by default is waived by nobody. It is Monday 2026-11-23, 08:00 in UTC.
"""

from datetime import UTC, datetime, timedelta

import pytest

from stationmaster.domain.request import Kind
from tests.shop import OPEN, PRODUCT, TENANTS
from tests.tasks.test_waivers import Night, night
from tests.world import Killed, once

__all__ = ["night"]  # the fixture

EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)
START = int(datetime(2026, 11, 23, 6, tzinfo=UTC).timestamp())
DAILY = '{name: month end, rrule: FREQ=DAILY, start: "06:00", end: "20:00"}'
CLOSED = f"calendar: {{timezone: UTC, default: open, blackouts: [{DAILY}]}}"
ACME = "blackout:tenants.yaml:acme#month end"
EVERY = tuple(f"blackout:tenants.yaml:{name}#month end" for name in ("acme", "birch", "cedar"))


def calendars(night: Night, **own: str) -> None:
    lines = TENANTS.splitlines()
    rows = [line.replace(OPEN, own.get(line.split("id: ")[-1].split(",")[0], OPEN)) for line in lines]
    night.world.directory.write_text("\n".join(rows))


def blackout(night: Night, **own: str) -> None:
    """The hotfix is approved, and waits for its first wave: all tenants are in a blackout, or those that are named."""
    calendars(night, **(own or dict.fromkeys(("acme", "birch", "cedar"), CLOSED)))
    night.approved()
    assert night.run() == "WaitingForWindow"


def waive(night: Night, who: str, *gates: str, seconds: int = 7200, since: int = START) -> None:
    for gate in gates or EVERY:
        night.waive(who, gate, seconds, closed_by=since)


def test_two_let_it_go_on_at_once_although_its_waves_are_planned_for_after_the_blackout(night: Night) -> None:
    blackout(night)
    assert night.world.last("planned", "h1").fact["waves"][0]["start"] == "2026-11-23T20:00:00Z"
    assert night.said() == "wave pilot of h1 waits for a window: acme: acme is closed: tenants.yaml:acme#month end"
    wait = night.world.last("waiting", "h1").fact
    assert wait["until"] == "2026-11-23T20:00:00Z"
    assert "stationmaster release waive h1 --blackout 'tenants.yaml:acme#month end' --until 2h" in wait["hint"]
    waive(night, "rosa")
    assert night.run() == "WaitingForWindow"
    assert night.said().endswith("is closed: tenants.yaml:acme#month end (1 of 2 waivers, Rosa's)")
    assert night.kept().endswith("is closed: tenants.yaml:acme#month end (1 of 2 waivers)")
    for who in ("ana", "dev", "guest"):
        waive(night, who)
    assert night.run() == "WaitingForWindow"
    assert "(1 of 2 waivers, Rosa's; Ana's does not count: who starts a release cannot waive for it; " in night.said()
    assert night.passed() == []
    assert set(night.world.production().values()) == {"1"}
    waive(night, "ben")
    assert night.run() == "Released"
    assert night.world.clock.now() < EIGHT + timedelta(minutes=5)
    assert set(night.world.production().values()) == {"1.1"}
    order = [about for step, about in night.world.facts("h1") if step in {"passed", "deployed"}]
    assert order == ["ring:pilot", "acme", "ring:broad", "cedar", "birch"]
    (first, second) = (entry for entry in night.world.ledger.entries("h1") if entry.step == "passed")
    assert [(one["gate"], one["closed_by"], one["tickets"]) for one in first.fact["gates"]] == [
        (ACME, START, ["SHOP-1"])
    ]
    assert [one["gate"] for one in second.fact["gates"]] == [*EVERY[1:]]
    assert night.world.ledger.personal(first) == {"who": ["ben", "rosa"]}


@pytest.mark.parametrize("kind", ["manual", "train"])
def test_nothing_but_a_hotfix_passes(night: Night, kind: Kind) -> None:
    calendars(night, acme=CLOSED)
    night.approved(kind, "r3")
    assert night.run(kind, "r3") == "WaitingForWindow"
    assert "waive" not in str(night.world.last("waiting", "r3").fact["hint"])
    for who in ("rosa", "ben"):
        night.waive(who, ACME, release="r3", closed_by=START)
    assert night.run(kind, "r3") == "WaitingForWindow"
    assert "(0 of 2 waivers; r3 is no hotfix, and only a hotfix may pass)" in night.said("r3")


def test_what_ends_between_two_waves_closes_the_second(night: Night) -> None:
    blackout(night)
    for who in ("rosa", "ben"):
        waive(night, who, seconds=3600)
    later = EIGHT + timedelta(hours=1, minutes=1)
    night.world.power.trap = once("metrics.read", lambda _: setattr(night.world.clock, "at", later))
    assert night.run() == "WaitingForWindow"
    assert night.world.production() == {"acme": "1.1", "birch": "1", "cedar": "1"}
    assert "birch#month end (0 of 2 waivers; Rosa's has expired; Ben's has expired)" in night.said()
    for who in ("rosa", "ben"):
        waive(night, who)
    assert night.run() == "Released"


@pytest.mark.slow
def test_a_wave_that_cannot_end_before_the_waivers_do_does_not_begin(night: Night) -> None:
    blackout(night)  # a wave is given 45 minutes
    for who in ("rosa", "ben"):
        waive(night, who, seconds=44 * 60)
    assert night.run() == "WaitingForWindow"
    assert "acme is open by waiver until 2026-11-23T08:44:" in night.said()
    assert night.said().endswith("Z, too soon for a wave")
    assert night.world.last("waiting", "h1").fact["until"] == "2026-11-23T20:00:00Z"
    assert "--blackout" in night.world.last("waiting", "h1").fact["hint"]
    assert night.passed() == []


@pytest.mark.slow
def test_waivers_that_end_after_the_blackout_need_not_last_for_the_whole_wave(night: Night) -> None:
    blackout(night)
    night.world.clock.at = EIGHT.replace(hour=19, minute=45)
    for who in ("rosa", "ben"):
        waive(night, who, seconds=16 * 60)
    assert night.run() == "Released"


@pytest.mark.slow
def test_the_next_time_the_same_rule_closes_it_is_waived_anew(night: Night) -> None:
    blackout(night)
    for who in ("rosa", "ben"):
        waive(night, who, seconds=72 * 3600)
    night.world.clock.at = EIGHT + timedelta(days=1)
    assert night.run() == "WaitingForWindow"
    assert night.said().endswith("acme is closed: tenants.yaml:acme#month end")
    for who in ("rosa", "ben"):
        waive(night, who, since=START + 86_400)
    assert night.run() == "Released"


def test_where_no_window_is_open_nobody_s_waiver_helps(night: Night) -> None:
    window = '{name: night, rrule: FREQ=DAILY, start: "22:00", end: "23:00"}'
    shut = f"calendar: {{timezone: UTC, default: closed, windows: [{window}], blackouts: [{DAILY}]}}"
    blackout(night, acme=shut)
    assert "waive" not in night.world.last("waiting", "h1").fact["hint"]
    for who in ("rosa", "ben"):
        waive(night, who, ACME)
    assert night.run() == "WaitingForWindow"
    assert night.said().endswith("acme is closed: tenants.yaml:acme#default")
    assert night.world.last("waiting", "h1").fact["until"] == "2026-11-23T22:00:00Z"
    assert night.passed() == []


@pytest.mark.slow
def test_each_blackout_in_its_way_is_waived_by_itself(night: Night) -> None:
    other = "{name: audit, from: 2026-11-20T00:00, to: 2026-11-25T00:00}"
    blackout(night, acme=CLOSED.replace(DAILY, f"{DAILY}, {other}"))
    for who in ("rosa", "ben"):
        waive(night, who, ACME)
    assert night.run() == "WaitingForWindow"
    assert night.said().endswith("acme is closed: tenants.yaml:acme#audit")
    audit = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp())
    for who in ("rosa", "ben"):
        waive(night, who, "blackout:tenants.yaml:acme#audit", since=audit)
    assert night.run() == "Released"
    assert night.passed() == ["ring:pilot"]


@pytest.mark.slow
def test_a_calendar_that_cannot_be_read_any_more_is_closed_whatever_was_waived(night: Night) -> None:
    file = night.world.root / "acme.yaml"
    file.write_text(f"timezone: UTC\ndefault: open\nblackouts: [{DAILY}]\n")
    blackout(night, acme="calendar: acme.yaml")
    for who in ("rosa", "ben"):
        waive(night, who, "blackout:acme.yaml#month end")
    file.write_text("timezone: Mars/Olympus\ndefault: open\n")
    assert night.run() == "WaitingForWindow"
    assert "Mars/Olympus" in night.said()
    assert "waive" not in night.world.last("waiting", "h1").fact["hint"]
    file.unlink()
    assert night.run() == "WaitingForWindow"
    assert "acme.yaml cannot be read: No such file or directory" in night.said()
    assert night.passed() == []


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["product", "production"])
def test_what_the_product_or_its_production_forbids_is_passed_in_the_same_way(night: Night, scope: str) -> None:
    audit = "{name: audit, from: 2026-11-23T06:00, to: 2026-11-24T00:00}"
    shared = f"calendars: {{{scope}: {{timezone: UTC, default: open, blackouts: [{audit}]}}}}\n"
    world, gate = night.world, f"blackout:stationmaster.yaml:calendars.{scope}#audit"
    world.source.refs["hotfix/1"] = world.commit("v1.1", head="r2", product=PRODUCT + shared)
    if scope == "product":
        assert night.run() == "WaitingForWindow"  # before stage
    else:
        night.approved()
        assert night.run() == "WaitingForWindow"
    assert f"is closed: stationmaster.yaml:calendars.{scope}#audit" in night.said()
    assert f"--blackout 'stationmaster.yaml:calendars.{scope}#audit'" in world.last("waiting", "h1").fact["hint"]
    for who in ("rosa", "ben"):
        waive(night, who, gate)
    if scope == "product":
        night.approved()
    assert night.run() == "Released"
    stage = ["env:stage"] if scope == "product" else []
    assert night.passed() == [*stage, "env:production", "ring:pilot", "ring:broad"]


@pytest.mark.slow
def test_a_blackout_of_migrations_is_passed_before_the_database_is_touched(night: Night) -> None:
    erp = "{name: erp, from: 2026-11-23T06:00, to: 2026-11-24T00:00, applies_to: [migration]}"
    blackout(night, birch=f"calendar: {{timezone: UTC, default: open, blackouts: [{erp}]}}")
    assert night.said().endswith("birch is closed for migrations: tenants.yaml:birch#erp")
    assert "--blackout 'tenants.yaml:birch#erp'" in night.world.last("waiting", "h1").fact["hint"]
    waive(night, "rosa", "blackout:tenants.yaml:birch#erp")
    assert night.run() == "WaitingForWindow"
    assert night.said().endswith("tenants.yaml:birch#erp (1 of 2 waivers, Rosa's)")
    assert night.kept().endswith("birch is closed for migrations: tenants.yaml:birch#erp (1 of 2 waivers)")
    waive(night, "ben", "blackout:tenants.yaml:birch#erp")
    assert night.run() == "Released"
    order = [each for each in night.world.facts("h1") if each[0] in {"passed", "expanding"}]
    assert order.index(("passed", "env:production")) < order.index(("expanding", "cloud"))


def test_support_s_hours_are_waived_by_nobody(night: Night) -> None:
    closed = "{name: outing, from: 2026-11-23T06:00, to: 2026-11-24T00:00}"
    hours = f"support: {{hours: {{timezone: UTC, default: open, blackouts: [{closed}]}}}}\n"
    world = night.world
    world.source.refs["hotfix/1"] = world.commit("v1.1", head="r2", product=PRODUCT + hours)
    night.approved()
    assert night.run() == "WaitingForWindow"
    for who in ("rosa", "ben"):
        waive(night, who, "blackout:stationmaster.yaml:support.hours#outing")
    assert night.run() == "WaitingForWindow"
    assert "acme is closed: stationmaster.yaml:support.hours#outing" in night.said()
    assert "waive" not in world.last("waiting", "h1").fact["hint"]


@pytest.mark.slow
def test_a_process_that_dies_anywhere_and_is_run_again_records_each_passage_once(night: Night) -> None:
    blackout(night)
    for who in ("rosa", "ben"):
        waive(night, who)
    for call in ("target.shift", "ledger.append", "database.expand"):
        night.world.power.trap = lambda when, called, _arguments, call=call: (when, called) == ("after", call)
        with pytest.raises(Killed):
            night.run()
        night.world.power.on()
        night.world.clock.sleep(60)
    night.world.power.trap = lambda when, called, arguments: (  # in a wave of two: one of them is on record
        (when, called) == ("after", "ledger.append")
        and (arguments[0].step, arguments[0].subject) in {("deployed", "birch"), ("deployed", "cedar")}
    )
    with pytest.raises(Killed):
        night.run()
    night.world.power.on()
    assert [night.world.production()[name] for name in ("birch", "cedar")].count("1.1") == 1
    night.world.clock.sleep(60)
    assert night.run() == "Released"
    gates = [
        (entry.subject, gate["gate"])
        for entry in night.world.ledger.entries("h1")
        if entry.step == "passed"
        for gate in entry.fact["gates"]
    ]
    assert sorted(gates) == [("ring:broad", EVERY[1]), ("ring:broad", EVERY[2]), ("ring:pilot", EVERY[0])]
