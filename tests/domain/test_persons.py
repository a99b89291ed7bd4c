"""Whoever acted is listed, by name or as erased; nobody is dropped and nobody who did not act is named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.persons import NAMES_OTHERS, actors, by_person
from tests.accounts import Account, good


def who(
    account: Account, personal: dict[int, dict[str, Any]] | None = None
) -> list[tuple[str | None, bool, list[str]]]:
    found = by_person(account.entries, account.personal if personal is None else personal)
    return [(one.person, one.erased, [action.step for action in one.actions]) for one in found]


def test_each_person_has_what_they_did_in_order() -> None:
    assert who(good()) == [
        ("Cleo <cleo@shop.example>", False, ["cut"]),
        ("ana", False, ["confirmed", "started"]),
        ("ben", False, ["approval"]),
    ]


def test_an_erased_person_is_listed_as_erased_and_their_acts_stay() -> None:
    account = good()
    kept = {index: known for index, known in account.personal.items() if known.get("who") != "ben"}
    assert who(account, kept)[-1] == (None, True, ["approval"])


def test_who_is_only_named_did_nothing_there() -> None:
    account = Account()
    for step in sorted(NAMES_OTHERS):
        account.tell(step, {"digest": "x"}, starter="ana", changes={"c": ["ben"]})
    assert who(account) == []
    assert who(account, {}) == []


def test_an_act_that_names_nobody_in_a_known_way_is_listed_without_a_name() -> None:
    account = Account()
    account.tell("consented", {"by": "link"}, "acme", contact="it@acme.example")
    assert who(account) == [(None, False, ["consented"])]


@pytest.mark.parametrize(
    ("personal", "names"),
    [
        ({"who": "ana"}, ["ana"]),
        ({"starter": "ana"}, ["ana"]),
        ({"who": "ben", "starter": "ana"}, ["ben"]),
        ({"who": "ben", "by": "U0BEN", "brought_by": "slack", "envelope": {}}, ["ben"]),
        ({"by": "U0EVE", "brought_by": "slack"}, ["U0EVE"]),
        ({"who": "ines@acme.example", "recorded": "alice"}, ["ines@acme.example", "alice"]),
        ({"who": "ana", "recorded": "ana"}, ["ana"]),
        ({"who": ["ana", "ben"]}, [None]),
        ({"authors": {"1": ["b", "a"], "2": ["b"]}}, ["a", "b"]),
        ({"authors": {}}, [None]),
        ({"authors": {"1": []}}, [None]),
        ({"who": 7}, [None]),
        ({}, [None]),
    ],
)
def test_who_acted_by_the_personal_data(personal: dict[str, Any], names: list[str | None]) -> None:
    assert actors(personal) == names


PERSONAL = st.sampled_from([{"who": "ana"}, {"starter": "ben"}, {"authors": {"c": ["cleo", "ana"]}}, {"note": "x"}])


@given(st.lists(st.tuples(PERSONAL, st.booleans()), max_size=20))
def test_no_entry_with_personal_data_is_dropped(acts: list[tuple[dict[str, Any], bool]]) -> None:
    account = Account()
    for personal, erased in acts:
        entry = account.tell("paused", {"reason": "x"}, **personal)
        if erased:
            del account.personal[entry.index]
    account.tell("resumed", {"reason": "x"})
    found = by_person(account.entries, account.personal)
    assert {action.index for one in found for action in one.actions} == set(range(len(acts)))
    erased_ones = {action.index for one in found if one.erased for action in one.actions}
    assert erased_ones == {index for index, (_, erased) in enumerate(acts) if erased}
