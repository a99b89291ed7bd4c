"""The conditions of a contract: each is met by what is known, and by nothing that is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.contract import Facts, Filled, Runs, conditions, ready, rows, wait_of
from stationmaster.domain.contract_status import contract_status
from stationmaster.domain.flow_runs import FlowRun, Worker
from stationmaster.domain.migrations import lint_contract
from stationmaster.domain.watchdog_contract import SeenContract, decide_contract
from tests.entries import AT, GOOD, story

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
DAY = 86_400
GOOD_FACTS = Facts(
    release="r4", version="1.4.0", instance="cloud", at=NOW, released_at=NOW - timedelta(days=7), min_age=7 * DAY,
    way_back=True, tenants=(Runs("acme", "1.4.0", new=True),), processes=(Runs("cloud a", "1.4.0", new=True),),
    sessions=(Runs("session 'shop 1.5.0'", "1.5.0", new=True),), watched=True, back=(Runs("acme", "1.4.0", new=True),),
    busy=(), backfills=(Filled("totals", 0),), findings=(), shut=None,
)  # fmt: skip
NOT_MET: list[tuple[str, dict[str, Any], str]] = [
    ("answers", {"away": "database 'cloud' does not answer"}, "does not answer"),
    ("closed", {"released_at": None}, "r4 is not released"),
    ("age", {"released_at": None}, "in use for 7d once it is released"),
    ("age", {"min_age": 7 * DAY + 1}, "in use until 2026-11-30T08:00:01Z"),
    ("tenants", {"tenants": (Runs("acme", "1.3.0", new=False),)}, "acme runs 1.3.0"),
    ("tenants", {"tenants": (Runs("acme", "1.3.0", new=None),)}, "nobody knows whether it is newer"),
    ("processes", {"processes": None}, "the deploy target does not say what runs"),
    ("processes", {"processes": (Runs("cloud b", "1.3.0", new=False),)}, "cloud b runs 1.3.0"),
    ("processes", {"processes": (Runs("cloud b", None, new=None),)}, "cloud b does not say what"),
    ("sessions", {"sessions": None}, "the database does not answer"),
    ("sessions", {"sessions": (Runs("session 'shop 1.3.0'", "1.3.0", new=False),)}, "session 'shop 1.3.0' runs 1.3.0"),
    (
        "way_back",
        {"back": (Runs("acme", "1.3.0", new=False),)},
        "acme would go back to 1.3.0",
    ),
    ("quiet", {"busy": ("r5 is planned and not over",)}, "r5 is planned and not over"),
    ("stage", {"elsewhere": "stage has r3, and did not prove what it would be on r2"}, "stage has r3"),
    ("backfills", {"backfills": (Filled("totals", 3),)}, "totals: 3 rows are not as verify says"),
    ("backfills", {"backfills": (Filled("totals", None, "it says no `verify`"),)}, "it says no `verify`"),
    ("lint", {"findings": ("index_not_concurrent: builds",)}, "index_not_concurrent"),
    ("window", {"shut": "env:production is frozen"}, "env:production is frozen"),
]


def test_with_all_that_is_known_to_be_good_the_database_is_ready() -> None:
    found = conditions(GOOD_FACTS)
    assert all(one.met for one in found)
    assert ready(found) == ("cloud",)
    assert [one.name for one in found] == list(dict.fromkeys(name for name, _, _ in NOT_MET))


@pytest.mark.parametrize(("name", "change", "reason"), NOT_MET)
def test_each_condition_alone_keeps_it_waiting_with_reason_and_way_out(
    name: str, change: dict[str, Any], reason: str
) -> None:
    found = conditions(replace(GOOD_FACTS, **change))
    lacking = {one.name: one for one in found if not one.met}
    assert name in lacking
    assert set(lacking) <= {name, *(("closed", "age") if "released_at" in change else ())}
    assert reason in lacking[name].reason
    assert lacking[name].way_out
    assert ready(found) == ()


def test_a_way_back_that_is_given_up_and_sessions_without_names_are_not_asked_for() -> None:
    given_up = replace(
        GOOD_FACTS, way_back=False, back=(Runs("acme", "1.3.0", new=False),), watched=False, sessions=None
    )
    assert all(one.met for one in conditions(given_up))


@given(st.lists(st.sampled_from([True, False, None]), max_size=8))
def test_one_that_is_old_or_unknown_is_enough(answers: list[bool | None]) -> None:
    runs = tuple(Runs(f"t{number}", "1", new=answer) for number, answer in enumerate(answers))
    (told,) = [one for one in conditions(replace(GOOD_FACTS, tenants=runs)) if one.name == "tenants"]
    assert told.met == all(answer is True for answer in answers)


def test_each_database_waits_alone() -> None:
    pinned = replace(GOOD_FACTS, instance="cedar", tenants=(Runs("cedar", "1.3.0", new=False),))
    found = (*conditions(GOOD_FACTS), *conditions(pinned))
    assert ready(found) == ("cloud",)
    assert {row["database"] for row in rows(found) if row["met"] == "no"} == {"cedar"}


def test_the_wait_is_named_for_what_the_nearest_database_lacks() -> None:
    young = conditions(replace(GOOD_FACTS, min_age=8 * DAY))
    old = conditions(replace(GOOD_FACTS, instance="cedar", tenants=(Runs("cedar", "1", new=False),), processes=None))
    wait = wait_of("r4", (*young, *old))
    assert (wait.awaited, wait.until) == ("soak", "2026-12-01T08:00:00Z")
    assert "cedar: cedar runs 1, the deploy target does not say what runs" in wait.message
    assert wait_of("r4", old).awaited == "versions"
    assert wait_of("r4", old).until is None


@pytest.mark.parametrize("sql", ["ALTER TABLE orders DROP COLUMN total;", "DROP TABLE old; ALTER TABLE a RENAME TO b;"])
def test_a_contract_may_take_away(sql: str) -> None:
    assert lint_contract(sql) == ()


@pytest.mark.parametrize("sql", ["CREATE INDEX i ON orders (id);", "not SQL at all", "DO $$BEGIN END$$;", "\x00"])
def test_it_may_not_keep_others_waiting_nor_do_what_cannot_be_read(sql: str) -> None:
    assert lint_contract(sql)


def told(*steps: str | tuple[str, str], **facts: dict[str, Any]) -> Any:
    wait: dict[str, Any] = {"for": "versions", "until": None, "message": "cedar runs 1", "hint": None, "contract": []}
    return story(*GOOD, "contract", *steps, facts={"waiting": wait, **facts})


def test_its_status_is_that_of_the_last_leg() -> None:
    assert contract_status(story(*GOOD)) is None
    waits = contract_status(told(("contracted", "cloud"), "waiting"))
    assert waits is not None
    assert (waits.over, waits.waiting_for, waits.databases) == (False, "versions", {"cloud": "contracted"})
    over = contract_status(told("waiting", ("contracted", "cloud"), "contract_over"))
    assert over is not None
    assert (over.over, over.waiting_for, over.message) == (True, None, None)


def seen(entries: Any, **more: Any) -> SeenContract:
    return SeenContract(
        "r1", **{"at": AT + timedelta(hours=1), "entries": entries, "worker": Worker(), "run": None, **more}
    )


def run(kind: str, **more: Any) -> FlowRun:
    return FlowRun("1", kind, kind, AT, **more)


@pytest.mark.parametrize(
    ("what", "do"),
    [
        (seen(story(*GOOD)), "leave"),
        (seen(told()), "restart"),
        (seen(told(), worker=Worker(alive=True)), "leave"),
        (seen(told("waiting")), "leave"),
        (seen(told("waiting", "approval")), "wake"),
        (seen(told("waiting"), stirred=999), "wake"),
        (seen(told("waiting"), stirred=999, at=AT + timedelta(minutes=1)), "leave"),
        (seen(told("waiting"), run=run("CRASHED")), "restart"),
        (seen(told("waiting"), run=run("CRASHED"), tries=9), "leave"),
        (seen(told("waiting"), run=run("SCHEDULED", due=AT + timedelta(days=1))), "leave"),
        (seen(told("waiting", "approval"), run=run("SCHEDULED", due=AT + timedelta(days=1))), "wake"),
        (
            seen(
                told("waiting", waiting={"for": "soak", "until": "2026-11-23T08:10:00Z", "message": "", "hint": None})
            ),
            "wake",
        ),
        (seen(told("failed", failed={"outside": False})), "leave"),
        (seen(told("failed", failed={"outside": True})), "restart"),
        (seen(told("contract_over")), "leave"),
        (seen(told("rollback")), "leave"),
    ],
)
def test_the_watchdog_starts_what_died_and_wakes_what_waits(what: SeenContract, do: str) -> None:
    assert decide_contract(what).do == do
