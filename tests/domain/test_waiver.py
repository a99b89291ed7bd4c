"""Two people over their signatures, and nobody else: not the starter, no author, nobody twice, nothing stale."""

import base64
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.approval_statement import PAYLOAD_TYPE
from stationmaster.domain.approvers import Approvers, UnknownStarterError
from stationmaster.domain.authors import Authors
from stationmaster.domain.dsse import key_id, pae
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.passage import Gate, Passage
from stationmaster.domain.passage import people as in_words
from stationmaster.domain.waiver import LONGEST, Asked, Terms, statement, subject, weigh
from tests.entries import AT, add

DIGEST, OTHER_DIGEST = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
NAMES = ("rosa", "rosa-2", "ben", "eve", "ana", "dev", "guest", "old", "machine", "stranger")
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([seed + 1]) * 32) for seed, name in enumerate(NAMES)}
GATE = Gate("env:production", 5)
HOUR = timedelta(hours=1)


def raw(name: str) -> bytes:
    return KEYS[name].public_key().public_bytes_raw()


def people() -> Approvers:
    def key(name: str, **validity: str) -> dict[str, str]:
        return {"ed25519": base64.b64encode(raw(name)).decode(), **validity}

    names = ("ben", "eve", "ana", "dev")  # Ana starts, Dev wrote it
    known = [{"id": name, "name": name.title(), "roles": ["approver"], "keys": [key(name)]} for name in names]
    known += [
        {"id": "rosa", "name": "Rosa", "roles": ["approver"], "keys": [key("rosa"), key("rosa-2")]},
        {"id": "guest", "name": "Guest", "roles": ["reader"], "keys": [key("guest")]},
        {"id": "old", "name": "Old", "roles": ["approver"], "until": instant(AT), "keys": [key("old")]},
    ]
    return Approvers.model_validate({"people": known, "services": [{"id": "machine", "keys": [key("machine")]}]})


def asked(**other: Any) -> Asked:
    authors = Authors({"c1": frozenset({"dev"})}, ())
    this = Asked("h1", "hotfix", DIGEST, people(), starter="ana", authors=authors, roles=("approver",))
    return replace(this, **other)


def terms(until: datetime = AT + HOUR, gate: Gate = GATE, **other: Any) -> Terms:
    said: dict[str, Any] = {"reason": "checkout is down", "ticket": "SHOP-1", "signed": instant(AT), **other}
    return Terms(gate=gate.name, closed_by=gate.closed_by, until=instant(until), **said)


def envelope(name: str, payload: bytes) -> dict[str, Any]:
    sig = KEYS[name].sign(pae(PAYLOAD_TYPE, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id(raw(name)), "sig": base64.b64encode(sig).decode()}],
    }


def waive(entries: list[Entry], name: str, given: Terms | None = None, **signed: str) -> Entry:
    """Records a waiver; `signed` says what of release and digest was signed instead."""
    given = given or terms()
    payload = statement(signed.get("release", "h1"), signed.get("digest", DIGEST), given)
    return record(entries, name, given.fact(DIGEST, envelope(name, payload)))


def record(entries: list[Entry], name: str, fact: dict[str, Any]) -> Entry:
    about = subject(str(fact["gate"]), key_id(raw(name)))
    return add(entries, Draft(release="h1", step="waived", subject=about, inputs=fact, fact=fact))


def revoke(entries: list[Entry], name: str) -> None:
    about = subject(GATE.name, key_id(raw(name)))
    add(entries, Draft(release="h1", step="unwaived", subject=about, fact={"reason": "a mistake"}))


def weighed(entries: Sequence[Entry], at: datetime = AT, gate: Gate = GATE, **other: Any) -> Passage:
    return weigh(entries, gate, asked(**other), at)


def two() -> list[Entry]:
    entries: list[Entry] = []
    waive(entries, "rosa")
    waive(entries, "ben", terms(AT + 2 * HOUR, ticket="SHOP-2"))
    return entries


