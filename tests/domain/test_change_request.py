"""Change requests and configuration items have ServiceNow's fields, are found again, and say of a tenant nothing about
another.
"""

import csv
import io
import json
import re

import pytest

from stationmaster.domain.change_record import ChangeRecord
from stationmaster.domain.change_request import FIELDS, TenantNotReachedError, change_request
from stationmaster.domain.cmdb import changes_csv, configuration_items
from stationmaster.domain.recounting import recount
from tests.accounts import PLACES, Account, good

DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def of(account: Account, release: str = "r1") -> ChangeRecord:
    return recount(account.of(release), personal=account.personal, past=account.past())


def request(account: Account, tenant: str | None = None, release: str = "r1") -> dict[str, str]:
    return change_request(of(account, release), tenant)


def test_a_good_release_is_a_closed_normal_change() -> None:
    found = request(good())
    assert (found["type"], found["state"], found["close_code"], found["risk"]) == ("normal", "3", "successful", "3")
    assert (found["start_date"], found["end_date"]) == ("2026-11-01 02:00:00", "2026-11-02 02:45:00")
    assert found["short_description"] == "Release shop 2.0.0, r1"
    assert found["cmdb_ci"] == "shop"
    assert (
        found["test_plan"]
        == "1 check passed against the artifact; it ran in stage beside the version before, on the new schema."
    )
    for words in ("SHOP-7", "Show what birch costs", "Approved 2026-11-01T", "release-approver", "mandate sha256:eee"):
        assert words in found["description"]


def test_every_field_is_one_of_the_table_a_text_and_every_date_has_its_form() -> None:
    for tenant in (None, *PLACES):
        found = request(good(), tenant)
        assert set(found) <= set(FIELDS)
        assert all(found.values())
        assert {type(value) for value in found.values()} == {str}
        assert all(DATE.fullmatch(found[name]) for name in ("start_date", "end_date", "work_start", "work_end"))
        assert len(found["short_description"]) <= 160
        assert len(found["correlation_id"]) <= 100


def test_its_correlation_is_the_same_each_time_and_another_for_each_release_and_tenant() -> None:
    account = good()
    account.approve("r2")
    before = request(account)["correlation_id"]
    account.go_back()
    assert request(account)["correlation_id"] == before
    ids = [
        request(account, tenant, release)["correlation_id"] for release in ("r1", "r2") for tenant in (None, *PLACES)
    ]
    assert len(set(ids)) == len(ids)


def stages() -> dict[str, Account]:
    """Accounts by where their release is."""
    made = {name: Account() for name in ("asked", "approved", "deploying", "aborted early", "aborted late")}
    made["asked"].tell("started", {"product": "shop", "kind": "train", "ref": "main"})
    for name in ("approved", "deploying", "aborted early", "aborted late"):
        made[name].install()
        made[name].approve()
    for name in ("deploying", "aborted late"):
        made[name].deploy(tenants=("acme",))
    for name in ("aborted early", "aborted late"):
        made[name].tell("aborted", {"reason": "no"})
    held, back, contained = good(), good(), good()
    back.go_back()
    contained.go_back(tenants=("acme",))
    held.entries = [entry for entry in held.entries if entry.step != "released"]
    held.tell("held", {"verdict": "hold", "message": "blind"}, "pilot")
    return {**made, "held": held, "rolled back": back, "contained": contained, "released": good()}


@pytest.mark.parametrize(
    ("name", "state", "code"),
    [
        ("asked", "-5", None),
        ("approved", "-2", None),
        ("deploying", "-1", None),
        ("held", "-1", None),
        ("contained", "-1", None),
        ("aborted early", "4", None),
        ("aborted late", "3", "unsuccessful"),
        ("rolled back", "3", "unsuccessful"),
        ("released", "3", "successful"),
    ],
)
def test_the_state_and_the_close_code_follow_the_release(name: str, state: str, code: str | None) -> None:
    found = request(stages()[name])
    assert (found["state"], found.get("close_code")) == (state, code)
    assert ("close_notes" in found) is (code is not None)
    assert ("work_end" in found) is (code is not None)


@pytest.mark.parametrize(
    ("name", "tenant", "state", "code"),
    [
        ("approved", "acme", "-2", None),
        ("deploying", "acme", "-1", None),
        ("deploying", "cedar", "-1", None),
        ("aborted early", "acme", "4", None),
        ("aborted late", "acme", "3", "successful"),
        ("aborted late", "cedar", "4", None),
        ("rolled back", "acme", "3", "unsuccessful"),
        ("contained", "acme", "3", "unsuccessful"),
        ("contained", "cedar", "-1", None),
        ("released", "cedar", "3", "successful"),
    ],
)
def test_a_tenants_own_part_has_a_state_of_its_own(name: str, tenant: str, state: str, code: str | None) -> None:
    found = request(stages()[name], tenant)
    assert (found["state"], found.get("close_code")) == (state, code)


