"""Whose signature counts: not the starter's, not a service's, nobody's twice, and never an altered one."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.approval import Decision, Word, decide, signer_of
from stationmaster.domain.approval_statement import PAYLOAD_TYPE, Said, statement
from stationmaster.domain.approvers import Approvers, Person, UnknownStarterError
from stationmaster.domain.dsse import key_id, pae
from tests.questions import AT, DIGEST, MANDATE, decided_on, question

OTHER_DIGEST = f"sha256:{'b' * 64}"
NAMES = ("rosa", "rosa-2", "ben", "ana", "old", "machine", "stranger", "mei", "late", "silent", "eve")
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
        {"id": "eve", "name": "Eve", "roles": ["reader"], "keys": [key("eve")]},
        {"id": "mei", "name": "Mei", "github": "mei-t", "slack": "U0MEI", "roles": ["approver"], "keys": [key("mei")]},
        {"id": "late", "name": "Late", "from": "2026-07-01", "roles": ["approver"], "keys": [key("late")]},
    ]
    robots = [
        {"id": "machine", "predicates": ["https://stationmaster.dev/*"], "keys": [key("machine")]},
        {"id": "silent", "keys": [key("silent")]},
    ]
    return Approvers.model_validate({"people": people, "services": robots})


def envelope(name: str, payload: bytes | None = None, kind: str = PAYLOAD_TYPE) -> dict[str, Any]:
    payload = payload if payload is not None else statement("r1", DIGEST, MANDATE)
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
    **other: Any,
) -> Decision:
    who = people or approvers()
    return decided_on(
        envelopes, who, at, required={"approver": 1} if required is None else required, starter=who.starter(starter).id,
        **other,
    )  # fmt: skip


def refusals(*envelopes: str | bytes | Mapping[str, Any], **how: Any) -> list[tuple[str | None, str]]:
    decision = decided(*envelopes, **how)
    assert not decision.satisfied
    return [(refusal.who, refusal.rule) for refusal in decision.refused]


def test_the_statement_is_a_canonical_in_toto_statement_about_the_artifact() -> None:
    said = statement("r1", DIGEST, MANDATE)
    assert rfc8785.dumps(json.loads(said)) == said
    assert json.loads(said) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact", "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://stationmaster.dev/approval/v1",
        "predicate": {"release": "r1", "action": "deploy", "mandate": MANDATE, "assurance": "signed"},
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
        statement("r2", DIGEST, MANDATE),
        statement("r1", OTHER_DIGEST, MANDATE),
        statement("r1", DIGEST, OTHER_DIGEST),
        json.dumps(json.loads(statement("r1", DIGEST, MANDATE)), indent=1).encode(),
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


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_an_envelope_with_two_signatures_is_nobodys(order: slice) -> None:
    """An entry is about one person: of a good signature beside another one, its refusal would be told of both."""
    both = envelope("rosa")
    both["signatures"] = (both["signatures"] + envelope("ben")["signatures"])[order]
    assert refusals(both) == [(None, "signature")]


def test_whose_it_is_is_known_whether_it_counts_or_not() -> None:
    both = envelope("rosa")
    both["signatures"] += envelope("ben")["signatures"]
    said = Said(release="r1", mandate=MANDATE)
    signers = [signer_of(one, said, approvers()) for one in (envelope("rosa-2"), envelope("eve"), both)]
    assert [one and one.id for one in signers] == ["rosa", "eve", None]


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
        ({"emails": ["ANA@desk.example"]}, "'ANA@desk.example' would be a name of 'ana' and of 'new'"),
        ({"emails": ["new@desk.example", "NEW@desk.example"]}, "e-mail address 'new@desk.example' is listed twice"),
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


# -- nobody approves what they wrote

CHANGES = {"c1": frozenset({"rosa"}), "c2": frozenset({"ben"})}


def test_two_authors_cannot_approve_each_other() -> None:
    decision = decided(envelope("rosa"), envelope("ben"), changes=CHANGES)
    assert not decision.satisfied
    assert [(one.who, one.rule) for one in decision.refused] == [("rosa", "author"), ("ben", "author")]


def test_unless_the_policy_lets_an_author_sign_the_release() -> None:
    assert decided(envelope("rosa"), envelope("ben"), changes=CHANGES, aloof=False).satisfied


def test_who_wrote_all_of_it_counts_for_nothing() -> None:
    alone = {"c1": frozenset({"rosa"}), "c2": frozenset({"rosa", "ben"})}
    assert refusals(envelope("rosa"), changes=alone, aloof=False) == [("rosa", "author")]


def test_each_change_needs_its_whole_quorum_from_others() -> None:
    two = {"approver": 2}
    decision = decided(envelope("rosa"), envelope("mei"), changes=CHANGES, required=two)
    assert (decision.satisfied, decision.missing) == (False, {"approver": 1})  # of c1 only mei is another
    assert decided(envelope("rosa"), envelope("mei"), envelope("ben"), changes=CHANGES, required=two).satisfied


def test_an_author_whom_nobody_knows_is_a_violation() -> None:
    decision = decided(envelope("mei"), unresolved=("Eve <eve@x.example>",))
    assert not decision.satisfied
    assert [(one.who, one.rule) for one in decision.refused] == [(None, "unresolved_author")]
    assert decision.lacking == ("a person in approvers.yaml for Eve <eve@x.example>",)


# -- what was signed, by which way, and when

EARLIER = f"sha256:{'e' * 64}"


def test_what_was_asked_for_before_is_superseded() -> None:
    old = envelope("rosa", statement("r1", DIGEST, EARLIER))
    assert refusals(old, earlier=frozenset({EARLIER})) == [("rosa", "superseded")]
    assert refusals(old) == [("rosa", "mandate")]


def through(channel: Literal["github", "slack"], by: str, key: str = "machine", **other: Any) -> dict[str, Any]:
    said = Said(
        release="r1", mandate=MANDATE, assurance="attested_by_channel", channel=channel, by=by, **other
    )  # fmt: skip
    return envelope(key, said.statement(DIGEST))


@pytest.mark.parametrize(("channel", "by"), [("github", "Mei-T"), ("slack", "U0MEI")])
def test_a_channel_is_taken_at_its_word(channel: Literal["github", "slack"], by: str) -> None:
    decision = decided(through(channel, by))
    assert decision.satisfied
    assert [(one.who, one.said.assurance) for one in decision.given] == [("mei", "attested_by_channel")]


def test_unless_the_policy_asks_for_more() -> None:
    assert refusals(through("slack", "U0MEI"), assurance="signed") == [("mei", "assurance")]
    assert decided(envelope("mei"), assurance="signed").satisfied


def test_a_channel_s_account_is_looked_for_in_that_channel_alone() -> None:
    assert refusals(through("slack", "Mei-T")) == [(None, "unknown_key")]
    assert refusals(through("github", "mei")) == [(None, "unknown_key")]  # her id is no account of hers


def test_nobody_attests_what_only_a_service_may() -> None:
    assert refusals(through("slack", "U0MEI", key="rosa")) == [("rosa", "mandate")]
    assert refusals(through("slack", "U0MEI", key="silent")) == [("silent", "service_account")]


def test_the_same_person_by_key_and_by_channel_counts_once() -> None:
    decision = decided(envelope("mei"), through("slack", "U0MEI"), required={"approver": 2})
    assert [(one.who, one.rule) for one in decision.refused] == [("mei", "same_person")]


def test_a_key_must_have_been_valid_when_it_was_used_as_well() -> None:
    early = Word(envelope("late"), AT, 0)
    later = datetime(2026, 8, 1, tzinfo=UTC)
    decision = decide(question(), [early], approvers(), later)
    assert [(one.who, one.rule) for one in decision.refused] == [("late", "expired_key")]
    assert decide(question(), [Word(envelope("late"), later, 0)], approvers(), later).satisfied


# -- an emergency


def emergency(name: str, **other: Any) -> dict[str, Any]:
    said = Said(release="r1", mandate=MANDATE, action="emergency", reason="it is down", ticket="INC-1", **other)
    return envelope(name, said.statement(DIGEST))


def test_whoever_is_named_for_it_goes_ahead_alone_although_they_wrote_and_started_it() -> None:
    decision = decided(
        emergency("rosa"), required={"approver": 2}, emergency="dba", starter="rosa", changes=CHANGES,
        unresolved=("Eve <e@x>",),
    )  # fmt: skip
    assert decision.satisfied
    assert decision.alone is not None
    assert (decision.alone.who, decision.alone.role, decision.alone.said.ticket) == ("rosa", "dba", "INC-1")
    assert [one.who for one in decision.counting] == ["rosa"]


def test_nobody_else_does_and_nobody_where_the_policy_names_none() -> None:
    assert refusals(emergency("ben"), emergency="dba") == [("ben", "role")]
    assert refusals(emergency("rosa")) == [("rosa", "role")]
    by_chat = through("slack", "U0MEI", action="emergency", reason="down", ticket="INC-1")
    assert refusals(by_chat, emergency="approver") == [("mei", "assurance")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "emergency"}, {"action": "emergency", "reason": "x"}, {"reason": "x", "ticket": "y"},
        {"assurance": "attested_by_channel"}, {"channel": "slack", "by": "x"}, {"by": "x"}, {"action": "waiver"},
    ],
)  # fmt: skip
def test_what_is_said_is_whole(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Said.model_validate({"release": "r1", "mandate": MANDATE, **wrong})


# -- whatever is done in whatever order

WHO = st.sampled_from(["rosa", "rosa-2", "ben", "ana", "old", "mei", "eve", "machine", "stranger"])


@given(
    st.lists(WHO, max_size=8), st.integers(1, 3), st.sampled_from(["must_not_be_author", "may_be_author"]),
    st.dictionaries(
        st.sampled_from(["c1", "c2", "c3"]), st.frozensets(st.sampled_from(["rosa", "ben", "mei", "dev"]), max_size=2)
    ),
)  # fmt: skip
def test_it_is_approved_only_when_for_each_change_enough_others_signed(
    names: list[str],
    quorum: int,
    signer: str,
    changes: dict[str, frozenset[str]],
) -> None:
    """Against the sentence itself, said in other words than the code's."""
    signers = {name.removesuffix("-2") for name in names} & {"rosa", "ben", "mei"}
    enough = all(len(signers - authors) >= quorum for authors in (*changes.values(), frozenset[str]()))
    wrote = {one for authors in changes.values() for one in authors}
    found = decided(
        *map(envelope, names), required={"approver": quorum}, changes=changes, aloof=signer == "must_not_be_author"
    )
    assert found.satisfied == (enough and (signer == "may_be_author" or bool(signers - wrote)))
    if found.satisfied:
        assert not {one.who for one in found.given} - signers


@given(st.permutations(["rosa", "ben", "ana", "mei", "old"]), st.integers(1, 3))
def test_the_order_does_not_matter(names: list[str], quorum: int) -> None:
    found = decided(*map(envelope, names), required={"approver": quorum}, changes=CHANGES)
    again = decided(*map(envelope, sorted(names)), required={"approver": quorum}, changes=CHANGES)
    assert (found.satisfied, found.missing) == (again.satisfied, again.missing)
    assert {one.who for one in found.given} == {one.who for one in again.given}


@given(st.dictionaries(st.sampled_from(["approver", "dba", "reader"]), st.integers(1, 2), min_size=1), st.sets(WHO))
def test_nobody_is_ever_in_two_places(required: dict[str, int], names: set[str]) -> None:
    found = decided(*map(envelope, sorted(names)), required=required)
    people = [one.who for one in found.given]
    assert len(people) == len(set(people))
    if found.satisfied:
        assert sum(required.values()) <= len(people)