def test_what_is_signed_is_a_canonical_in_toto_statement_about_the_artifact() -> None:
    said = statement("h1", DIGEST, terms())
    assert rfc8785.dumps(json.loads(said)) == said
    assert json.loads(said) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact", "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://stationmaster.dev/approval/v1",
        "predicate": {
            "release": "h1", "action": "waiver", "mandate": DIGEST, "gate": "env:production", "closed_by": 5,
            "reason": "checkout is down", "ticket": "SHOP-1", "until": "2026-11-23T09:00:00Z",
            "signed": "2026-11-23T08:00:00Z",
        },
    }  # fmt: skip


def test_two_people_let_it_pass_and_it_is_told_by_whom_and_recorded_without_names() -> None:
    found = weighed(two())
    assert found.open
    assert found.said == "by waiver of Rosa and Ben (SHOP-1, SHOP-2), until 2026-11-23T09:00:00Z"
    fact = found.fact(GATE)
    assert fact == {
        "gate": "env:production", "closed_by": 5, "waivers": [0, 1], "tickets": ["SHOP-1", "SHOP-2"],
        "until": "2026-11-23T09:00:00Z",
    }  # fmt: skip
    assert "rosa" not in json.dumps(fact).lower()


def test_nobody_s_says_nothing_and_one_says_what_is_missing() -> None:
    assert weighed([]) == Passage((), ())
    assert weighed([]).said == ""
    entries: list[Entry] = []
    waive(entries, "rosa")
    found = weighed(entries)
    assert (found.open, found.until, found.said) == (False, None, "1 of 2 waivers, Rosa's")


@pytest.mark.parametrize(("seconds", "open_"), [(0, True), (3599, True), (3600, False), (3601, False)])
def test_it_lasts_to_its_end_and_not_through_it(seconds: int, open_: bool) -> None:  # noqa: FBT001 - a table
    found = weighed(two(), AT + timedelta(seconds=seconds))
    assert found.open is open_
    assert open_ or found.said == "1 of 2 waivers, Ben's; Rosa's has expired"


def test_a_third_keeps_it_open_when_the_first_has_expired() -> None:
    entries = two()
    waive(entries, "eve", terms(AT + 3 * HOUR))
    assert weighed(entries).until == AT + 2 * HOUR
    assert weighed(entries, AT + HOUR).open


def test_what_was_revoked_does_not_count_and_cannot_be_given_again_as_it_was() -> None:
    entries = two()
    revoke(entries, "ben")
    assert weighed(entries).said == "1 of 2 waivers, Rosa's; Ben's was revoked"
    record(entries, "ben", entries[1].fact)  # somebody copies the entry
    assert not weighed(entries).open
    waive(entries, "ben", terms(signed=instant(AT + HOUR / 2)))
    assert weighed(entries).open


@pytest.mark.parametrize(
    ("gate", "said"),
    [(Gate("ring:pilot", 5), ""), (Gate("env:production", 6), ""), (Gate("tenant:acme", 5), "")],
)
def test_what_is_closed_elsewhere_or_closed_anew_is_another_gate(gate: Gate, said: str) -> None:
    found = weighed(two(), gate=gate)
    assert (found.open, found.said) == (False, said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ana", "Ana's does not count: who starts a release cannot waive for it"),
        ("dev", "Dev's does not count: nobody waives for what they wrote"),
        ("guest", "Guest's does not count: none of their roles may approve it"),
        ("old", "Old's is by a person or key that is not valid now"),
        ("machine", "machine's is a service's, and services cannot waive"),
        ("stranger", "one names a key that did not make it or is not in approvers.yaml, "),
    ],
)
def test_whose_does_not_count_and_why(name: str, said: str) -> None:
    entries: list[Entry] = []
    waive(entries, "rosa")
    waive(entries, name)
    found = weighed(entries)
    assert not found.open
    assert found.said.startswith(f"1 of 2 waivers, Rosa's; {said}")


