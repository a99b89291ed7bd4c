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