def test_what_stopped_it_on_the_way_makes_it_successful_with_issues() -> None:
    account = Account()
    account.install()
    account.approve()
    account.tell("failed", {"step": "expand", "message": "lock timeout"})
    account.tell("started", {"product": "shop", "kind": "train", "ref": "main"})
    account.deploy()
    account.close()
    assert request(account)["close_code"] == "successful_issues"


def test_the_work_began_with_the_first_thing_that_was_touched() -> None:
    account = good()
    first = next(entry for entry in account.of() if (entry.step, entry.subject) == ("expanding", "cloud"))
    assert request(account)["work_start"] == first.at.replace("T", " ").rstrip("Z")


def test_what_was_hurried_is_an_emergency_of_high_risk() -> None:
    account = Account()
    account.approve("h1", "hotfix")
    found = request(account, release="h1")
    assert (found["type"], found["risk"]) == ("emergency", "2")


def test_a_release_that_migrates_nothing_is_of_low_risk() -> None:
    account = Account()
    account.install()
    account.approve()
    for tenant in PLACES:
        account.tell("deployed", {**account.past()[tenant][0].fact, "digest": "sha256:x"}, tenant)
    assert request(account)["risk"] == "4"


@pytest.mark.parametrize("name", ["deploying", "rolled back", "contained", "held", "released", "aborted late"])
@pytest.mark.parametrize("tenant", list(PLACES))
def test_of_a_tenant_nothing_is_said_about_another(name: str, tenant: str) -> None:
    record = of(stages()[name])
    said = json.dumps([change_request(record, tenant), configuration_items(record, tenant)])
    for other in set(PLACES) - {tenant}:
        assert other not in said
    for free in ("Show what", "SHOP-7", "9 of 40", "blind"):
        assert free not in said


def test_a_tenant_that_the_release_has_nothing_to_do_with_is_refused_with_the_nearest() -> None:
    for ask in (change_request, configuration_items):
        with pytest.raises(TenantNotReachedError) as caught:
            ask(of(good()), "acm")
        assert caught.value.hint == "did you mean 'acme'?"


def test_configuration_items_have_what_runs_now_and_depend_on_their_instance() -> None:
    account = good()
    account.go_back(tenants=("birch",))
    found = configuration_items(of(account))
    items, relations = found["items"], found["relations"]
    names = [item["values"]["name"] for item in items]
    assert names == ["shop instance cedar", "shop instance cloud", "shop for acme", "shop for birch", "shop for cedar"]
    assert [item["values"].get("version") for item in items[2:]] == ["2.0.0", "1.0.0", "2.0.0"]
    assert [(names[one["parent"]], names[one["child"]]) for one in relations] == [
        ("shop for acme", "shop instance cloud"),
        ("shop for birch", "shop instance cloud"),
        ("shop for cedar", "shop instance cedar"),
    ]
    assert {one["type"] for one in relations} == {"Depends on::Used by"}
    keys = [item["sys_object_source_info"]["source_native_key"] for item in items]
    assert len(set(keys)) == len(keys)
    assert {item["className"] for item in items} == {"cmdb_ci_appl"}


def test_of_a_release_that_reached_nobody_there_are_no_items() -> None:
    account = Account()
    account.approve()
    assert configuration_items(of(account)) == {"items": [], "relations": []}


def test_the_csv_has_the_same_fields_and_no_formula() -> None:
    account = good()
    wanted = [request(account, tenant) for tenant in (None, "acme")]
    wanted[0]["description"] = "=HYPERLINK(1)"
    rows = list(csv.DictReader(io.StringIO(changes_csv(wanted), newline="")))
    assert [row["correlation_id"] for row in rows] == [one["correlation_id"] for one in wanted]
    assert rows[0]["description"] == "'=HYPERLINK(1)"
    assert list(rows[0]) == list(FIELDS)
    assert rows[1]["state"] == "3"


def test_where_tenants_have_their_own_database_each_is_told_of_its_own() -> None:
    record = of(good())
    migration = record.migrations[0]
    apart = [
        migration.model_copy(update={"instance": "cloud.acme", "tenant": "acme"}),
        migration.model_copy(update={"instance": "cloud.birch", "tenant": "birch", "after": migration.before}),
    ]
    found = record.model_copy(update={"migrations": tuple(apart)})
    assert [change_request(found, tenant)["risk"] for tenant in ("acme", "birch", None)] == ["3", "4", "3"]