def test_one_person_with_two_keys_is_one() -> None:
    entries: list[Entry] = []
    waive(entries, "rosa")
    waive(entries, "rosa-2", terms(AT + 2 * HOUR))
    found = weighed(entries)
    assert [(one.who, one.until) for one in found.given] == [("rosa", AT + 2 * HOUR)]


@pytest.mark.parametrize(("release", "digest"), [("h1", OTHER_DIGEST), ("h2", DIGEST)])
def test_what_was_signed_for_something_else_does_not_count(release: str, digest: str) -> None:
    entries: list[Entry] = []
    waive(entries, "rosa")
    waive(entries, "ben", release=release, digest=digest)
    assert weighed(entries).said.endswith("Ben's is for something else than this artifact in this release")


def test_another_artifact_of_the_same_release_has_none() -> None:
    found = weighed(two(), digest=OTHER_DIGEST)
    assert (found.open, found.given) == (False, ())


@pytest.mark.parametrize(
    "changed",
    [
        {"until": instant(AT + 9 * HOUR)}, {"reason": "because"}, {"ticket": "X"}, {"ticket": ""}, {"until": "later"},
        {"until": "2026-11-24T06:00:00"}, {"signed": "x"}, {"envelope": "{}"}, {"envelope": None}, {"reason": 7},
    ],
)  # fmt: skip
def test_an_entry_that_was_changed_does_not_count(changed: dict[str, Any]) -> None:
    entries: list[Entry] = []
    waive(entries, "rosa")
    fact = terms().fact(DIGEST, envelope("ben", statement("h1", DIGEST, terms())))
    record(entries, "ben", {**fact, **changed})
    found = weighed(entries)
    assert (found.open, len(found.refused)) == (False, 1)


def test_a_signature_counts_under_its_own_key_alone_and_none_comes_with_another() -> None:
    entries: list[Entry] = []
    mine = waive(entries, "rosa")
    record(entries, "ben", mine.fact)
    assert [one.who for one in weighed(entries).given] == ["rosa"]
    both = envelope("eve", statement("h1", DIGEST, terms()))
    both["signatures"] += envelope("ben", statement("h1", DIGEST, terms()))["signatures"]
    record(entries, "eve", terms().fact(DIGEST, both))
    assert [one.who for one in weighed(entries).given] == ["rosa"]


@pytest.mark.parametrize(("seconds", "counts"), [(0, True), (1, False)])
def test_one_that_lasts_too_long_does_not_count(seconds: int, counts: bool) -> None:  # noqa: FBT001 - a table
    entries: list[Entry] = []
    waive(entries, "rosa", terms(AT + LONGEST + timedelta(seconds=seconds)))
    found = weighed(entries)
    assert (len(found.given) == 1) is counts
    assert counts or [str(one) for one in found.refused] == ["Rosa's lasts longer than 72 h"]


def test_only_a_hotfix_may_pass() -> None:
    for kind in ("manual", "train"):
        found = weighed(two(), kind=kind)
        assert (found.open, found.said) == (False, "0 of 2 waivers; h1 is no hotfix, and only a hotfix may pass")


def test_who_wrote_it_must_be_known() -> None:
    found = weighed(two(), authors=Authors({}, ("Mallory <m@x.example>",)))
    assert not found.open
    assert "approvers.yaml does not know Mallory <m@x.example>" in found.said
    with pytest.raises(UnknownStarterError):
        weighed(two(), starter="nobody")


# What the policy states


def held(name: str, *roles: str) -> dict[str, Any]:
    key = {"ed25519": base64.b64encode(raw(name)).decode()}
    return {"id": name, "name": name.title(), "roles": list(roles), "keys": [key]}


def by_quorum(names: Sequence[str], at: datetime = AT, **quorum: int) -> Passage:
    """What waivers of these people come to; each lasts an hour longer than the one before."""
    rows = [held("rosa", "security"), held("ben", "security"), held("eve", "ops", "security"), held("ana", "ops")]
    known = Approvers.model_validate({"people": [*rows, held("dev", "ops"), held("guest", "approver")]})
    entries: list[Entry] = []
    for hours, name in enumerate(names, start=1):
        waive(entries, name, terms(AT + hours * HOUR))
    return weighed(entries, at, approvers=known, quorum=quorum, roles=tuple(quorum))


