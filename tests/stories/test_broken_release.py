"""A release that breaks its pilots goes back by itself, while traffic runs, and its changes are on hold."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stationmaster.deployments.sandbox.figures import figures
from stationmaster.deployments.sandbox.traffic_log import TrafficLog
from stationmaster.domain.entries import Entry
from tests.stories.sandbox import Answered, Sandbox

pytestmark = pytest.mark.slow
RELEASE = "orderdesk-1-3-0"
PILOTS = {"alpina", "fjordfisk", "kowalski"}


@dataclass(frozen=True)
class Told:
    """The broken release, as it was started, as it ended, and what was there before it."""

    ended: Answered
    since: float
    before: str  # the digest that everybody ran
    entries: list[Entry]


@pytest.fixture(scope="module")
def broken(sandbox: Sandbox) -> Iterator[Told]:
    before, since = sandbox.demo["releases"][0]["digest"], time.time()
    assert sandbox.run("release", "start", "--ref", "v1.3.0", "--starter", "ana").code == 4
    assert sandbox.run("approve", RELEASE, "--key", sandbox.key("rosa")).code == 0
    ended = sandbox.run("release", "start", RELEASE, "--json")
    with sandbox.ledger() as ledger:
        yield Told(ended, since, before, ledger.entries(RELEASE))
    assert sandbox.run("release", "resume", RELEASE, "--reason", "1.4.0 mends it").code == 0


def facts(told: Told, step: str) -> list[Entry]:
    return [entry for entry in told.entries if entry.step == step]


def test_it_is_rolled_back_and_says_so(sandbox: Sandbox, broken: Told) -> None:
    assert (broken.ended.code, broken.ended.json["stage"]) == (1, "rolled_back"), broken.ended.err
    assert set(broken.ended.json["tenants"].values()) == {"1.2.0"}
    assert "resume" in sandbox.run("release", "why", RELEASE).out


def test_every_tenant_is_answered_by_the_version_before(sandbox: Sandbox, broken: Told) -> None:
    tenants = broken.ended.json["tenants"]
    assert len(tenants) == 14
    assert {sandbox.answers_of(tenant) for tenant in tenants} == {broken.before}


def test_only_the_pilots_ever_had_it(broken: Told) -> None:
    assert {entry.subject for entry in facts(broken, "deployed")} == PILOTS
    assert {entry.subject for entry in facts(broken, "rolled_back")} == PILOTS
    assert [entry.fact["verdict"] for entry in facts(broken, "verdict")] == ["rollback"]
    assert len(facts(broken, "restored")) == 1


def test_its_figures_are_those_of_the_clients(sandbox: Sandbox, broken: Told) -> None:
    log, (end,) = TrafficLog(sandbox.run_dir / "traffic.jsonl"), facts(broken, "restored")
    found = figures(broken.entries, log, broken.since)
    assert found.seconds is not None
    assert found.bad is not None
    assert end.fact["seconds_to_last"] is not None
    shown = sorted(line["tenant"] for line in log.failures(broken.since) if (line["status"] or 500) >= 500)
    assert set(shown) <= PILOTS
    assert len(shown) == found.bad + found.failed > 0


def test_support_reads_one_brief_and_one_message_about_the_way_back(sandbox: Sandbox, broken: Told) -> None:
    assert facts(broken, "told")
    brief, notice = [one for one in sandbox.notices() if RELEASE in str(one)]
    assert "edited" in brief
    assert "↩ *Wave 1: pilot* · rolled back" in str(brief)
    assert "○ *Wave 2: early* · called off" in str(brief)
    assert notice["text"] == "orderdesk 1.3.0 was rolled back for 3 tenants"
    assert "edited" not in notice


def test_no_release_may_carry_its_changes_before_somebody_says_so(sandbox: Sandbox, broken: Told) -> None:
    assert broken.ended.code == 1
    done = sandbox.run("release", "start", "too-early", "--ref", "v1.4.0", "--starter", "ana", "--json")
    assert (done.code, done.json["stage"]) == (1, "failed")
    assert f"release resume {RELEASE}" in sandbox.run("release", "why", "too-early").out
    assert sandbox.run("release", "abort", "too-early", "--reason", "it carries what went back").code == 0
