"""Estimates: what they say, what is a finding, how production compares, and what approvers read."""

import json
from typing import Any

import pytest

from stationmaster.domain.migration_forecast import Slack, expected_ms, forecast
from stationmaster.domain.migration_rehearsal import (
    Estimate,
    NoDown,
    NoEstimateError,
    Statement,
    findings_of_again,
    findings_of_heads,
    findings_of_rows,
    findings_of_schema,
    read_estimate,
    statement,
)
from stationmaster.domain.migration_slack import compare
from stationmaster.domain.migration_ways_back import Step, way_back


def ran(
    sql: str, ms: float, *, held: float | None = None, lock: str | None = None, revision: str = "e2"
) -> dict[str, Any]:
    return {"revision": revision, "sql": sql, "ms": ms, "held_ms": ms if held is None else held, "lock": lock,
            "kind": "short", "attempts": 1}  # fmt: skip


def estimate(*statements: dict[str, Any], **more: Any) -> Estimate:
    given = {"before": ("e1",), "after": ("e2",), "at": "2026-11-23T08:00:00Z", "rows": {"orders": 2_000_000}, **more}
    made = tuple(statement(one) for one in statements)
    return Estimate(statements=made, up_ms=sum(one.ms for one in made), **given)


ADD = ran("ALTER TABLE orders ADD total numeric", 2.0, held=912.0, lock="ACCESS EXCLUSIVE")
INDEX = ran("CREATE INDEX ON orders (total)", 900.0, held=905.0, lock="SHARE")


def test_the_longest_lock_is_of_those_that_others_wait_for() -> None:
    quiet = ran("CREATE INDEX CONCURRENTLY x ON orders (total)", 9000.0, lock="SHARE UPDATE EXCLUSIVE")
    longest = estimate(ADD, INDEX, quiet).longest
    assert longest is not None
    assert (longest.lock, longest.held_ms) == ("ACCESS EXCLUSIVE", 912.0)
    assert estimate(quiet).longest is None
    same = (ran("a", 1, lock="SHARE"), ran("b", 1, lock="ACCESS EXCLUSIVE"))
    stronger = estimate(*same).longest
    assert stronger is not None
    assert stronger.lock == "ACCESS EXCLUSIVE"


def test_an_estimate_is_read_as_it_was_written() -> None:
    one = estimate(ADD, INDEX, no_down=(NoDown(revision="e2", reason="archived"),))
    text = json.dumps(one.record())
    assert read_estimate(text, "x") == one
    assert json.loads(text)["longest_lock"] == {
        "lock": "ACCESS EXCLUSIVE", "ms": 912.0, "revision": "e2", "sql": ADD["sql"],
    }  # fmt: skip
    assert Estimate.read(one.fact(most=1)).statements[1].sql == ""
    assert [found.digest for found in Estimate.read(one.fact(most=1)).statements] == [x.digest for x in one.statements]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "Expecting value"),
        ("[]", "list"),
        ("{}", "from: Field required"),
        (json.dumps({**estimate().record(), "extra": 1}), "extra: Extra inputs are not permitted"),
        (json.dumps({**estimate().record(), "up_ms": -1}), "up_ms: Input should be greater than or equal to 0"),
    ],
)
def test_what_is_no_estimate_says_where_it_is_wrong(text: str, says: str) -> None:
    with pytest.raises(NoEstimateError, match=says) as error:
        read_estimate(text, "estimate.json")
    assert error.value.file == "estimate.json"


def test_the_runner_is_given_the_slowest_of_equal_statements_by_the_digest_that_it_makes() -> None:
    from stationmaster.domain.migration_class import digest_of  # noqa: PLC0415 - brings the parser

    twice = estimate(ran("UPDATE t  SET a = 1", 10), ran("UPDATE t\nSET a = 1", 30))
    assert read_estimate(json.dumps(twice.record()), "x").limits == {digest_of("UPDATE t SET a = 1"): 30}


def test_a_long_statement_is_cut_and_its_digest_is_of_all() -> None:
    one, other = statement(ran("SELECT 1" + " + 1" * 100, 1)), statement(ran("SELECT 1" + " + 1" * 101, 1))
    assert (len(one.sql), one.sql == other.sql, one.digest == other.digest) == (200, True, False)


