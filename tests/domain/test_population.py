"""The population has every production change of its period, once, and can be reconciled with the ledger."""

import json
import re
from datetime import timedelta
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.entries import STEPS, Entry
from stationmaster.domain.persons import by_person
from stationmaster.domain.population import Count, Period, Population, Row, population
from stationmaster.domain.production_changes import CHANGES, change_of, why_none
from tests.accounts import BEGAN, MANDATE, NEW, Account, good

ALL = Period.of(BEGAN, BEGAN + timedelta(days=9))
ROOT = bytes(32)
PAGE = Path(__file__).parents[2] / "docs/reference/population.md"


def rows(found: Population, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, name) for name in names) for row in found.rows]


def of_kind(found: Population, kind: str) -> list[Row]:
    return [row for row in found.rows if row.kind == kind]


def shown() -> dict[str, Any]:
    """What the page shows: the end of a release, which a person let go on."""
    account = Account()
    account.approve("shop-2-0-0")
    account.deploy("shop-2-0-0", tenants=("acme",))
    account.tell("advanced", {"verdict": "hold", "reason": "seen by hand"}, "pilot", "shop-2-0-0", who="ben")
    account.tell("confirmed", {"product": "shop", "kind": "manual", "ref": "main"}, "", "shop-2-0-1", who="ana")
    account.close("shop-2-0-0")
    began = next(entry for entry in account.entries if entry.step == "deployed")
    period = Period.of(BEGAN + timedelta(minutes=began.index), BEGAN + timedelta(days=30))
    record = population(account.entries, period).record(len(account.entries), bytes.fromhex("5f" * 32))
    acted = [entry for entry in account.entries if period.has(entry)]
    known = {index: who for index, who in account.personal.items() if who != {"who": "ana"}}
    return {**record, "people": [one.record() for one in by_person(acted, known)]}


