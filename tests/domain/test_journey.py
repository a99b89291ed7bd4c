from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from stationmaster.domain.journey import (
    Answer,
    JourneyResult,
    StepResult,
    UnknownPlaceholderError,
    Values,
    at,
    capture,
    check,
    check_placeholders,
    fill,
    placeholders,
    waits_for,
)
from stationmaster.domain.product import Expect, Journey, Step

VALUES = Values("acme", {"PROBE": SecretStr("s3cret")}, {"order": 42, "token": "a/b?c"})


def answer(status: int = 200, seconds: float = 0.1, json: Any = None) -> Answer:
    return Answer(status, seconds, "", json)


def journey(*steps: Step) -> Journey:
    return Journey(name="order", steps=steps)


def test_every_text_of_a_step_is_filled() -> None:
    step = Step.model_validate(
        {
            "name": "place",
            "method": "POST",
            "path": "/t/{tenant}/orders",
            "headers": {"Authorization": "Bearer {token}", "X-Order": "{order}"},
            "body": {"who": "{secret:PROBE}", "lines": [{"sku": "of-{tenant}", "order": "{order}", "n": 3}]},
            "expect": {"json": {"id": "{order}", "text": "order {order}"}},
        }
    )
    request = fill(step, VALUES)
    assert request.path == "/t/acme/orders"
    assert request.headers == {"Authorization": "Bearer a/b?c", "X-Order": "42"}
    assert request.body == {"who": "s3cret", "lines": [{"sku": "of-acme", "order": 42, "n": 3}]}
    assert request.expect.json_ == {"id": 42, "text": "order 42"}


@given(st.text())
def test_a_value_in_a_path_stays_one_segment(value: str) -> None:
    path = fill(Step(name="s", path="/orders/{order}/lines"), Values("acme", {}, {"order": value})).path
    assert path.count("/") == 3
    assert not set(path) & set("?#")


def test_braces_that_are_no_placeholder_stay() -> None:
    step = Step(name="s", path="/", body={"query": "{ orders { id } }", "empty": "{}"})
    assert fill(step, VALUES).body == {"query": "{ orders { id } }", "empty": "{}"}
    assert placeholders(step) == set()


def test_what_no_earlier_step_gives_is_named_with_the_nearest_spelling() -> None:
    login = Step(name="log in", path="/login", capture={"token": "token"})
    use = Step(name="use", path="/", headers={"Authorization": "Bearer {tokn}"})
    with pytest.raises(UnknownPlaceholderError, match=r"step 'use': nothing gives a value for \{tokn\}") as caught:
        check_placeholders(journey(login, use), [])
    assert caught.value.hint == "did you mean 'token'?"
    assert caught.value.exit == 2


@pytest.mark.parametrize("path", ["/{later}", "/{secret:PROBE}"])
def test_a_value_that_comes_later_or_never_is_refused_before_anything_is_sent(path: str) -> None:
    steps = (Step(name="first", path=path), Step(name="second", path="/", capture={"later": "id"}))
    with pytest.raises(UnknownPlaceholderError):
        check_placeholders(journey(*steps), ["OTHER"])


def test_known_values_are_accepted() -> None:
    steps = (Step(name="a", path="/{tenant}", capture={"id": "id"}), Step(name="b", path="/{id}/{secret:PROBE}"))
    check_placeholders(journey(*steps), ["PROBE"])


def test_a_cleanup_waits_for_what_was_not_captured() -> None:
    step = Step(name="cancel", path="/{tenant}/{order}/{secret:PROBE}", cleanup=True)
    assert waits_for(step, Values("acme")) == ("order",)
    assert waits_for(step, VALUES) == ()


def expecting(**wanted: Any) -> Expect:
    return Expect.model_validate(wanted)


@pytest.mark.parametrize(
    ("expect", "got", "reasons"),
    [
        (expecting(), answer(), ()),
        (expecting(status=201), answer(500), ("answered 500 where 201 is expected",)),
        (expecting(json={"total": "7.50"}), answer(json={"total": "7.50", "more": 1}), ()),
        (expecting(json={"lines.1.sku": "b"}), answer(json={"lines": [{"sku": "a"}, {"sku": "b"}]}), ()),
        (
            expecting(json={"total": "7.50"}),
            answer(json={"total": "7.5"}),
            ("total is '7.5' where '7.50' is expected",),
        ),
        (expecting(json={"a.b": None}), answer(json={"a": {}}), ("a.b is missing where None is expected",)),
        (expecting(json={"a": None}), answer(json={"a": None}), ()),
        (expecting(json={"ok": True}), answer(json={"ok": 1}), ("ok is 1 where True is expected",)),
        (expecting(json={"n": 1}), answer(json=None), ("n is missing where 1 is expected",)),
        (expecting(json={"token": "x"}), answer(json={"token": "y"}), ("token is *** where *** is expected",)),
        (expecting(within=2), answer(seconds=2.0), ()),
        (expecting(within=2), answer(seconds=2.06), ("took 2.1 s where 2 s are allowed",)),
    ],
)
def test_an_answer_is_as_expected_or_says_why_not(expect: Expect, got: Answer, reasons: tuple[str, ...]) -> None:
    assert check(expect, got) == reasons


def test_all_reasons_are_given() -> None:
    expect = expecting(status=201, json={"a": 1, "b": 2}, within=1)
    assert len(check(expect, answer(500, 3.0, {"a": 2}))) == 4


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_every_answer_expects_itself(value: Any) -> None:
    assert check(expecting(json={"value": value}), answer(json={"value": value})) == ()


def test_a_key_goes_no_deeper_than_the_document() -> None:
    for key in ("a.b.c", "list.5", "list.-1", "list.x", ""):
        assert check(expecting(json={key: None}), answer(json={"a": {"b": 1}, "list": [1]})) != ()
    assert at({"list": [1, [2]]}, "list.1.0") == 2


def test_only_scalars_are_captured() -> None:
    step = Step(name="s", path="/", capture={"id": "order.id", "lines": "order.lines", "gone": "nowhere"})
    found, missing = capture(step, answer(json={"order": {"id": 7, "lines": []}}))
    assert found == {"id": 7}
    assert missing == ("no value to capture at 'order.lines'", "no value to capture at 'nowhere'")


def test_a_result_gives_its_reasons_by_step() -> None:
    passed = StepResult(name="log in", status=200)
    failed = StepResult(name="place", status=500, reasons=("answered 500 where 201 is expected",))
    result = JourneyResult(journey="order", tenant="acme", steps=(passed, failed))
    assert not result.passed
    assert result.reasons == ("place: answered 500 where 201 is expected",)
    assert JourneyResult.model_validate_json(result.model_dump_json()) == result
    assert JourneyResult(journey="order", tenant="acme", steps=(passed,)).passed


def test_values_hide_secrets_and_what_was_captured_under_a_private_name() -> None:
    mask = VALUES.mask()
    assert mask.text("s3cret a/b?c 42") == "*** *** 42"
    assert "s3cret" not in repr(VALUES)
