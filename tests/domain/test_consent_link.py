"""The link of a contact: it is opened as it was made, for what it was made, and for a while."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.signer import raw_public_key, sign_with
from stationmaster.domain.consent_link import (
    LONGEST,
    ForeignLinkError,
    Link,
    LinkOverError,
    claimed,
    contact_digest,
    opened,
    token,
)

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
PUBLIC = raw_public_key(KEY)
LINK = Link(
    product="shop", release="r2", tenant="acme", contact=contact_digest("acme", "IT@acme.example "),
    digest="sha256:" + "d" * 64, expires=AT + timedelta(days=2),
)  # fmt: skip
TOKEN = token(sign_with(KEY, LINK.statement()))


def made(payload: bytes, key: Ed25519PrivateKey = KEY) -> str:
    return token(sign_with(key, payload))


def changed(**parts: Any) -> bytes:
    return rfc8785.dumps({**json.loads(LINK.statement()), **parts})


def test_it_opens_as_it_was_made_and_fits_an_address() -> None:
    assert opened(TOKEN, PUBLIC, AT) == LINK
    assert claimed(TOKEN) == LINK
    assert len(TOKEN) < 800
    assert TOKEN.replace(".", "").replace("-", "").replace("_", "").isalnum()


def test_a_contact_is_the_same_however_the_address_is_written_and_another_for_another_tenant() -> None:
    assert LINK.contact == contact_digest("acme", "it@acme.example") != contact_digest("birch", "it@acme.example")


@pytest.mark.parametrize("expires", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:60Z"])
@pytest.mark.parametrize("key", [KEY, Ed25519PrivateKey.generate()])
def test_an_end_out_of_all_time_is_none_of_ours(expires: str, key: Ed25519PrivateKey) -> None:
    predicate = json.loads(LINK.statement())["predicate"] | {"expires": expires}
    with pytest.raises(ForeignLinkError):
        claimed(made(changed(predicate=predicate), key))


def test_it_is_over_at_its_end() -> None:
    assert opened(TOKEN, PUBLIC, LINK.expires - timedelta(seconds=1)) == LINK
    with pytest.raises(LinkOverError):
        opened(TOKEN, PUBLIC, LINK.expires)


def test_nobody_else_makes_one() -> None:
    with pytest.raises(ForeignLinkError):
        opened(made(LINK.statement(), Ed25519PrivateKey.generate()), PUBLIC, AT)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("AZaz09-_.=+/ \n\u00e9"))
def test_not_a_letter_of_it_may_be_another(place: int, letter: str) -> None:
    other = TOKEN[:place] + letter + TOKEN[place + 1 :]
    if other != TOKEN:
        with pytest.raises(ForeignLinkError):
            opened(other, PUBLIC, AT)


@given(st.text(max_size=60))
def test_what_is_none_is_refused_whatever_it_is(text: str) -> None:
    for given_ in (text, f"{text}.{text}", f"{TOKEN}{text}.", text + TOKEN.partition(".")[2]):
        with pytest.raises(ForeignLinkError):
            opened(given_, PUBLIC, AT)


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"[" * 900,
        b"\xff",
        LINK.statement().replace(b'"release"', b'"releese"'),
        LINK.statement() + b" ",
        changed(predicateType="https://stationmaster.dev/approval/v1"),
        changed(_type="x"),
        changed(subject=[]),
        changed(more=1),
        changed(subject=[{"name": "artifact", "digest": {"sha256": "d" * 63}}]),
        changed(predicate={}),
        changed(predicate=7),
    ],
)
def test_what_we_signed_for_something_else_is_no_link(payload: bytes) -> None:
    with pytest.raises(ForeignLinkError):
        opened(made(payload), PUBLIC, AT)


def test_there_is_one_spelling_of_it() -> None:
    payload, _, sig = TOKEN.partition(".")
    padded = base64.urlsafe_b64encode(base64.urlsafe_b64decode(sig + "==")).decode()
    for other in (f"{payload}.{padded}", f"{payload}=.{sig}", f".{payload}.{sig}", f"{payload}.{sig}.", TOKEN * 4):
        with pytest.raises(ForeignLinkError):
            opened(other, PUBLIC, AT)
    assert len(TOKEN * 4) > LONGEST
