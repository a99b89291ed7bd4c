"""The demo's results and last words: an outcome counts only when the processes say so too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.sandbox.demo import BROKEN, GOOD, SCENARIOS, Result, Scenario
from stationmaster.deployments.sandbox.figures import figures
from stationmaster.deployments.sandbox.orderdesk import RELEASES
from stationmaster.deployments.sandbox.report import report
from stationmaster.deployments.sandbox.traffic_log import Recorder, TrafficLog
from stationmaster.domain.entries import Entry
from tests.entries import GOOD as WAY
from tests.entries import story

NEW, OLD = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
WAVES = [{"ring": "pilot", "tenants": ["acme"]}, {"ring": "broad", "tenants": ["bolt"]}]
FACTS: dict[str, dict[str, Any]] = {
    "built": {"digest": NEW},
    "planned": {"waves": WAVES},
    "verdict": {"verdict": "promote"},
    "rollback": {"decided_ms": 1_000_000, "reason": "journey order of tenant acme failed 3 of 3"},
    "restored": {"tenants": ["acme"]},
}
RELEASED = story(*WAY, facts=FACTS)
BACK = story(
    *WAY[:10], ("deployed", "acme"), ("verdict", "pilot"), "rollback", ("rolled_back", "acme"), "restored",
    facts={**FACTS, "verdict": {"verdict": "rollback"}},
)  # fmt: skip
ON_NEW: dict[str, tuple[str | None, str | None]] = {"acme": ("2", NEW), "bolt": ("2", NEW)}
ON_OLD: dict[str, tuple[str | None, str | None]] = {"acme": ("1", OLD), "bolt": ("1", OLD)}


@pytest.fixture
def log(tmp_path: Path) -> TrafficLog:
    with (tmp_path / "traffic.jsonl").open("w") as file:
        recorder = Recorder(file)
        recorder.sent = 2
        recorder.answered("acme", "2", NEW, 0.004, 1_000.3)
        for due in (999.0, 1_000.1):
            recorder.failure({"at": due, "ended": due + 0.1, "tenant": "acme", "status": 500, "digest": NEW})
        recorder.second(1_001.0)
    return TrafficLog(tmp_path / "traffic.jsonl")


def made(
    scenario: Scenario, entries: list[Entry], served: Mapping[str, tuple[str | None, str | None]], log: TrafficLog
) -> Result:
    return Result(scenario, "r1", entries, figures(entries, log, 0), served)


@pytest.mark.parametrize(
    ("entries", "served", "outcome"),
    [
        (RELEASED, ON_NEW, "released"),
        (RELEASED, {**ON_NEW, "bolt": ("1", OLD)}, "failed"),
        (RELEASED, {**ON_NEW, "bolt": (None, None)}, "failed"),
        (BACK, ON_OLD, "rolled_back"),
        (BACK, {**ON_OLD, "acme": ("2", NEW)}, "failed"),
        (BACK[:-1], ON_OLD, "failed"),
        (RELEASED[:5], ON_OLD, "failed"),
    ],
)
def test_an_outcome_needs_the_ledger_and_the_processes(
    entries: list[Entry], served: Mapping[str, tuple[str | None, str | None]], outcome: str, log: TrafficLog
) -> None:
    good, broken = made(GOOD, entries, served, log), made(BROKEN, entries, served, log)
    assert good.outcome == outcome
    assert (good.kept, broken.kept) == (outcome == "released", outcome == "rolled_back")


def test_the_record_keeps_its_contract(log: TrafficLog) -> None:
    assert made(BROKEN, BACK, ON_OLD, log).record() == {
        "id": "r1",
        "scenario": "broken",
        "outcome": "rolled_back",
        "digest": NEW,
        "waves": [{**WAVES[0], "verdict": "rollback"}, {**WAVES[1], "verdict": None}],
        "breach_to_safe_seconds": 0.3,
        "bad_requests": 1,
        "failed_requests_from_deploy": 1,
    }
    good = made(GOOD, RELEASED, ON_NEW, log).record()
    assert (good["breach_to_safe_seconds"], good["bad_requests"], good["failed_requests_from_deploy"]) == (
        None,
        None,
        2,
    )


def test_the_last_words_say_what_happened_to_whom(log: TrafficLog) -> None:
    found = Descriptor(run="/r", supervisor="/r/s", prefect_ui="http://p", prefect_auth="/r/auth", messages="http://m")
    results = [made(GOOD, RELEASED, ON_NEW, log), made(BROKEN, BACK, ON_OLD, log)]
    text = report(found, results, log, 0, 61.2)
    for part in (
        "r1: released, as its scenario promises",
        "pilot promote, broad not begun",
        "  failed          2 requests\n",
        "r1: rolled back, as its scenario promises",
        "pilot rollback, broad not begun",
        "00:16:40 UTC: journey order of tenant acme failed 3 of 3",
        "0.30 s later the last user had an answer from it",
        "1 request from that decision on; 1 before it, while it was watched",
        f"2 tenants are served by 1 ({OLD[:19]}…)",
        "stationmaster release resume r1",
        "2 requests in 61 s",
    ):
        assert part in text


def test_an_unkept_promise_is_said(log: TrafficLog) -> None:
    found = Descriptor(run="/r", supervisor="/r/s", prefect_ui="http://p", prefect_auth="/r/auth")
    text = report(found, [made(BROKEN, RELEASED[:5], {"acme": (None, None)}, log)], log, 0, 1)
    assert "r1: failed, and should have been rolled back" in text
    assert "1 tenant is served by nothing" in text


def test_all_shows_every_scenario_once_and_each_release_exists() -> None:
    assert SCENARIOS["all"] == tuple(one for name, found in SCENARIOS.items() if name != "all" for one in found)
    assert {one.ref for one in SCENARIOS["all"]} <= {release.tag for release in RELEASES}