def test_the_example_on_the_page_is_what_is_answered_and_every_step_is_told() -> None:
    page = PAGE.read_text("utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert json.loads(example) == json.loads(json.dumps(shown()))
    for step in STEPS:
        listed = f"`{CHANGES[step].kind}`" if step in CHANGES else "no"
        assert f"| `{step}` | {listed} |" in page
        assert why_none(step) in page
    for name in (*shown(), *shown()["rows"][0]):
        assert name in {"from", "to"} or f"`{name}`" in page


def test_a_row_has_all_that_is_known_of_its_release_at_that_moment() -> None:
    found = population(good().entries, ALL)
    row = of_kind(found, "deployment")[0]
    approved = row.approved
    assert (row.product, row.release, row.release_kind, row.tenant, row.instance) == (
        "shop",
        "r1",
        "train",
        "acme",
        "cloud",
    )
    assert (row.version, row.digest, row.tickets, row.emergency) == ("2.0.0", NEW, ("SHOP-7",), False)
    assert approved is not None
    assert (approved.roles, approved.people, approved.mandate) == ({"release-approver": 1}, 1, MANDATE)
    assert found.rows[-1].outcome == "released"


def test_what_is_not_known_yet_is_not_said() -> None:
    account = Account()
    account.tell("started", {"product": "shop", "kind": "train", "ref": "main"}, starter="ana")
    account.tell("failed", {"step": "cut", "message": "no such ref"})
    (row,) = population(account.entries, ALL).rows
    assert (row.kind, row.outcome, row.version, row.digest, row.approved) == ("release", "failed", None, None, None)
    assert row.tickets == ()


def test_failed_aborted_contained_and_rolled_back_releases_are_in_it() -> None:
    account = good()
    account.go_back(tenants=("acme",))
    account.go_back()
    account.approve("h1", "hotfix")
    account.tell("failed", {"step": "deploy", "message": "boom"}, release="h1")
    account.tell("aborted", {"reason": "no"}, release="h1", who="ana")
    found = population(account.entries, ALL)
    assert [row.outcome for row in of_kind(found, "rollback")] == [
        *("ordered", "back", "contained"), *("ordered", "back", "back", "back", "restored"),
    ]  # fmt: skip
    assert rows(found, "outcome", "release_kind")[-2:] == [("failed", "hotfix"), ("aborted", "hotfix")]


def test_a_new_plan_or_mandate_takes_the_approval_from_what_follows() -> None:
    account = good()
    account.tell("planned", {"waves": [], "placements": [], "digest": NEW})
    account.tell("aborted", {"reason": "no"})
    assert population(account.entries, ALL).rows[-1].approved is None


def test_an_emergency_marks_what_follows_and_a_refused_one_does_not() -> None:
    for refused in (False, True):
        account = Account()
        account.tell("started", {"product": "shop", "kind": "hotfix", "ref": "main"})
        fact = {"action": "emergency", "reason": "down", "ticket": "INC-1", "assurance": "signed"}
        alone = account.tell("approval", fact, "k", who="ana")
        if refused:
            account.tell("refused", {"entry": alone.index, "rule": "role"}, "k")
        account.deploy(tenants=("acme",))
        found = population(account.entries, ALL)
        (row,) = of_kind(found, "deployment")
        assert row.emergency is not refused
        assert of_kind(found, "emergency")[0].tickets == ("INC-1",)


@pytest.mark.parametrize("alone", [True, False])
def test_where_approvals_were_counted_that_says_whether_somebody_went_ahead_alone(alone: bool) -> None:  # noqa: FBT001
    account = Account()
    account.approve(alone=alone)
    account.tell("approval", {"action": "emergency", "reason": "x", "ticket": "INC-1"}, "k", who="ana")
    account.deploy()
    assert {row.emergency for row in of_kind(population(account.entries, ALL), "deployment")} == {alone}


def test_a_release_that_began_before_the_period_is_listed_by_what_happened_in_it() -> None:
    account = good()
    first = next(entry for entry in account.entries if entry.step == "deployed")
    begin = BEGAN + timedelta(minutes=first.index + 1)
    found = population(account.entries, Period.of(begin, BEGAN + timedelta(days=9)))
    assert [row.tenant for row in of_kind(found, "deployment")] == ["birch", "cedar"]
    assert {row.tickets for row in found.rows} == {("SHOP-7",)}
    assert (found.first, found.last) == (first.index + 1, account.entries[-1].index)


def test_the_period_has_its_first_instant_and_not_its_last() -> None:
    account = good()
    at = {minute: BEGAN + timedelta(minutes=minute) for minute in (0, 3)}
    found = population(account.entries, Period.of(at[0], at[3]))
    assert [row.index for row in found.rows] == [0, 1, 2]
    assert (found.first, found.last, found.entries, found.outside) == (0, 2, 3, 0)


def test_the_counts_of_each_step_are_those_of_the_ledger_and_say_why_some_are_not_listed() -> None:
    account = good()
    record = population(account.entries, ALL).record(len(account.entries), ROOT)
    steps = record["steps"]
    assert sum(count["entries"] for count in steps.values()) == record["entries"] == len(account.entries)
    assert sum(count["rows"] for count in steps.values()) == len(record["rows"])
    assert steps["expanded"] == {"entries": 3, "rows": 2, "others": 0, "because": "stage is not production"}
    assert steps["deployed"]["because"] is None
    assert {step for step, count in steps.items() if count["rows"] < count["entries"]} == {
        step for step, count in steps.items() if count["because"]
    }


def test_a_clock_that_was_set_back_is_told_by_the_entries_outside() -> None:
    account = good()
    account.at = BEGAN - timedelta(days=3)
    account.tell("paused", {"reason": "x"})
    account.at = BEGAN + timedelta(days=1)
    account.tell("resumed", {"reason": "x"})
    found = population(account.entries, ALL)
    assert found.outside == 1
    assert found.last is not None
    assert found.last - (found.first or 0) + 1 == found.entries + found.outside


def test_of_one_product_the_others_are_counted_and_what_belongs_to_none_is_listed() -> None:
    account = good()
    account.tell("started", {"product": "books", "kind": "train", "ref": "main"}, release="b1")
    account.tell("aborted", {"reason": "no"}, release="b1")
    account.tell("ratified", {"digest": NEW}, "books/policy", "policy")
    account.tell("drifted", {"tenants": 1, "found": [{}]}, "shop", "drift")
    shop, books = population(account.entries, ALL, "shop"), population(account.entries, ALL, "books")
    assert shop.steps["aborted"] == Count(1, 0, 1)
    assert [row.kind for row in of_kind(shop, "drift")] == ["drift"]
    assert set(rows(books, "kind")) == {("adoption",), ("release",), ("policy",)}
    both = {row.index for row in shop.rows} | {row.index for row in books.rows}
    assert both == {row.index for row in population(account.entries, ALL).rows}


def test_the_newest_checkpoint_of_the_ledger_is_named() -> None:
    account = good()
    for size in (3, 9):
        account.tell("checkpointed", {"size": size, "root": NEW, "places": []}, "shop", "log")
    record = population(account.entries, ALL).record(len(account.entries), ROOT)
    assert record["log"]["checkpoint"] == {"entry": account.entries[-1].index, "size": 9, "root": NEW}


def test_an_empty_period_has_no_first_and_no_last() -> None:
    empty = Period.of(BEGAN - timedelta(days=2), BEGAN - timedelta(days=1))
    record = population(good().entries, empty).record(0, ROOT)
    assert [record[name] for name in ("first", "last", "entries", "outside", "rows")] == [None, None, 0, 0, []]


def test_its_cost_grows_with_the_entries_and_not_faster() -> None:
    entries = good().entries
    few, many = ([entry for _ in range(times) for entry in entries] for times in (40, 400))

    def seconds(ledger: list[Entry]) -> float:
        began = process_time()
        population(ledger, ALL).record(len(ledger), ROOT)
        return process_time() - began

    assert min(seconds(many) for _ in range(3)) < 30 * min(seconds(few) for _ in range(5))


FACTS: dict[str, dict[str, Any]] = {
    "started": {"product": "shop", "kind": "train", "ref": "main"},
    "confirmed": {"product": "shop", "kind": "train", "ref": "main"},
    "cut": {"version": "2"}, "built": {"digest": NEW}, "linked": {"tickets": ["S-1"]}, "mandated": {"digest": NEW},
    "approved": {"roles": ["qa"]}, "expanded": {"before": [], "after": []}, "drifted": {"found": [{}]},
    "contract_mandated": {"digest": NEW}, "contract_approved": {"roles": ["qa"]},
    "contracted": {"before": [], "after": []}, "reviewed": {"verdict": "justified"},
    "refused": {"entry": 0}, "checkpointed": {"size": 1, "root": NEW},
}  # fmt: skip
SOME = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(["acme", "stage"]), st.integers(-5, 5)), max_size=40
)


