"""Whether a quorum could be met at all, and who is in the way."""

from datetime import UTC, datetime
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.approvers import Approvers, Person
from stationmaster.domain.quorum import able, beyond_reach, impossible, seat
from tests.questions import AT, question

KEY = [{"ed25519": "E" * 43 + "="}]
ROLES = ("approver", "dba", "qa")


def people(**roles: tuple[str, ...]) -> Approvers:
    rows = [{"id": name, "name": name.title(), "roles": held, "slack": f"u-{name}"} for name, held in roles.items()]
    return Approvers.model_validate({"people": rows})


def person(name: str, roles: set[str]) -> Person:
    return Person(id=name, name=name, roles=tuple(sorted(roles)))


@given(
    st.dictionaries(st.sampled_from(ROLES), st.integers(1, 2), min_size=1),
    st.lists(st.sets(st.sampled_from(ROLES)), max_size=5),
)
def test_as_many_places_are_filled_as_any_order_of_people_could(required: dict[str, int], held: list[set[str]]) -> None:
    crowd = [person(f"p{number}", roles) for number, roles in enumerate(held)]
    seats = [role for role, count in sorted(required.items()) for _ in range(count)]
    best = max(
        sum(role in one.roles for role, one in zip(seats, order, strict=False))
        for order in permutations([*crowd, *(person("nobody", set()) for _ in seats)], len(seats))
    )
    found = seat(required, crowd)
    assert sum(found.missing.values()) == len(seats) - best
    assert all(found.roles[one.id] in one.roles for one in crowd if one.id in found.roles)


@given(
    st.dictionaries(st.sampled_from(ROLES), st.integers(1, 2), min_size=1),
    st.lists(st.sets(st.sampled_from(ROLES)), max_size=5),
    st.lists(st.frozensets(st.sampled_from(["p0", "p1", "p2"])), max_size=3),
)
def test_each_has_one_role_for_all_that_others_wrote(
    required: dict[str, int], held: list[set[str]], wrote: list[frozenset[str]]
) -> None:
    crowd = [person(f"p{number}", roles) for number, roles in enumerate(held)]

    def lacks(roles: dict[str, str | None]) -> dict[str, int]:
        counted = [[role for who, role in roles.items() if who not in authors] for authors in wrote or [frozenset()]]
        worst = {role: max(count - one.count(role) for one in counted) for role, count in required.items()}
        return {role: n for role, n in worst.items() if n > 0}

    ways = product(*([None, *sorted(roles)] for roles in held))
    every = [lacks({f"p{number}": role for number, role in enumerate(way)}) for way in ways]
    found = seat(required, crowd, wrote)
    assert found.missing == lacks({one.id: found.roles.get(one.id) for one in crowd})
    assert bool(found.missing) == all(every)


def test_one_person_is_not_in_one_role_for_this_change_and_in_another_for_that() -> None:
    crowd = [person("x", {"dba", "qa"}), person("a", {"dba"}), person("b", {"qa"})]
    assert seat({"dba": 1, "qa": 1}, crowd, [{"a"}, {"b"}]).missing != {}
    assert seat({"dba": 1, "qa": 1}, [*crowd, person("y", {"dba"})], [{"a"}, {"b"}]).missing == {}


def test_a_crowd_of_authors_is_counted_in_time_and_never_for_more_than_it_is() -> None:
    crowd = [person(f"p{number}", {"dba", "qa"}) for number in range(42)]
    wrote = [{one.id for number, one in enumerate(crowd) if number % 7 != part} for part in range(7)]
    found = seat({"dba": 3, "qa": 3}, crowd, wrote)
    counted = [[found.roles.get(one.id) for one in crowd if one.id not in authors] for authors in wrote]
    assert found.missing == {}
    assert all(one.count(role) == 3 for one in counted for role in ("dba", "qa"))
    assert sum(seat({"dba": 3, "qa": 3}, crowd[1:], wrote).missing.values()) == 1


def test_a_rule_cannot_ask_for_more_people_than_hold_the_role() -> None:
    some = people(rosa=("approver", "dba"), ben=("approver",))
    assert impossible({"approver": 2}, some, AT) == {}
    assert impossible({"approver": 2, "dba": 1}, some, AT) != {}
    assert impossible({"lawyer": 1}, some, AT) == {"lawyer": 1}


@pytest.mark.parametrize(
    ("other", "can"),
    [
        ({"keys": KEY}, True),
        ({"github": "rosa"}, True),
        ({}, False),
        ({"keys": KEY, "until": "2026-06-01"}, False),
        ({"keys": [{**KEY[0], "until": "2026-06-01"}]}, False),
    ],
)
def test_who_could_approve_at_all(other: dict[str, Any], can: bool) -> None:  # noqa: FBT001
    one = Person.model_validate({"id": "rosa", "name": "Rosa", **other})
    assert able(one, datetime(2026, 6, 1, tzinfo=UTC)) == can


@pytest.mark.parametrize(
    ("changes", "unresolved", "why"),
    [
        ({"c1": frozenset({"dev"})}, (), ()),
        (
            {"c1": frozenset({"ben"})}, (),
            ("1 more approver (Ben wrote some of it)", "nobody who may approve it wrote nothing of it"),
        ),
        ({"c1": frozenset()}, ("Eve <e@x>",), ("Eve <e@x> wrote some of it and is nobody in approvers.yaml",)),
    ],
)  # fmt: skip
def test_what_nobody_could_approve_is_told_with_who_is_missing(
    changes: dict[str, frozenset[str]], unresolved: tuple[str, ...], why: tuple[str, ...]
) -> None:
    asked = question(changes=changes, unresolved=unresolved)
    assert beyond_reach(asked, people(ana=("approver",), ben=("approver",), dev=()), AT) == why


def test_the_starter_is_named_when_only_they_are_left() -> None:
    (why,) = beyond_reach(question(aloof=False), people(ana=("approver",)), AT)
    assert why == "1 more approver (beside ana, who starts it)"
