"""`approvals`: what a release needs and has, the rules in force, and how people come into force."""

import json
from datetime import UTC, datetime

import pytest

from stationmaster.blocks.ratification import put_policy_in_force, ratify_first
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.toolbox import recall
from stationmaster.domain.documents import read
from stationmaster.domain.product import Product
from tests.cli.conftest import Desk
from tests.shop import PRODUCT, product

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def signer() -> FileSigner:
    found = recall("signer", "shop")
    assert isinstance(found, FileSigner)
    return found


def ratified(desk: Desk) -> None:
    ratify_first(desk.ledger, signer(), product(), AT)


def edit(desk: Desk, who: str, *roles: str) -> None:
    file = desk.root / "approvers.yaml"
    known = json.loads(file.read_text())
    for one in known["people"]:
        one["roles"] = list(roles) if one["id"] == who else one["roles"]
    file.write_text(json.dumps(known))


def test_what_it_needs_and_has(desk: Desk) -> None:
    desk.reach("planned")
    empty = desk.run("approvals", "status", "r2", "--json")
    mandate = desk.ledger.about("r2", ["mandated"])[0].fact["digest"]
    assert (empty.code, empty.json) == (
        4,
        {
            "mandate": mandate, "required": {"release-approver": 1}, "given": [], "refused": [], "satisfied": False,
            "missing": {"release-approver": 1}, "lacking": [], "emergency": False,
        },
    )  # fmt: skip
    assert "r2: needs 1 more release-approver" in desk.run("approvals", "status", "r2").out
    desk.run("approve", "r2", "--key", str(desk.key("ana")))
    desk.run("approve", "r2", "--key", str(desk.key("mei")))  # Ben committed what Ana wrote
    full = desk.run("approvals", "status", "r2", "--json")
    assert (full.code, full.json["satisfied"]) == (0, True)
    assert [(one["who"], one["assurance"]) for one in full.json["given"]] == [("mei", "signed")]
    assert [(one["who"], one["rule"]) for one in full.json["refused"]] == [("ana", "starter")]
    said = desk.run("approvals", "status", "r2").out
    assert "r2: approved" in said
    assert "refused: Ana: who starts a release cannot approve it (starter)" in said


def test_a_release_that_is_none_or_over(desk: Desk) -> None:
    desk.reach("cut", "early")
    desk.run("approvals", "status", "early", "--json").refused(1, "nothing_to_approve", "no plan to approve yet")
    desk.run("approvals", "status", "eraly", "--json").refused(2, "unknown_release", "did you mean 'early'?")


def test_the_rules_in_force_and_since_when(desk: Desk) -> None:
    desk.run("approvals", "policy", "--json").refused(1, "nothing_ratified", "no rules of shop are in force yet")
    ratified(desk)
    found = desk.run("approvals", "policy", "--json")
    assert found.code == 0
    assert found.json["policy"]["deploy"] == {"release-approver": 1}
    assert found.json["in_force"]["approvers"]["by"] == "first"
    assert found.json["approvers_differ"] is False
    edit(desk, "mei", "release-approver", "dba")
    assert desk.run("approvals", "policy", "--json").json["people"]["mei"] == ["release-approver"]
    assert "approvers.yaml says something else: `stationmaster approvals ratify" in desk.run("approvals", "policy").out


FULL = """\
approvals:
  deploy: {release-approver: 1}
  migrate: {dba: 1}
  rules:
    - {action: deploy, kind: hotfix, quorum: {security: 2, dba: 1}}
    - {action: change, quorum: {reviewer: 1}}
  release_signer: may_be_author
  assurance: signed
  valid_for: 7d
  emergency: {role: commander, review_within: 36h}
hotfix: {approvals: {on-call: 1}}
"""


