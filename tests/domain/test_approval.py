"""Whose signature counts: not the starter's, not a service's, nobody's twice, and never an altered one."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.approval import PAYLOAD_TYPE, Decision, decide, statement
from stationmaster.domain.approvers import Approvers, Person, UnknownStarterError
from stationmaster.domain.dsse import key_id, pae

AT = datetime(2026, 6, 1, tzinfo=UTC)
DIGEST, OTHER_DIGEST = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
NAMES = ("rosa", "rosa-2", "ben", "ana", "old", "machine", "stranger")
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed, name in enumerate(NAMES)}


def raw(name: str) -> bytes:
    return KEYS[name].public_key().public_bytes_raw()


def key(name: str, **validity: str) -> dict[str, str]:
    return {"ed25519": base64.b64encode(raw(name)).decode(), **validity}


def approvers() -> Approvers:
    people = [
        {"id": "rosa", "name": "Rosa", "roles": ["approver", "dba"], "keys": [key("rosa"), key("rosa-2")]},
        {"id": "ben", "name": "Ben", "roles": ["approver"], "keys": [key("ben", until="2027-01-01")]},
        {"id": "ana", "name": "Ana", "emails": ["Ana@desk.example"], "roles": ["approver"], "keys": [key("ana")]},
        {"id": "old", "name": "Old", "until": "2026-06-01", "roles": ["approver"], "keys": [key("old")]},
        {"id": "eve", "name": "Eve", "roles": ["reader"], "keys": []},
    ]
    return Approvers.model_validate({"people": people, "services": [{"id": "machine", "keys": [key("machine")]}]})


def envelope(name: str, payload: bytes | None = None, kind: str = PAYLOAD_TYPE) -> dict[str, Any]:
    payload = payload if payload is not None else statement("r1", DIGEST)
    sig = KEYS[name].sign(pae(kind, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"keyid": key_id(raw(name)), "sig": base64.b64encode(sig).decode()}],
    }


def decided(
    *envelopes: str | bytes | Mapping[str, Any],
    starter: str = "ana",
    at: datetime = AT,
    required: Mapping[str, int] | None = None,
    people: Approvers | None = None,
) -> Decision:
    return decide(
        required={"approver": 1} if required is None else required,
        approvers=people or approvers(),
        starter=starter,
        envelopes=envelopes,
        release="r1",
        digest=DIGEST,
        at=at,
    )


def refusals(*envelopes: str | bytes | Mapping[str, Any], **how: Any) -> list[tuple[str | None, str]]:
    decision = decided(*envelopes, **how)
    assert not decision.satisfied
    return [(refusal.who, refusal.rule) for refusal in decision.refused]


def test_the_statement_is_a_canonical_in_toto_statement_about_the_artifact() -> None:
    said = statement("r1", DIGEST)
    assert rfc8785.dumps(json.loads(said)) == said
    assert json.loads(said) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact", "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://stationmaster.dev/approval/v1",
        "predicate": {"release": "r1", "action": "deploy", "mandate": DIGEST},
    }


def test_one_approver_is_enough_when_one_is_asked() -> None:
    decision = decided(envelope("rosa"))
    assert decision.satisfied
    assert [(one.who, one.key, one.role) for one in decision.given] == [("rosa", key_id(raw("rosa")), "approver")]


def test_nobody_yet_says_what_is_missing() -> None:
    decision = decided(required={"approver": 2})
    assert (decision.satisfied, decision.missing) == (False, {"approver": 2})


def test_a_quorum_of_nobody_is_never_reached() -> None:
    assert not decided(envelope("rosa"), required={}).satisfied


@pytest.mark.parametrize("starter", ["ana", "ANA", "ana@desk.example"])
def test_the_starter_cannot_approve_under_any_name(starter: str) -> None:
    assert refusals(envelope("ana"), starter=starter) == [("ana", "starter")]


def test_somebody_without_the_role_cannot_approve() -> None:
    assert refusals(envelope("rosa"), required={"lawyer": 1}) == [("rosa", "role")]


def test_an_expired_person_or_key_cannot_approve() -> None:
    assert refusals(envelope("old")) == [("old", "expired_key")]
    assert refusals(envelope("ben"), at=datetime(2027, 1, 1, tzinfo=UTC)) == [("ben", "expired_key")]
    assert decided(envelope("old"), at=datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC)).satisfied


def test_a_key_that_is_not_listed_is_unknown() -> None:
    assert refusals(envelope("stranger")) == [(None, "unknown_key")]


def test_a_stolen_keyid_proves_nobody() -> None:
    stolen = envelope("stranger")
    stolen["signatures"][0]["keyid"] = key_id(raw("rosa"))
    assert refusals(stolen) == [(None, "signature")]


def test_a_service_cannot_approve() -> None:
    assert refusals(envelope("machine")) == [("machine", "service_account")]


@pytest.mark.parametrize(
    "payload",
    [
        statement("r2", DIGEST),
        statement("r1", OTHER_DIGEST),
        statement("r1", DIGEST, OTHER_DIGEST),
        json.dumps(json.loads(statement("r1", DIGEST)), indent=1).encode(),
        b"{}",
        b"",
    ],
)
def test_a_signature_on_anything_else_is_outside_the_mandate(payload: bytes) -> None:
    assert refusals(envelope("rosa", payload)) == [("rosa", "mandate")]


def test_a_signature_for_another_kind_of_payload_is_outside_the_mandate() -> None:
    assert refusals(envelope("rosa", kind="text/plain")) == [("rosa", "mandate")]


def test_one_person_with_two_keys_counts_once() -> None:
    assert refusals(envelope("rosa"), envelope("rosa-2"), required={"approver": 2}) == [("rosa", "same_person")]


def test_two_signatures_in_one_envelope_count_as_two_people() -> None:
    both = envelope("rosa")
    both["signatures"] += envelope("ben")["signatures"]
    assert decided(both, required={"approver": 2}).satisfied


def test_roles_are_dealt_so_that_as_many_places_as_possible_are_filled() -> None:
    decision = decided(envelope("rosa"), envelope("ben"), required={"approver": 1, "dba": 1})
    assert decision.satisfied
    assert {one.who: one.role for one in decision.given} == {"rosa": "dba", "ben": "approver"}


def test_one_person_never_fills_two_places() -> None:
    decision = decided(envelope("rosa"), required={"approver": 1, "dba": 1})
    assert (decision.satisfied, sum(decision.missing.values())) == (False, 1)


def test_what_cannot_be_read_is_recorded_as_refused() -> None:
    assert refusals("not json") == [(None, "signature")]
    assert refusals({**envelope("rosa"), "signatures": []}) == [(None, "signature")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "rosa"}, "id 'rosa' is listed twice"),
        ({"id": "machine"}, "id 'machine' is listed twice"),
        ({"keys": [key("rosa")]}, "key .* is listed twice"),
        ({"keys": [key("machine")]}, "key .* is listed twice"),
        ({"emails": ["ANA@desk.example"]}, "e-mail address 'ana@desk.example' is listed twice"),
        ({"keys": [{"ed25519": "AAAA"}]}, "has 32 bytes, this one 3"),
        ({"keys": [{"ed25519": "?"}]}, "not base64"),
    ],
)
def test_nobody_is_listed_twice(change: dict[str, Any], said: str) -> None:
    listed = approvers().model_dump(by_alias=True, mode="json")
    listed["people"].append({"id": "new", "name": "New", **change})
    with pytest.raises(ValidationError, match=said):
        Approvers.model_validate(listed)


def test_people_are_found_by_any_handle() -> None:
    found = approvers().person("ana@DESK.example")
    assert found is not None
    assert found.id == "ana"
    assert approvers().person("nobody") is None


@given(st.lists(st.sampled_from(["ana", "machine", "old", "stranger"]), max_size=6), st.integers(1, 3))
def test_no_sequence_by_the_starter_and_those_who_do_not_count_is_enough(names: list[str], quorum: int) -> None:
    assert not decided(*[envelope(name) for name in names], required={"approver": quorum}).satisfied


@given(st.lists(st.sampled_from(["rosa", "rosa-2", "ben", "ana"]), max_size=8), st.integers(1, 3))
def test_the_count_is_that_of_different_people(names: list[str], quorum: int) -> None:
    people = {name.removesuffix("-2") for name in names} - {"ana"}
    decision = decided(*[envelope(name) for name in names], required={"approver": quorum})
    assert decision.satisfied == (len(people) >= quorum)
    assert {one.who for one in decision.given} == people


@given(st.data())
def test_a_flipped_bit_never_counts(data: st.DataObject) -> None:
    text = bytearray(rfc8785.dumps(envelope("rosa")))
    place = data.draw(st.integers(0, len(text) * 8 - 1))
    text[place // 8] ^= 1 << place % 8
    assert not decided(bytes(text)).satisfied


@pytest.mark.parametrize("name", ["Rosa", " rosa ", "@rosa", "ROSA@example.com", "Rosa K"])
def test_the_starter_is_recognised_however_the_name_is_typed(name: str) -> None:
    rosa = Person(id="rosa", name="Rosa K", emails=("rosa@example.com",), slack="u1")
    found = Approvers(people=(rosa,)).starter(name)
    assert found.id == "rosa"


def test_a_starter_nobody_knows_is_refused_with_the_nearest_name() -> None:
    rosa = Person(id="rosa", name="Rosa K")
    with pytest.raises(UnknownStarterError) as caught:
        Approvers(people=(rosa,)).starter("roza")
    assert "'rosa'" in str(caught.value.hint)