def told(steps: list[tuple[str, str, int]]) -> list[Entry]:
    account = Account()
    for step, subject, minutes in steps:
        account.at += timedelta(minutes=minutes)
        account.tell(step, FACTS.get(step), subject)
    return account.entries


@given(SOME, st.integers(-20, 60), st.integers(1, 60))
def test_whatever_happened_each_change_of_the_period_is_a_row_once(
    steps: list[tuple[str, str, int]], begins: int, lasts: int
) -> None:
    entries, begin = told(steps), BEGAN + timedelta(minutes=begins)
    period = Period.of(begin, begin + timedelta(minutes=lasts))
    found = population(entries, period)
    among = [entry for entry in entries if period.has(entry)]
    assert [row.index for row in found.rows] == [entry.index for entry in among if change_of(entry)]
    assert sum(count.entries for count in found.steps.values()) == found.entries == len(among)
    assert json.loads(json.dumps(found.record(len(entries), ROOT)))["entries"] == len(among)


@given(SOME, st.integers(0, 60))
def test_two_periods_that_touch_have_together_what_the_whole_has(steps: list[tuple[str, str, int]], cut: int) -> None:
    entries, middle = told(steps), BEGAN + timedelta(minutes=cut)
    early, late = BEGAN - timedelta(days=1), BEGAN + timedelta(days=1)
    parts = [population(entries, Period.of(*span)).rows for span in ((early, middle), (middle, late))]
    whole = population(entries, Period.of(early, late)).rows
    assert sorted((row.index, row.outcome) for part in parts for row in part) == [
        (row.index, row.outcome) for row in whole
    ]


def test_a_policy_belongs_to_the_product_in_its_subject() -> None:
    account = good()
    account.tell("ratified", {"digest": NEW, "content": {}}, "shop/policy", "policy")
    row = population(account.entries, ALL).rows[-1]
    assert (row.product, row.release, row.subject, row.digest) == ("shop", "policy", "shop/policy", NEW)
