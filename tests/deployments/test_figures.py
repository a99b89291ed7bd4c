"""What a release cost its users: counted by what they met, between the deciding tick and the last answer."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stationmaster.deployments.sandbox.figures import Figures, figures
from stationmaster.deployments.sandbox.traffic_log import Recorder, TrafficLog
from stationmaster.domain.entries import Entry
from tests.entries import GOOD, story

NEW, OLD = "sha256:new", "sha256:old"
DECIDED = 1_000.0
FACTS: dict[str, dict[str, Any]] = {"built": {"digest": NEW}, "rollback": {"decided_ms": DECIDED * 1000}}
WENT_BACK = story(
    *GOOD[:10], ("deployed", "acme"), "rollback", ("rolled_back", "acme"), ("rolled_back", "bolt"), "restored",
    facts=FACTS,
)  # fmt: skip


def failure(
    due: float, ended: float, *, tenant: str = "acme", status: int | None = 500, digest: str | None = NEW
) -> Any:
    return {"at": due, "ended": ended, "tenant": tenant, "status": status, "digest": digest}


def log(tmp_path: Path, *failures: Any, last: float | None = None, tenant: str = "acme") -> TrafficLog:
    with (tmp_path / "traffic.jsonl").open("w") as file:
        recorder = Recorder(file)
        if last is not None:
            recorder.answered(tenant, "2", NEW, 0.004, last)
        recorder.answered("corn", "1", OLD, 0.004, DECIDED + 60)
        for line in failures:
            recorder.failure(line)
        recorder.second(DECIDED + 61)
    return TrafficLog(tmp_path / "traffic.jsonl")


def of(entries: list[Entry], found: TrafficLog) -> Figures:
    return figures(entries, found, since=DECIDED - 100)


def test_from_the_decision_to_the_last_answer_of_the_version_that_went_back(tmp_path: Path) -> None:
    found = of(WENT_BACK, log(tmp_path, last=DECIDED + 0.42))
    assert found == Figures(datetime.fromtimestamp(DECIDED, UTC), 0.42, 0, 0)


@pytest.mark.parametrize(("last", "tenant"), [(DECIDED - 3, "acme"), (None, "acme"), (DECIDED + 5, "corn")])
def test_when_nobody_in_scope_got_an_answer_any_more_it_was_safe_at_once(
    tmp_path: Path, last: float | None, tenant: str
) -> None:
    assert of(WENT_BACK, log(tmp_path, last=last, tenant=tenant)).seconds == 0.0


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        (failure(DECIDED + 0.1, DECIDED + 0.2), 1),
        (failure(DECIDED - 0.1, DECIDED + 0.2), 1),  # under way at the tick
        (failure(DECIDED + 0.1, DECIDED + 0.2, status=None, digest=None), 1),
        (failure(DECIDED - 0.3, DECIDED - 0.2), 0),  # before anybody could decide
        (failure(DECIDED + 0.1, DECIDED + 0.2, digest=OLD), 0),
        (failure(DECIDED + 0.1, DECIDED + 0.2, status=409), 0),  # no server error
        (failure(DECIDED + 0.1, DECIDED + 0.2, status=None, digest=None, tenant="corn"), 0),  # never on it
        (failure(DECIDED + 2, DECIDED + 3, status=None, digest=None), 0),  # after it was safe
    ],
)
def test_bad_is_what_failed_on_the_new_version_meanwhile_and_all_else_is_the_deploys(
    tmp_path: Path, line: Any, bad: int
) -> None:
    found = of(WENT_BACK, log(tmp_path, line, last=DECIDED + 0.5))
    assert (found.bad, found.failed) == (bad, 1 - bad)


def test_a_release_that_did_not_go_back_has_only_failures(tmp_path: Path) -> None:
    released = story(*GOOD, facts=FACTS)
    found = of(released, log(tmp_path, failure(DECIDED, DECIDED + 1), failure(DECIDED - 200, DECIDED - 199)))
    assert found == Figures(None, None, None, 1)


def test_an_order_without_milliseconds_decides_at_its_second(tmp_path: Path) -> None:
    facts = {**FACTS, "rollback": {"decided_at": "1970-01-01T00:16:40Z"}}
    entries = story(*GOOD[:10], "rollback", ("rolled_back", "acme"), facts=facts)
    assert of(entries, log(tmp_path, last=DECIDED + 1.5)).seconds == 1.5


def test_the_log_says_up_to_when_it_is_written(tmp_path: Path) -> None:
    found = log(tmp_path)
    assert (found.covers(DECIDED + 61), found.covers(DECIDED + 61.5)) == (True, False)