# What is a finding


SCHEMA = frozenset({"table public.orders", "column public.orders.id int"})


def rules(found: Any) -> list[str]:
    return [one.rule for one in found]


def test_what_a_downgrade_leaves_and_loses_is_named() -> None:
    left, lost = findings_of_schema(SCHEMA, frozenset({"table public.orders", "table public.new"}), ("e3", "e2"))
    assert (left.rule, "leaves table public.new" in left.message) == ("downgrade_leaves", True)
    assert (lost.rule, "bring back column public.orders.id int" in lost.message) == ("downgrade_loses", True)
    assert "e3, e2" in left.message
    assert not rules(findings_of_schema(SCHEMA, SCHEMA, ("e2",)))


def test_of_very_much_only_some_is_named() -> None:
    (found,) = findings_of_schema(frozenset(), frozenset(f"table t{n:02}" for n in range(10)), ("e2",))
    assert "t05 and 4 more" in found.message


def test_rows_that_a_downgrade_does_not_bring_back_are_named_by_column() -> None:
    before = {"orders": (2, {"id": 7, "state": 5}), "old": (1, {"id": 1})}
    assert not rules(findings_of_rows(before, {"orders": (2, {"id": 7, "state": 5, "new": 1})}, ("e2",)))
    (values,) = findings_of_rows(before, {"orders": (2, {"id": 7, "state": 6})}, ("e2",))
    assert "orders.state" in values.message
    (rows,) = findings_of_rows(before, {"orders": (1, {"id": 7, "state": 5})}, ("e2",))
    assert "orders has 1 rows instead of 2" in rows.message


def test_another_schema_at_the_second_time_and_another_record_are_findings() -> None:
    (again,) = findings_of_again(SCHEMA, frozenset({"table public.orders", "table x"}))
    assert "+ table x; - column public.orders.id int" in again.message
    (heads,) = findings_of_heads(("e1",), ())
    assert "says nothing, and it said e1" in heads.message
    assert not rules([*findings_of_again(SCHEMA, SCHEMA), *findings_of_heads(("e1",), ("e1",))])


# How far back


def step(revision: str, after: str, *, up: bool = True, down: bool = True, no_down: object = None) -> Step:
    return Step(revision, (after,), f"{revision}.py", up, down, no_down)


def test_back_over_all_or_to_the_last_that_has_no_way() -> None:
    every = way_back([step("e2", "e1"), step("e3", "e2")])
    assert (every.undone, every.to, every.no_down, every.findings) == (("e3", "e2"), None, (), ())
    part = way_back([step("e2", "e1", no_down=" it is dropped "), step("e3", "e2"), step("e4", "e3")])
    assert (part.undone, part.to) == (("e4", "e3"), "e2")
    assert part.no_down == (NoDown(revision="e2", reason="it is dropped"),)
    last = way_back([step("e2", "e1"), step("e3", "e2", no_down="lost")])
    assert (last.undone, last.to) == ((), None)


def test_what_comes_after_on_another_branch_stays_untried() -> None:
    assert way_back([step("e2", "e1", no_down="lost"), step("c1", "c0")]).undone == ()


def test_neither_a_downgrade_nor_a_reason_is_a_finding() -> None:
    found = way_back([step("e2", "e1", down=False), step("e3", "e2", no_down=""), step("e4", "e3", no_down=7)])
    assert [one.rule for one in found.findings] == ["no_way_back"] * 3
    assert "e2.py: revision e2 has neither a downgrade nor `no_down`" in found.findings[0].message
    assert "`no_down` gives no reason" in found.findings[1].message


def test_a_revision_that_does_nothing_needs_no_way_back() -> None:
    found = way_back([step("merge", "e1", up=False, down=False), step("e2", "merge")])
    assert (found.undone, found.findings) == (("e2", "merge"), ())


# Production beside it