def test_a_stated_quorum_decides_instead_of_any_two() -> None:
    found = by_quorum(["rosa", "ben"], security=3)
    assert (found.open, found.until, found.missing) == (False, None, {"security": 1})
    assert found.said == "2 of 3 waivers, Rosa's and Ben's; missing: 1 security"
    assert found.unnamed == "2 of 3 waivers; missing: 1 security"
    assert by_quorum(["rosa", "ben", "eve"], security=3).open
    assert by_quorum(["rosa"], security=1).open


def test_nobody_counts_for_a_role_that_they_do_not_have_or_in_two() -> None:
    found = by_quorum(["rosa", "ben"], security=1, ops=1)
    assert (found.open, found.said) == (False, "1 of 2 waivers, Rosa's and Ben's; missing: 1 ops")
    assert not by_quorum(["eve"], security=1, ops=1).open
    assert by_quorum(["eve", "rosa"], security=1, ops=1).open


def test_starter_author_and_other_roles_do_not_fill_a_stated_quorum() -> None:
    found = by_quorum(["rosa", "ana", "dev", "guest"], security=1, ops=1)
    assert not found.open
    assert found.said == (
        "1 of 2 waivers, Rosa's; missing: 1 ops; Ana's does not count: who starts a release cannot waive for it; "
        "Dev's does not count: nobody waives for what they wrote; Guest's does not count: none of their roles may "
        "approve it"
    )


def test_a_stated_quorum_holds_until_it_is_not_filled_any_more() -> None:
    found = by_quorum(["eve", "rosa", "ben"], security=1, ops=1)  # who has ops ends first
    assert (found.open, found.until) == (True, AT + HOUR)
    assert by_quorum(["rosa", "ben", "eve"], security=1, ops=1).until == AT + 2 * HOUR
    assert not by_quorum(["eve", "rosa", "ben"], AT + HOUR, security=1, ops=1).open


def test_a_quorum_is_told_in_words() -> None:
    assert [in_words({}), in_words({"security": 3}), in_words({"ops": 1, "security": 2})] == [
        "2 approvers", "3 security", "1 ops and 2 security",
    ]  # fmt: skip


WORDS = st.tuples(
    st.sampled_from(["good", "good", "good", "other gate", "other digest", "copied", "revoked"]),
    st.sampled_from(NAMES),
    st.sampled_from([AT - HOUR, AT, AT + HOUR, AT + HOUR, AT + LONGEST + HOUR]),
)


@given(st.lists(WORDS, max_size=12))
def test_no_set_of_entries_of_fewer_than_two_eligible_people_opens(told: list[tuple[str, str, datetime]]) -> None:
    """Words of anybody in any order, copies and revocations among them."""
    entries: list[Entry] = []
    eligible = set[str]()
    for how, name, end in told:
        if how == "revoked":
            revoke(entries, name)
        elif how == "copied":
            if entries and entries[0].step == "waived":
                record(entries, name, entries[0].fact)
        else:
            gate = Gate(GATE.name, GATE.closed_by + (how == "other gate"))
            waive(entries, name, terms(end, gate), digest=OTHER_DIGEST if how == "other digest" else DIGEST)
            if how == "good" and end == AT + HOUR and name in {"rosa", "rosa-2", "ben", "eve"}:
                eligible.add(name.removesuffix("-2"))
    found = weighed(entries)
    assert {one.who for one in found.given} <= eligible
    assert found.open == (len(found.given) > 1)
    assert not found.open or len(eligible) > 1


def test_any_two_who_may_are_enough_in_either_order() -> None:
    for first, second in itertools.permutations(("rosa", "ben", "eve"), 2):
        entries: list[Entry] = []
        waive(entries, first)
        waive(entries, second)
        assert weighed(entries).open
