"""Who can do what is what the files say, and a rule that nobody could meet is found, whoever signs."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stationmaster.domain.access import Access, access, quorums, text
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.documents import read
from stationmaster.domain.product import Product
from tests.shop import PRODUCT

AT = datetime(2026, 11, 23, tzinfo=UTC)
KEY = base64.b64encode(b"k" * 32).decode()


def policy(text: str) -> Product:
    return read(Product, PRODUCT.replace("{deploy: {release-approver: 1}}", text), "s").value


def people(*rows: Mapping[str, Any], services: tuple[Mapping[str, Any], ...] = ()) -> Approvers:
    named = [{"name": str(row["id"]).title(), **row} for row in rows]
    return Approvers.model_validate({"people": named, "services": services})


def of(policy_text: str, *rows: Mapping[str, Any], **more: Any) -> Access:
    return access(policy(policy_text).rules, people(*rows, **more), AT)


ANA = {"id": "ana", "roles": ["qa"], "github": "ana"}
BEN = {"id": "ben", "roles": ["qa", "ops"], "slack": "U1"}


def test_a_role_has_its_holders_and_what_it_is_asked_for() -> None:
    record = of("{deploy: {qa: 1}, migrate: {ops: 1}, emergency: {role: boss}}", ANA, BEN).record()
    roles = {one["role"]: one for one in record["roles"]}
    assert {name: one["holders"] for name, one in roles.items()} == {"qa": ["ana", "ben"], "ops": ["ben"], "boss": []}
    assert {(one["action"], one["people"]) for one in roles["qa"]["asked"]} == {
        ("deploy", 1),
        ("migrate", 1),
        ("policy", 1),
    }
    assert roles["ops"]["asked"] == [{"action": "migrate", "kind": None, "people": 1}]
    assert (roles["boss"]["asked"], record["emergency"], record["impossible"]) == ([], "boss", [])


def test_what_a_release_asks_that_changes_flags_is_listed_with_its_deploy() -> None:
    record = of("{deploy: {qa: 1}, flag: {ops: 1}}", ANA, BEN).record()
    roles = {one["role"]: [each["action"] for each in one["asked"]] for one in record["roles"]}
    assert roles == {"qa": ["deploy", "flag", "policy"], "ops": ["flag"]}
    assert not record["impossible"]
    assert of("{deploy: {qa: 1}, flag: {ops: 1}}", BEN).record()["impossible"]


def test_a_kind_of_release_that_asks_for_more_is_listed_by_itself() -> None:
    asked = quorums(policy("{deploy: {qa: 1}, rules: [{action: deploy, kind: train, quorum: {ops: 2}}]}").rules)
    deploys = {one.kind: dict(one.quorum) for one in asked if one.action == "deploy"}
    assert deploys["train"] == {"ops": 2, "qa": 1}
    assert set(deploys) == {"manual", "train", "hotfix"}


def test_who_is_not_valid_yet_or_any_more_holds_nothing_and_is_listed() -> None:
    gone = {"id": "ana", "roles": ["qa"], "until": "2026-11-23"}
    record = of("{deploy: {qa: 1}}", gone, {"id": "ben", "roles": ["qa"], "from": "2026-11-24"}).record()
    assert record["roles"][0]["holders"] == []
    assert [(one["id"], one["valid"]) for one in record["people"]] == [("ana", False), ("ben", False)]
    assert record["people"][0]["until"] == "2026-11-23T00:00:00Z"
    assert {(one["action"], one["missing"]["qa"]) for one in record["impossible"]} == {("deploy", 1), ("policy", 1)}


def test_where_only_signatures_count_who_has_no_valid_key_holds_nothing() -> None:
    signed = "{deploy: {qa: 1}, assurance: signed}"
    with_key = {**ANA, "keys": [{"ed25519": KEY}]}
    expired = {**ANA, "keys": [{"ed25519": KEY, "until": "2026-01-01"}]}
    assert [bool(of(signed, row).impossible) for row in (with_key, expired, ANA)] == [False, True, True]


def test_services_are_listed_with_their_predicates_and_are_no_holders() -> None:
    service = {"id": "ci", "predicates": ["https://slsa.dev/provenance/v1"], "keys": [{"ed25519": KEY}]}
    found = of("{deploy: {qa: 1}}", ANA, services=(service,))
    record = found.record()
    assert record["services"][0]["predicates"] == ["https://slsa.dev/provenance/v1"]
    assert record["services"][0]["keys"][0]["valid"] is True
    assert "ci, a service: may attest https://slsa.dev/provenance/v1" in text(found)


def test_one_person_counts_once_so_that_enough_of_each_role_may_be_too_few() -> None:
    found = of("{deploy: {qa: 1, ops: 1}}", BEN)
    assert [dict(one.missing) for one in found.impossible if one.asked.action == "deploy"] == [{"qa": 1}]
    assert not of("{deploy: {qa: 1, ops: 1}}", ANA, BEN).impossible
    assert "impossible: deploy in production cannot be approved: 1 qa too few" in text(found)


def test_the_page_names_everybody_and_every_role() -> None:
    said = text(of("{deploy: {qa: 1}, emergency: {role: boss}}", {**ANA, "keys": [{"ed25519": KEY}]}, BEN))
    for words in (
        "qa: ana, ben", "deploy in production: 1", "boss: nobody", "may go ahead alone in an emergency",
        "ana (Ana): valid, qa", "  key 5e318f8c", "ops: ben\n  nothing asks for it",
    ):  # fmt: skip
        assert words in said


def test_who_has_neither_a_key_nor_an_account_can_approve_nothing() -> None:
    assert of("{deploy: {qa: 1}}", {"id": "ana", "roles": ["qa"]}).record()["roles"][0]["holders"] == []


def test_a_hotfix_has_its_own_quorum() -> None:
    product = read(Product, PRODUCT + "hotfix: {approvals: {boss: 1}}\n", "s").value
    found = access(product.rules, people(ANA), AT)
    hotfix = [dict(one.quorum) for one in found.asked if (one.action, one.kind) == ("deploy", "hotfix")]
    assert hotfix == [{"boss": 1}]
    assert "boss" in found.holders
