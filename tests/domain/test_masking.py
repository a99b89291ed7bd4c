import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.masking import HIDDEN, Mask, is_private


@given(st.lists(st.text(min_size=4), min_size=1, max_size=3))
def test_each_secret_is_hidden(secrets: list[str]) -> None:
    assert {Mask.of(secrets).text(secret) for secret in secrets} == {HIDDEN}


@given(st.text(min_size=4))
def test_a_secret_is_hidden_as_it_looks_in_json_and_in_an_address(secret: str) -> None:
    mask = Mask.of([secret])
    assert mask.text(json.dumps(secret)) in {f'"{HIDDEN}"', HIDDEN}
    assert mask.text(quote(secret, safe="")) == HIDDEN


def test_the_longer_of_two_secrets_leaves_no_remainder() -> None:
    assert Mask.of(["pass", "password-of-ana"]).text("is password-of-ana.") == f"is {HIDDEN}."


def test_an_empty_secret_hides_nothing() -> None:
    assert Mask.of([""]).text("as it is") == "as it is"


@pytest.mark.parametrize("name", ["Authorization", "Set-Cookie", "X-Api-Key", "token", "user_password", "session"])
def test_private_names(name: str) -> None:
    assert is_private(name)
    assert Mask().headers({name: "v", "X-Tenant": "acme"}) == {name: HIDDEN, "X-Tenant": "acme"}


def test_private_leaves_of_json_are_hidden_at_any_depth() -> None:
    given = {"orders": [{"id": 7, "token": {"a": 1}}], "note": "pin 4711", "pin": 4711, "open": True, "none": None}
    assert Mask.of(["4711"]).json(given) == {
        "orders": [{"id": 7, "token": HIDDEN}],
        "note": f"pin {HIDDEN}",
        "pin": HIDDEN,
        "open": True,
        "none": None,
    }


def test_a_secret_may_be_the_name_of_a_key_and_no_value_is_lost() -> None:
    mask = Mask.of(["s3cretvalue", "an0thervalue"])
    given = {"s3cretvalue": 1, "an0thervalue": {"to s3cretvalue": [2]}, "***": 3, "token of s3cretvalue": 4}
    assert mask.json(given) == {
        HIDDEN: 1,
        HIDDEN * 2: {f"to {HIDDEN}": [2]},
        HIDDEN * 3: 3,
        f"token of {HIDDEN}": HIDDEN,
    }


@given(st.text(st.characters(codec="utf-8"), min_size=6), st.binary(max_size=5), st.binary(max_size=5))
def test_a_secret_is_hidden_in_base64_and_hex_whatever_stands_beside_it(
    secret: str, before: bytes, after: bytes
) -> None:
    mask, beside = Mask.of([secret]), before + secret.encode() + after
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert HIDDEN in mask.text(encode(beside).decode())
    assert secret.encode().hex() not in mask.text(beside.hex())
    assert secret.encode().hex().upper() not in mask.text(beside.hex().upper())


def test_of_base64_nothing_is_left_but_what_also_depends_on_what_stands_beside() -> None:
    hidden = Mask.of(["hunter2-secret"]).text(base64.b64encode(b"ana:hunter2-secret").decode())
    assert hidden == f"YW5hOm{HIDDEN}"  # `ana:` and four bits of `h`


def test_what_a_short_secret_looks_like_in_base64_stays() -> None:
    assert Mask.of(["pin42"]).text(base64.b64encode(b"pin42").decode()) == "cGluNDI="


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=4), max_size=3), st.binary())
def test_bytes_are_masked_as_text_is_and_what_is_no_text_stays(secrets: list[str], other: bytes) -> None:
    mask = Mask.of(secrets)
    assert mask.longest >= max((len(secret.encode()) for secret in secrets), default=0)
    for secret in secrets:
        assert mask.bytes(secret.encode()) == HIDDEN.encode()
    if not any(word.encode() in other for word in mask.words):
        assert mask.bytes(other) == other