def test_production_is_compared_statement_by_statement() -> None:
    took = [{**ADD, "ms": 4.0}, {**INDEX, "ms": 2700.0}, ran("ANALYZE orders", 50.0)]
    found = compare([estimate(ADD, INDEX)], [statement(one) for one in took])
    assert [one.ratio for one in found.pairs] == [2.0, 3.0, None]
    assert (found.rehearsed_ms, found.took_ms, found.ratio) == (902.0, 2754.0, 3.0)
    assert found.fact() == {"rehearsed_ms": 902.0, "took_ms": 2754.0, "ratio": 3.0, "unrehearsed": 1}
    told = "\n".join(found.told())
    assert "rehearsed 902 ms, took 2.8 s, 3.0 times" in told
    assert "900 ms → 2.7 s (3.0): e2: CREATE INDEX" in told
    assert "run without rehearsal, 50 ms: e2: ANALYZE orders" in told


def test_a_text_that_has_the_hour_in_it_is_still_its_statement() -> None:
    one, other = ran("INSERT INTO t VALUES ('08:00')", 10), ran("INSERT INTO t VALUES ('09:00')", 20)
    assert compare([estimate(one)], [statement(other)]).ratio == 2.0


def test_a_revision_rehearsed_from_two_states_counts_once_and_one_that_did_not_run_not_at_all() -> None:
    more = ran("ALTER TABLE x", 5.0, revision="e1")
    found = compare([estimate(more, INDEX), estimate(INDEX)], [statement(INDEX)])
    assert (found.rehearsed_ms, len(found.pairs)) == (900.0, 1)


def test_a_statement_that_production_did_not_run_is_told() -> None:
    found = compare([estimate(ADD, INDEX)], [statement(INDEX)])
    assert any("rehearsed and not run: e2: ALTER TABLE" in line for line in found.told())


def test_what_migrations_run_tells_of_its_estimate() -> None:
    ran_now = [statement(one) for one in (ADD, {**INDEX, "ms": 1800.0}, ran("ANALYZE", 1))]
    found = compare([estimate(ADD, INDEX)], ran_now)
    assert [one.sql for one in found.unrehearsed] == ["ANALYZE"]
    assert [one["ratio"] for one in found.record()["statements"]] == [1.0, 2.0, None]
    assert compare([estimate(ADD, INDEX)], []).record()["ratio"] is None


def test_clock_grains_are_not_compared() -> None:
    assert compare([estimate(ran("a", 0.1))], [statement(ran("a", 0.9))]).ratio == 1.0


# What approvers read


def test_without_a_rehearsal_before_no_slack_is_known() -> None:
    assert forecast([estimate(INDEX)])[-1].endswith("no slack is known, since none was rehearsed before")


def test_approvers_read_time_lock_way_back_and_slack() -> None:
    one = estimate(ADD, INDEX, down_ms=3.0, again_ms=880.0, undone=("e2",))
    assert forecast([one], Slack("shop-41", 3.0)) == [
        "rehearsed from e1 to e2 on 2,000,000 rows of orders (generated): up in 902 ms",
        "  longest lock: ACCESS EXCLUSIVE for 912 ms, e2: ALTER TABLE orders ADD total numeric",
        "  way back: down in 3 ms, then up again in 880 ms",
        "  expect 2.7 s in production: shop-41 took 3 times what was rehearsed",
    ]


def test_slack_never_makes_an_estimate_smaller() -> None:
    assert expected_ms(estimate(INDEX), Slack("shop-41", 0.4)) == 900.0
    assert expected_ms(estimate(INDEX), None) == 900.0


def test_no_way_back_is_told_with_who_decided_what() -> None:
    decided = (NoDown(revision="e2", reason="the column is archived"),)
    told = forecast([estimate(INDEX, no_down=decided)])
    assert told[2] == "  way back: none, by decision: e2, the column is archived"
    part = forecast([estimate(INDEX, no_down=decided, down_ms=1.0, again_ms=1.0)])
    assert part[2].endswith("but not beyond e2, the column is archived")
    assert "none was proved" in forecast([estimate(INDEX)])[2]


def test_statements_are_values() -> None:
    assert statement(ADD) == statement(dict(ADD))
    assert isinstance(statement(ADD), Statement)