def test_the_text_has_every_rule_that_is_in_force(desk: Desk) -> None:
    plain = PRODUCT.replace("approvals: {deploy: {release-approver: 1}}\n", "")
    put_policy_in_force(desk.ledger, read(Product, plain + FULL, "stationmaster.yaml").value, "first", AT)
    rows = [" ".join(row.split()) for row in desk.run("approvals", "policy").out.splitlines()]
    for row in (
        "deploy 1 release-approver", "migrate 1 dba", "deploy of a hotfix, instead 1 on-call",
        "deploy of a hotfix release, beside 1 dba, 2 security", "change, beside 1 reviewer", "policy as deploy",
        "waiver 2 of those who may approve the deploy",
        "release signer: may be author", "assurance: signed is the least that counts",
        "valid for: 7d after the planned end", "emergency: commander may go ahead alone, reviewed within 36h",
    ):  # fmt: skip
        assert row in rows


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        ("  waiver: {security: 3}\n", ["waiver 3 security"]),
        (
            "  rules: [{action: waiver, kind: hotfix, quorum: {security: 1, ops: 1}}]\n",
            ["waiver of a hotfix release, beside 1 ops, 1 security"],
        ),
        (
            "  rules: [{action: waiver, kind: train, quorum: {ops: 9}}]\n",
            ["waiver 2 of those who may approve the deploy", "waiver of a train release, beside 9 ops"],
        ),
    ],
)
def test_who_must_waive_is_told_as_it_is_counted(desk: Desk, more: str, rows: list[str]) -> None:
    plain = PRODUCT.replace("approvals: {deploy: {release-approver: 1}}\n", "")
    policy = f"approvals:\n  deploy: {{release-approver: 1}}\n{more}"
    put_policy_in_force(desk.ledger, read(Product, plain + policy, "stationmaster.yaml").value, "first", AT)
    told = [" ".join(row.split()) for row in desk.run("approvals", "policy").out.splitlines()]
    assert [row for row in told if row.startswith("waiver")] == rows


def test_what_the_text_says_where_little_was_said(desk: Desk) -> None:
    ratified(desk)
    said = desk.run("approvals", "policy").out
    assert "emergency: nobody may go ahead alone" in said
    assert "release signer: must not be author" in said
    assert "hotfix" not in said


def test_those_who_are_named_now_put_the_file_in_force(desk: Desk) -> None:
    ratified(desk)
    edit(desk, "mei", "release-approver", "dba")
    edit(desk, "ana")  # what the file takes away counts at once, so she has no say any more
    found = desk.run("approvals", "ratify", "--key", str(desk.key("ana")), "--json")
    assert (found.code, found.json["counts"], found.json["refused"][0]["rule"]) == (1, False, "role")
    found = desk.run("approvals", "ratify", "--key", str(desk.key("ben")))
    assert (found.code, found.out.startswith("approvers.yaml is in force for shop: sha256:")) == (0, True)
    assert desk.run("approvals", "policy", "--json").json["people"]["mei"] == ["release-approver", "dba"]
    assert desk.run("approvals", "policy", "--json").json["in_force"]["approvers"]["by"] == "signatures"


def test_a_file_that_would_make_a_rule_impossible_is_refused(desk: Desk) -> None:
    ratified(desk)
    for who in ("ana", "ben", "mei"):
        edit(desk, who)
    desk.run("approvals", "ratify", "--key", str(desk.key("ben")), "--json").refused(
        1, "policy_impossible", "'deploy' could never be met", "1 more release-approver"
    )


def test_an_emergency_says_why_and_in_which_ticket(desk: Desk) -> None:
    desk.reach("planned")
    key = str(desk.key("ben"))
    for words in (["--emergency"], ["--emergency", "--reason", "x"], ["--reason", "x", "--ticket", "T-1"]):
        desk.run("approve", "r2", "--key", key, *words, "--json").refused(2, "emergency_unexplained", "stand together")
    found = desk.run("approve", "r2", "--key", key, "--emergency", "--reason", "down", "--ticket", "T-1", "--json")
    assert (found.code, found.json["counts"], found.json["refused"][0]["rule"]) == (1, False, "role")


def test_what_its_schema_change_will_take_is_told_to_who_approves(desk: Desk) -> None:
    estimate = {
        "from": ["e1"], "to": ["e2"], "at": "2026-11-23T08:00:00Z", "rows": {"orders": 2_000_000}, "up_ms": 4000.0,
        "undone": ["e2"], "down_ms": 3.0, "again_ms": 3900.0,
    }  # fmt: skip
    desk.reach("tested")
    desk.write("rehearsed", {"estimates": [estimate]})
    for step, fact, subject in list(desk._way("2.0.0"))[4:]:
        desk.write(step, fact, subject)
        if step == "planned":
            desk.mandate()
            break
    told = desk.run("approvals", "status", "r2")
    assert "rehearsed from e1 to e2 on 2,000,000 rows of orders (generated): up in 4.0 s" in told.out
    assert "way back: down in 3 ms, then up again in 3.9 s" in told.out
