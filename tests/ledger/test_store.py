"""What a ledger promises, over SQLite and a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from stationmaster.domain.entries import RUNS, Draft
from stationmaster.ledger.leases import LeaseLostError
from stationmaster.ledger.store import Ledger

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def draft(step: str, subject: str = "", release: str = "r1", **inputs: object) -> Draft:
    return Draft(release=release, step=step, subject=subject, inputs=inputs, fact={"version": release})


def test_the_first_entry_has_index_0_and_the_rest_follow_without_a_gap(ledger: Ledger) -> None:
    ledger.observe(draft("started"), AT)
    ledger.append(draft("cut"), AT)
    ledger.append(draft("cut"), AT)
    ledger.append(draft("built"), AT)
    assert [(e.index, e.step) for e in ledger.entries()] == [(0, "started"), (1, "cut"), (2, "built")]


def test_the_same_fact_twice_is_the_same_entry(ledger: Ledger) -> None:
    first = ledger.append(draft("cut", commit="c1"), AT)
    assert ledger.append(draft("cut", commit="c1"), AT + timedelta(hours=1)) == first
    assert ledger.recorded("r1", "cut", "r1", {"commit": "c1"}) == first


def test_other_inputs_or_another_release_is_another_fact(ledger: Ledger) -> None:
    ledger.append(draft("cut", commit="c1"), AT)
    assert ledger.recorded("r1", "cut", "r1", {"commit": "c2"}) is None
    assert ledger.recorded("r2", "cut", "r2", {"commit": "c1"}) is None
    assert ledger.append(draft("cut", commit="c2"), AT).attempt == 2
    assert ledger.recorded("r1", "cut", "r1", {"commit": "c1"}) is None


def test_an_undone_fact_is_recorded_again_as_the_next_attempt(ledger: Ledger) -> None:
    first = ledger.append(draft("deployed", "acme"), AT)
    ledger.append(draft("adopted", "acme", release="r2"), AT)
    assert ledger.recorded("r1", "deployed", "acme", {}) is None
    again = ledger.append(draft("deployed", "acme"), AT)
    assert (first.attempt, again.attempt) == (1, 2)
    assert ledger.recorded("r1", "deployed", "acme", {}) == again


def test_another_tenant_of_the_same_release_is_not_undone(ledger: Ledger) -> None:
    stands = ledger.append(draft("deployed", "beta"), AT)
    ledger.append(draft("rolled_back", "acme"), AT)
    assert ledger.recorded("r1", "deployed", "beta", {}) == stands


def test_observations_are_always_written_and_never_answered(ledger: Ledger) -> None:
    entries = [ledger.observe(draft("verdict", "pilot", tick=1), AT) for _ in range(3)]
    assert [entry.attempt for entry in entries] == [1, 2, 3]
    assert ledger.recorded("r1", "verdict", "pilot", {"tick": 1}) is None


def test_each_verb_takes_only_its_own_steps(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="appended, not observed"):
        ledger.observe(draft("cut"), AT)
    with pytest.raises(ValueError, match="observed, not appended"):
        ledger.append(draft("failed"), AT)
    assert ledger.entries() == []


def test_what_is_read_is_what_was_written(ledger: Ledger, address: str) -> None:
    fact = {"text": "Grüße, 🚂", "half": 0.5, "list": [1, {"deep": None}], "pair": (1, 2)}
    written = ledger.append(Draft(release="r1", step="cut", fact=fact), AT)
    with Ledger.open(address) as again:
        assert again.entries() == [written]
    assert written.at == "2026-11-23T08:00:00Z"


def test_entries_are_read_by_release_and_from_an_index_on(ledger: Ledger) -> None:
    for step in ("cut", "built", "tested"):
        for release in ("r1", "r2"):
            ledger.append(draft(step, release=release), AT)
    assert [(e.index, e.step) for e in ledger.entries("r2")] == [(1, "cut"), (3, "built"), (5, "tested")]
    assert [e.index for e in ledger.entries("r2", after=1)] == [3, 5]
    assert [e.index for e in ledger.entries(after=3)] == [4, 5]


def test_running_is_the_last_that_reached_each_tenant(ledger: Ledger) -> None:
    for tenant in ("acme", "beta", "gamma"):
        ledger.append(draft("adopted", tenant, release="before"), AT)
    ledger.append(draft("deployed", "acme"), AT)
    ledger.append(draft("deployed", "beta"), AT)
    ledger.append(draft("rolled_back", "beta", release="before"), AT)
    running = {tenant: (entry.step, entry.fact["version"]) for tenant, entry in ledger.running().items()}
    assert running == {"acme": ("deployed", "r1"), "beta": ("rolled_back", "before"), "gamma": ("adopted", "before")}


def test_releases_are_those_started_in_the_order_of_their_first_leg(ledger: Ledger) -> None:
    for release in ("r9", "r1", "r9", "r5"):
        ledger.observe(draft("started", release=release), AT)
    ledger.append(draft("adopted", "acme", release="before"), AT)
    assert ledger.releases() == ["r9", "r1", "r5"]


def test_an_empty_ledger_answers_with_nothing(ledger: Ledger) -> None:
    assert (ledger.entries(), ledger.releases(), ledger.running()) == ([], [], {})


def test_a_process_that_lost_its_lease_records_nothing(ledger: Ledger) -> None:
    old = ledger.take_lease("r1", "a", AT)
    new = ledger.take_lease("r1", "b", AT + timedelta(seconds=31))
    with pytest.raises(LeaseLostError):
        ledger.observe(draft("failed"), AT, old)
    assert ledger.append(draft("cut"), AT, new) == ledger.entries()[0]


def test_in_memory_is_a_ledger_too() -> None:
    with Ledger.open("sqlite://") as ledger:
        ledger.append(draft("cut"), AT)
        assert len(ledger.entries()) == 1


def test_going_back_reads_as_far_as_one_goes(ledger: Ledger) -> None:
    told = [ledger.observe(Draft(release="drift", step="drifted", subject="shop"), AT) for _ in range(40)]
    ledger.observe(Draft(release="drift", step="drifted", subject="till"), AT)
    assert list(ledger.backwards("drifted", "shop")) == told[::-1]
    assert list(ledger.backwards("drifted", "shop", 20)) == told[:20][::-1]
    assert list(ledger.backwards("drifted", "shop", 0)) == list(ledger.backwards("drifted", "nobody")) == []
    asked: list[str] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda _c, _u, text, *_: asked.append(text))
    assert next(ledger.backwards("drifted", "shop")) == told[-1]
    assert len([text for text in asked if " entries" in text]) == 1


def test_no_question_reads_the_whole_table(tmp_path: Path) -> None:
    """SQLite tells how it would answer: every step must search an index, none may scan the entries."""
    asked: list[tuple[str, object]] = []
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.append(draft("deployed", "acme"), AT)
        event.listen(
            ledger.engine, "before_cursor_execute", lambda _c, _u, text, given, *_: asked.append((text, given))
        )
        ledger.running(), ledger.releases(), ledger.entries("r1"), ledger.recorded("r1", "deployed", "acme", {})
        list(ledger.backwards("deployed", "acme", 9))
        questions = [each for each in asked if " entries" in each[0]]
        with ledger.engine.connect() as connection:
            plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given) for text, given in questions]  # type: ignore[arg-type]
            steps = [row.detail for plan in plans for row in plan]
    assert len(questions) == len(RUNS) + 1 + 1 + 2 + 1
    assert any(step.startswith("SEARCH entries USING") for step in steps)
    assert not [step for step in steps if step.startswith("SCAN entries")]


def test_trying_whether_there_is_room_leaves_nothing(ledger: Ledger) -> None:
    cut = Draft(release="r1", step="cut")
    before = ledger.append(cut, AT)
    for _ in range(2):
        ledger.must_have_room()
    assert ledger.entries() == [before]
    assert ledger.append(cut.model_copy(update={"release": "r9"}), AT).index == 1
