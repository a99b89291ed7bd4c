"""What an emergency owes afterwards: until when, whose look counts, and what a later refusal changes."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.signer import public_key_id, sign_with
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.emergency import Holders, Review, refusal, reviews, statement
from stationmaster.domain.entries import Draft, Entry, compose

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DIGEST, MANDATE = "sha256:" + "a" * 64, "sha256:" + "c" * 64
KEYS = {name: Ed25519PrivateKey.generate() for name in ("rosa", "ben", "old", "idle", "robot", "stranger")}
WITHIN = 2 * 86_400


def key_row(key: Ed25519PrivateKey) -> dict[str, str]:
    return {"ed25519": base64.b64encode(key.public_key().public_bytes_raw()).decode()}


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name.title(), "roles": ["commander"], "keys": [key_row(KEYS[name])], **more}


PEOPLE = Approvers.model_validate(
    {
        "people": [row("rosa"), row("ben"), row("old", until="2026-01-01"), row("idle", roles=[])],
        "services": [{"id": "robot", "keys": [key_row(KEYS["robot"])]}],
    }
)


def entry(index: int, step: str, subject: str = "r2", at: datetime = AT, **fact: Any) -> Entry:
    draft = Draft(release="r2", step=step, subject=subject, fact=fact)
    return compose(draft, index=index, at=at, attempt=1, salt="0" * 32, payload=None)


def alone(index: int = 1, who: str = "rosa", **fact: Any) -> Entry:
    known = {"action": "emergency", "mandate": MANDATE, "digest": DIGEST, "reason": "it is down", "ticket": "INC-1"}
    return entry(index, "approval", public_key_id(KEYS[who]), **{**known, **fact})


def look(index: int, who: str = "ben", of: Entry | None = None, at: datetime = AT, **fact: Any) -> Entry:
    of = of or alone()
    envelope = sign_with(KEYS[who], statement(of, "justified", "I saw it"))
    told = {"entry": of.index, "verdict": "justified", "reason": "I saw it", "envelope": envelope, **fact}
    return entry(index, "reviewed", f"{of.index}/x", at, **told)


def owes(*entries: Entry) -> list[Review]:
    return [one for one in reviews(entries, Holders(PEOPLE), WITHIN) if one.owed(AT)]


def test_one_that_was_refused_and_then_let_it_pass_is_owed() -> None:
    """Who had not the role yet may have it by the time."""
    refused = entry(2, "refused", entry=1)
    assert owes(alone(), refused) == []
    assert [one.entry for one in owes(alone(), refused, entry(3, "approved", emergency=True))] == [1]
    other = alone(3, "ben")
    assert [one.entry for one in owes(alone(), refused, other, entry(4, "approved", emergency=True))] == [3]


def test_it_is_owed_from_the_approval_and_says_by_whom_and_until_when() -> None:
    (one,) = owes(alone())
    assert (one.who, one.due, one.overdue(AT), one.overdue(AT + timedelta(days=2))) == (
        "rosa", AT + timedelta(days=2), False, True,
    )  # fmt: skip
    assert one.said(AT) == (
        "the emergency of r2 (INC-1: it is down), in which rosa went ahead alone at 2026-11-23T08:00:00Z, is not "
        "reviewed; it is due at 2026-11-25T08:00:00Z, by somebody else"
    )
    assert one.said(AT + timedelta(days=2)).endswith("it was due at 2026-11-25T08:00:00Z and blocks the next train")
    assert one.unnamed(AT) == one.said(AT).replace("rosa", "somebody")


def test_a_plain_approval_owes_nothing() -> None:
    assert owes(alone(action="deploy"), entry(2, "approved")) == []


@pytest.mark.parametrize("verdict", ["justified", "unjustified"])
def test_the_look_of_somebody_else_ends_it_whatever_they_found(verdict: Any) -> None:
    envelope = sign_with(KEYS["ben"], statement(alone(), verdict, "I saw it"))
    found = reviews([alone(), look(2, verdict=verdict, envelope=envelope)], Holders(PEOPLE), WITHIN)
    assert [(one.verdict, one.owed(AT), one.overdue(AT + timedelta(days=9))) for one in found] == [
        (verdict, False, False)
    ]
    assert found[0].said(AT) == f"the emergency of r2 (INC-1: it is down) was reviewed: {verdict}"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("rosa", "Rosa went ahead alone, and somebody else must look at it"), ("old", "not valid at that time"),
        ("idle", "has no role"), ("robot", "services cannot review"), ("stranger", "no key in approvers.yaml"),
    ],
)  # fmt: skip
def test_whose_look_does_not_count(who: str, why: str) -> None:
    assert owes(alone(), look(2, who))
    assert why in str(refusal(look(2, who).fact, alone(), Holders(PEOPLE), AT))


@pytest.mark.parametrize(
    "other",
    [
        {"verdict": "unjustified"}, {"reason": "another"}, {"envelope": {}}, {"envelope": None}, {"verdict": None},
        {"entry": 7}, {"envelope": sign_with(KEYS["ben"], b"{}")},
        {"envelope": sign_with(KEYS["ben"], statement(alone(9), "justified", "I saw it"))},
    ],
)  # fmt: skip
def test_a_look_that_was_signed_for_something_else_is_none(other: dict[str, Any]) -> None:
    assert owes(alone(), look(2, **other))


def test_each_emergency_owes_a_look_of_its_own() -> None:
    second = alone(5, ticket="INC-2")
    assert [one.ticket for one in owes(alone(), look(2), second)] == ["INC-2"]
    assert owes(alone(), look(2), second, look(6, of=second)) == []


def test_what_was_refused_before_anything_was_done_owes_nothing_and_later_it_does() -> None:
    refused: dict[str, Any] = {"entry": 1, "rule": "superseded"}
    assert owes(alone(), entry(2, "refused", **refused)) == []
    for went_on in ("approved", "passed", "deployed"):
        assert len(owes(alone(), entry(2, went_on), entry(3, "refused", **refused))) == 1
    assert len(owes(alone(), entry(2, "refused", entry=0, rule="role"))) == 1


def test_where_nobody_can_tell_who_went_ahead_nobody_can_be_told_to_be_somebody_else() -> None:
    unknown = alone(who="stranger")
    (one,) = owes(unknown, look(2, of=unknown))
    assert one.who is None
    assert "in which somebody went ahead alone" in one.said(AT)
    why = refusal(look(2, of=unknown).fact, unknown, Holders(PEOPLE), AT)
    assert why is not None
    assert "nobody can tell who went ahead alone" in why
    with_key = Approvers.model_validate({"people": [row("rosa"), row("ben"), row("stranger", until="2026-01-01")]})
    assert refusal(look(2, of=unknown).fact, unknown, Holders(with_key), AT) is None


def approvers(*people: dict[str, Any]) -> Approvers:
    return Approvers.model_validate({"people": list(people)})


RATIFIED = approvers(
    row("rosa", keys=[key_row(KEYS["rosa"]), key_row(KEYS["old"])], emails=["r@a.example"]), row("ben")
)


@pytest.mark.parametrize(
    "now",
    [
        approvers(row("rosa", keys=[key_row(KEYS["old"])]), row("ben")),
        approvers({**row("old"), "emails": ["R@a.example"]}, row("ben")),
        approvers(row("old"), row("ben")),
        approvers(row("old"), row("ben"), row("stranger", keys=[key_row(KEYS["rosa"])])),
    ],
    ids=["the key was taken away", "another id", "another id and address", "somebody else has the key"],
)
def test_whoever_went_ahead_does_not_look_by_another_key_whatever_the_file_says_by_now(now: Approvers) -> None:
    holders = Holders(now, (RATIFIED, now))
    (one,) = reviews([alone(), look(2, "old")], holders, WITHIN)
    assert one.owed(AT)
    assert "went ahead alone, and somebody else" in str(refusal(look(2, "old").fact, alone(), holders, AT))
    assert not reviews([alone(), look(2, "ben")], holders, WITHIN)[0].owed(AT)


def test_it_is_told_who_went_ahead_though_the_key_was_taken_away() -> None:
    (one,) = reviews([alone()], Holders(approvers(row("ben")), (RATIFIED,)), WITHIN)
    assert one.who == "rosa"


@given(st.lists(st.sampled_from(sorted(KEYS)), max_size=5))
def test_nobody_ends_what_they_owe_themselves(signers: list[str]) -> None:
    """Only Ben, who is neither Rosa nor barred, does."""
    found = owes(alone(), *(look(number, who) for number, who in enumerate(signers, 2)))
    assert bool(found) == ("ben" not in signers)
