"""Who confirms a start: somebody known, of this very request, and never by the way of an approval."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stationmaster.domain.approval_statement import PAYLOAD_TYPE, PREDICATE_TYPE, Said, said_in
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.confirming import ConfirmationRefusedError, Wish, asked_digest, who_confirms, wish_in
from stationmaster.domain.dsse import key_id, pae
from stationmaster.domain.request import ReleaseRequest

AT = datetime(2026, 11, 23, tzinfo=UTC)
ASKED = ReleaseRequest(id="r2", product="shop", ref="v2", starter="x").asked()
WISH = Wish(release="r2", request=asked_digest("r2", ASKED))
BY_SLACK = WISH.model_copy(update={"assurance": "attested_by_channel", "channel": "slack", "by": "U0BEN"})
NAMES = ("ben", "old", "robot", "mute", "stranger")
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n, name in enumerate(NAMES)}


def raw(name: str) -> bytes:
    return KEYS[name].public_key().public_bytes_raw()


def keys(name: str) -> list[dict[str, str]]:
    return [{"ed25519": base64.b64encode(raw(name)).decode()}]


PEOPLE = Approvers.model_validate(
    {
        "people": [
            {"id": "ben", "name": "Ben", "slack": "U0BEN", "keys": keys("ben")},
            {"id": "old", "name": "Old", "slack": "U0OLD", "until": "2026-01-01", "keys": keys("old")},
        ],
        "services": [
            {"id": "robot", "predicates": [PREDICATE_TYPE], "keys": keys("robot")}, {"id": "mute", "keys": keys("mute")}
        ],
    }
)  # fmt: skip


def envelope(payload: bytes, *names: str) -> dict[str, Any]:
    signed = [
        {"keyid": key_id(raw(one)), "sig": base64.b64encode(KEYS[one].sign(pae(PAYLOAD_TYPE, payload))).decode()}
        for one in names
    ]
    return {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE, "signatures": signed}


def confirmed(wish: Wish, *names: str, asked: dict[str, Any] = ASKED, release: str = "r2") -> str:
    return who_confirms(envelope(wish.statement(), *names), release, asked, PEOPLE, AT)[0].id


def test_a_person_confirms_by_key_or_by_a_channel_that_a_service_attests() -> None:
    assert confirmed(WISH, "ben") == "ben"
    assert confirmed(BY_SLACK, "robot") == "ben"


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        (WISH, ("stranger",)), (WISH, ("old",)), (WISH, ("robot",)), (WISH, ()), (WISH, ("ben", "ben")),
        (BY_SLACK, ("ben",)), (BY_SLACK, ("mute",)), (BY_SLACK.model_copy(update={"by": "U0OLD"}), ("robot",)),
        (BY_SLACK.model_copy(update={"by": "ben"}), ("robot",)),
        (BY_SLACK.model_copy(update={"assurance": "signed"}), ("robot",)),
    ],
)  # fmt: skip
def test_nobody_else_does(wish: Wish, names: tuple[str, ...]) -> None:
    with pytest.raises(ConfirmationRefusedError, match="nobody who may start releases"):
        confirmed(wish, *names)


def test_another_release_or_request_is_something_else() -> None:
    for other in ({**ASKED, "ref": "evil"}, {**ASKED, "kind": "hotfix"}, {}):
        with pytest.raises(ConfirmationRefusedError, match="something else was signed"):
            confirmed(WISH, "ben", asked=other)
    with pytest.raises(ConfirmationRefusedError, match="something else was signed"):
        confirmed(WISH, "ben", release="r3")


def test_an_approval_is_no_wish_and_a_wish_no_approval() -> None:
    approval = Said(release="r2", mandate=WISH.request).statement(WISH.request)
    assert wish_in(approval) is None
    assert said_in(WISH.statement(), WISH.request) is None
    with pytest.raises(ConfirmationRefusedError):
        who_confirms(envelope(approval, "ben"), "r2", ASKED, PEOPLE, AT)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"predicate": {}}', WISH.statement() + b" "])
def test_other_bytes_are_no_wish(payload: bytes) -> None:
    assert wish_in(payload) is None
