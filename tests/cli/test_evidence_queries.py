"""`evidence population|show|cmdb` answer from the ledger alone, and no answer names whom it must not."""

import csv
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from sqlalchemy import delete, insert

from stationmaster.blocks.ratification import put_policy_in_force
from stationmaster.cli import main, populations
from stationmaster.domain.documents import read
from stationmaster.domain.entries import FREEZE, POLICY, Draft
from stationmaster.domain.merkle import root, split
from stationmaster.domain.population import Period
from stationmaster.domain.product import Product
from stationmaster.ledger.tables import payloads
from tests.cli.conftest import DIGEST, Desk
from tests.shop import PRODUCT
from tests.tampering import forge

DAY = ("--from", "2026-11-23", "--to", "2026-11-24")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the app of `evidence` has them."""
    evidence, app = App(name="evidence"), App(name="stationmaster")
    for name in ("population", "show", "cmdb"):
        evidence.command(f"stationmaster.cli.evidence_queries:{name}", name=name)
    app.command(evidence)
    monkeypatch.setattr(main, "app", app)


@pytest.fixture
def released(desk: Desk) -> Desk:
    desk.reach("released")
    return desk


def listed(desk: Desk, *more: str) -> dict[str, Any]:
    found = desk.run("evidence", "population", *DAY, *more, "--json")
    assert found.code == 0, found
    return found.json


def test_the_population_is_of_the_ledger_that_it_names(released: Desk) -> None:
    found = listed(released)
    size = released.ledger.size()
    assert found["log"] == {
        "size": size, "root": f"sha256:{root(split(released.ledger.leaves())).hex()}", "checkpoint": None,
    }  # fmt: skip
    assert (found["entries"], found["first"], found["last"], found["outside"]) == (size, 0, size - 1, 0)
    assert found["kinds"] == {"adoption": 3, "deployment": 1, "release": 1}
    row = next(row for row in found["rows"] if row["kind"] == "deployment")
    assert (row["tenant"], row["version"], row["digest"], row["product"]) == ("acme", "2.0.0", DIGEST, "shop")
    assert row["approved"]["roles"] == {"release-approver": 1}
    assert "people" not in found


def test_a_period_has_its_first_day_and_not_its_last(released: Desk) -> None:
    for begin, end, count in (
        ("2026-11-22", "2026-11-23", 0),
        ("2026-11-24", "2027-01-01", 0),
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:01Z", 5),
        ("2026-11-23T09:00:00+01:00", "2026-11-23T10:00:00+01:00", 5),
        ("2026-11-23T08:00:01Z", "2026-11-24", 0),
    ):
        found = released.run("evidence", "population", "--from", begin, "--to", end, "--json")
        assert len(found.json["rows"]) == count, (begin, end)


@pytest.mark.parametrize(
    ("begin", "end", "code"),
    [
        ("2026-11-23", "2026-11-23", "no_period"),
        ("2026-11-24", "2026-11-23", "no_period"),
        ("2026-11-23T08:00:00", "2026-11-24", "no_instant"),
        ("yesterday", "2026-11-24", "no_instant"),
        ("2026-02-30", "2026-11-24", "no_instant"),
        ("0001-01-01T00:00:00+14:00", "2026-11-24", "no_instant"),
        ("2026-11-23", "9999-12-31T23:59:59-12:00", "no_instant"),
    ],
)
def test_what_is_no_period_is_refused(desk: Desk, begin: str, end: str, code: str) -> None:
    desk.run("evidence", "population", "--from", begin, "--to", end, "--json").refused(2, code)


def test_by_person_lists_what_each_did_and_who_was_erased(released: Desk) -> None:
    acts = {one["person"]: [act["step"] for act in one["actions"]] for one in listed(released, "--by-person")["people"]}
    assert acts == {"ana": ["confirmed", "started"]}
    with released.ledger.engine.begin() as connection:
        connection.execute(delete(payloads))
    (erased,) = listed(released, "--by-person")["people"]
    assert (erased["person"], erased["erased"], len(erased["actions"])) == (None, True, 2)
    assert "(erased)" in released.run("evidence", "population", *DAY, "--by-person").out


def test_one_wrong_payload_is_told_and_silences_no_evidence(released: Desk) -> None:
    released.write("paused", {"reason": "lunch"}, "r2", who="eve")
    wrong = next(entry.index for entry in released.ledger.entries("r2") if entry.step == "confirmed")
    with released.ledger.engine.begin() as connection:  # all of it the application's role may do
        connection.execute(delete(payloads).where(payloads.c.index == wrong))
        connection.execute(insert(payloads), {"index": wrong, "content": b'{"personal": {"who": "mallory"}}'})
    people = {one["person"]: one for one in listed(released, "--by-person")["people"]}
    assert [act["step"] for act in people["eve"]["actions"]] == ["paused"]
    assert [act["step"] for act in people["ana"]["actions"]] == ["started"]
    assert (people[None]["tampered"], people[None]["erased"]) == (True, False)
    assert [act["index"] for act in people[None]["actions"]] == [wrong]
    said = released.run("evidence", "population", *DAY, "--by-person").out
    assert "(tampered)" in said
    page, found = released.run("evidence", "show", "r2").out, released.run("evidence", "show", "r2", "--json").json
    assert f"by somebody (the personal data of entry {wrong} was tampered with) as manual" in page
    assert (found["asked"]["who"], found["asked"]["erased"], found["asked"]["tampered"]) == (None, False, True)
    assert released.run("evidence", "cmdb", "r2").code == 0
    assert not any("mallory" in text for text in (said, page, str(people), str(found)))


def test_by_person_lists_nobody_of_another_product(released: Desk) -> None:
    for product, who in (("shop", "eve"), ("till", "tom")):
        asked = {"product": product, "ref": "main", "kind": "manual", "assurance": "command line"}
        released.write("confirmed", asked, release=f"{product}-9", who=who)
        released.write("paused", {"reason": "lunch"}, release=f"{product}-9", who=f"{who}s boss")
        released.write("signed", {"digest": DIGEST}, f"{product}/policy", POLICY, who=f"{who}s lawyer")
    released.write("frozen", {"reason": "fair"}, "production", FREEZE, who="flo")
    period = Period("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
    for product, who in (("shop", "eve"), ("till", "tom")):
        found = populations.read(released.ledger, period, product, people=True)["people"]
        named = {one["person"] for one in found} - {"ana"}
        assert named == {who, f"{who}s boss", f"{who}s lawyer", "flo"}
    assert {"eve", "tom", "flo"} < {one["person"] for one in listed(released, "--by-person")["people"]}


def test_the_page_has_each_row_and_the_numbers_to_reconcile(released: Desk) -> None:
    said = released.run("evidence", "population", *DAY).out
    size = released.ledger.size()
    for words in (
        "5 production changes from 2026-11-23T00:00:00Z until 2026-11-24T00:00:00Z", f"a ledger of {size} entries",
        f"entries 0 to {size - 1}: {size} made in the period, 0 outside it",
        "listed: 3 adoption, 1 deployment, 1 release", "not listed: 1 approved, 1 briefed",
    ):  # fmt: skip
        assert words in said
    assert "no production changes" not in said


def test_the_csv_is_the_rows_in_the_place_of_the_answer_or_in_a_file(released: Desk, tmp_path: Path) -> None:
    there = released.run("evidence", "population", *DAY, "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(there.out)))
    assert [row["index"] for row in rows] == [str(row["index"]) for row in listed(released)["rows"]]
    assert tuple(rows[0]) == populations.COLUMNS
    assert rows[3]["approved_roles"] == "release-approver:1"
    assert f"read from a ledger of {released.ledger.size()} entries with the root sha256:" in there.err
    found = listed(released, "--csv", str(tmp_path / "changes.csv"))
    assert (tmp_path / "changes.csv").read_bytes().decode().replace("\r\n", "\n") == there.out.replace("\r\n", "\n")
    assert len(found["rows"]) == len(rows)


def test_a_file_that_cannot_be_written_and_two_answers_are_refused(released: Desk, tmp_path: Path) -> None:
    where = str(tmp_path / "no" / "such.csv")
    released.run("evidence", "population", *DAY, "--csv", where, "--json").refused(3, "unwritable_file", where)
    released.run("evidence", "population", *DAY, "--csv", "-", "--json").refused(2, "two_answers")
    released.run("evidence", "population", *DAY, "--csv", "--json").refused(2, "input", "--json is no file")


def test_a_ledger_that_was_changed_gives_no_population(released: Desk) -> None:
    forge(released.ledger.engine, 'DELETE FROM payloads WHERE "index" = 3', 'DELETE FROM entries WHERE "index" = 3')
    released.run("evidence", "population", *DAY, "--json").refused(3, "ledger_tampered", "entry 3")


@pytest.mark.parametrize("size", [3, 10_000])
def test_a_checkpoint_of_another_ledger_gives_no_population(released: Desk, size: int) -> None:
    fact = {"size": size, "root": DIGEST, "places": ["git"]}
    released.write("checkpointed", fact, "shop", "log")
    released.run("evidence", "population", *DAY, "--json").refused(3, "ledger_tampered", str(size))


def test_a_checkpoint_of_this_ledger_is_named(released: Desk) -> None:
    fact = {"size": 4, "root": f"sha256:{released.ledger.tree(4).root().hex()}", "places": ["git"]}
    released.write("checkpointed", fact, "shop", "log")
    assert listed(released)["log"]["checkpoint"] == {
        "entry": released.ledger.size() - 1, "size": 4, "root": fact["root"],
    }  # fmt: skip


def test_of_a_product_the_others_are_counted(released: Desk) -> None:
    released.write("started", {"product": "books", "kind": "train", "ref": "main"}, "", "b1")
    released.write("aborted", {"reason": "no"}, "", "b1")
    found = listed(released, "--product", "shop")
    assert (found["product"], found["steps"]["aborted"]["others"]) == ("shop", 1)
    assert "b1" not in {row["release"] for row in found["rows"]}


def test_no_question_imports_prefect(released: Desk) -> None:
    before = {name for name in sys.modules if name.partition(".")[0] == "prefect"}
    for command in (("population", *DAY), ("show", "r2"), ("cmdb", "r2")):
        assert released.run("evidence", *command).code == 0
    assert {name for name in sys.modules if name.partition(".")[0] == "prefect"} == before


def test_a_release_is_shown_as_a_page_as_markdown_and_as_an_object(released: Desk) -> None:
    page = released.run("evidence", "show", "r2").out
    assert "r2: shop 2.0.0, released 2026-11-23T08:00:00Z" in page
    assert "acme on cloud, and still" in page
    marked = released.run("evidence", "show", "r2", "--markdown").out
    assert marked.startswith("# r2: shop 2.0.0, released")
    assert "## Production\n\n- planned:" in marked
    found = released.run("evidence", "show", "r2", "--json").json
    assert (found["release"], found["stage"], found["asked"]["who"]) == ("r2", "released", "ana")
    assert found["now"]["acme"]["version"] == "2.0.0"
    assert [stay["tenant"] for stay in found["tenants"]] == ["acme"]


def test_how_long_its_evidence_is_kept_is_told_by_the_policy_in_force(released: Desk) -> None:
    assert "Evidence is kept\n  no policy that is in force says how long" in released.run("evidence", "show", "r2").out
    assert released.run("evidence", "show", "r2", "--json").json["retention"] is None
    promised = read(Product, f"{PRODUCT}retention: {{logs: 90d}}\n", "stationmaster.yaml").value
    put_policy_in_force(released.ledger, promised, "first", datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert "\n  logs: at least 90 days\n" in released.run("evidence", "show", "r2").out
    assert "\n- scans: at least 7 years\n" in released.run("evidence", "show", "r2", "--markdown").out
    assert released.run("evidence", "show", "r2", "--json").json["retention"]["logs"] == "90d"


def test_a_release_that_never_was_is_refused_with_the_nearest(released: Desk) -> None:
    for command in ("show", "cmdb"):
        released.run("evidence", command, "r22", "--json").refused(2, "unknown_release", "did you mean 'r2'?")
        released.run("evidence", command, "install", "--json").refused(2, "unknown_release")


def test_two_forms_of_one_answer_are_refused(released: Desk) -> None:
    released.run("evidence", "show", "r2", "--markdown", "--json").refused(2, "two_answers")
    assert released.run("evidence", "show", "r2", "--markdown", "--milestone", "m3").code == 2
    released.run("evidence", "cmdb", "r2", "--format", "csv", "--json").refused(2, "two_answers")


def declare(desk: Desk, release: str = "m1") -> None:
    """A release of a commit that declares two milestones."""
    text = (
        f"{PRODUCT}milestones:\n  m3: {{title: 'M3, acceptance', steps: [tested, approved]}}\n"
        "  m4: {title: 'M4, acme has it', steps: [deployed], tenant: acme}\n"
    )
    desk.commits["v2.0.0"] = desk.repository.commit("Declare milestones", {"stationmaster.yaml": text})
    desk.reach("approved", release)


def test_a_milestone_is_answered_with_when_and_by_which_entries(desk: Desk) -> None:
    declare(desk)
    there = desk.run("evidence", "show", "m1", "--milestone", "m3", "--json")
    assert (there.code, there.json["reached"], there.json["at"]) == (0, True, "2026-11-23T08:00:00Z")
    assert set(there.json["entries"]) == {"tested", "approved"}
    missing = desk.run("evidence", "show", "m1", "--milestone", "m4", "--json")
    assert (missing.code, missing.json["reached"], missing.json["missing"]) == (1, False, ["deployed"])
    assert "M4, acme has it (m4): not reached, missing: deployed" in desk.run(
        "evidence", "show", "m1", "--milestone", "m4"
    ).out  # fmt: skip


def test_a_milestone_that_nobody_declared_is_refused(desk: Desk) -> None:
    declare(desk)
    desk.run("evidence", "show", "m1", "--milestone", "m33", "--json").refused(
        2, "unknown_milestone", "did you mean 'm3'"
    )
    desk.reach("cut", "r9")
    desk.write("started", {"product": "shop", "kind": "manual", "ref": "main"}, "", "r8")
    desk.run("evidence", "show", "r8", "--milestone", "m3", "--json").refused(1, "not_cut")


def test_the_bodies_for_servicenow_and_the_csv_are_of_the_release(released: Desk) -> None:
    found = released.run("evidence", "cmdb", "r2", "--json").json
    assert (found["change_request"]["state"], found["change_request"]["close_code"]) == ("3", "successful")
    assert [item["values"]["name"] for item in found["configuration_items"]["items"]] == [
        "shop instance cloud", "shop for acme",
    ]  # fmt: skip
    assert json.loads(released.run("evidence", "cmdb", "r2").out) == found
    rows = list(csv.DictReader(io.StringIO(released.run("evidence", "cmdb", "r2", "--format", "csv").out)))
    assert [row["cmdb_ci"] for row in rows] == ["shop", "shop for acme"]


def test_of_a_tenant_nothing_is_printed_about_another(released: Desk) -> None:
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    fact = {"version": "2.0.0", "digest": DIGEST, "commit": 40 * "c", "instance": "cloud", "colour": "b"}
    released.ledger.append(Draft(release="r2", step="deployed", subject="birch", fact=fact), at)
    for form in ("servicenow", "csv"):
        said = released.run("evidence", "cmdb", "r2", "--tenant", "acme", "--format", form).out
        assert "acme" in said
        assert "birch" not in said
    released.run("evidence", "cmdb", "r2", "--tenant", "cedar", "--json").refused(2, "tenant_not_reached", "cedar")
