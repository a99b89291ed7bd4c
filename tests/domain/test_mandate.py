"""A plan may move inside its mandate, and nothing else may; one tenant's opening tells of no other."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.mandate import Mandate, Opening, end_of, openings
from stationmaster.domain.plan import Placement, Plan, Wave
from tests.questions import AT

SALT, OTHER = 32 * "a", 32 * "b"
PARTS: dict[str, str | None] = {"artifact": "sha256:a", "migrations": None}
RINGS = ("pilot", "broad")


def wave(ring: str, *tenants: str, hours: int | None = 1) -> Wave:
    end = None if hours is None else AT + timedelta(hours=hours)
    return Wave(ring, {"cloud": tenants}, 1, None if hours is None else AT, end)


def plan(*waves: Wave, unapproved: tuple[str, ...] = ()) -> Plan:
    return Plan("shop", "sha256:a", waves, tuple(Placement(one, "broad", "unapproved", "") for one in unapproved))


FIRST = plan(wave("pilot", "acme"), wave("broad", "birch", "cedar"))


def mandate(given: Plan = FIRST, ends: datetime = AT + timedelta(days=1)) -> Mandate:
    return Mandate.lay_down("r1", PARTS, openings(given, RINGS, SALT), ends, 7)


def covers(given: Plan, parts: dict[str, str | None] | None = None, at: datetime = AT, salt: str = SALT) -> bool:
    return mandate().covers(parts or PARTS, openings(given, RINGS, salt), end_of(given, at), at)


def test_slots_may_move_inside_it() -> None:
    assert covers(FIRST)
    assert covers(plan(wave("pilot", "acme", hours=20), wave("broad", "cedar", "birch", hours=23)))
    assert covers(plan(wave("pilot", "acme", hours=None), wave("broad", "birch", "cedar", hours=None)))


def test_who_is_left_out_needs_no_new_signature() -> None:
    assert covers(plan(wave("pilot", "acme")))


@pytest.mark.parametrize(
    "other",
    [
        plan(wave("pilot", "acme", "dune"), wave("broad", "birch", "cedar")),  # somebody else is reached
        plan(wave("pilot", "acme", "birch"), wave("broad", "cedar")),  # earlier than was signed
        plan(wave("pilot", "acme"), wave("broad", "birch", "cedar", hours=25)),  # later than was signed
        plan(wave("pilot", "acme"), unapproved=("dune",)),  # somebody else may come
    ],
)
def test_anything_else_is_outside(other: Plan) -> None:
    assert not covers(other)


@pytest.mark.parametrize(
    "parts", [{**PARTS, "artifact": "sha256:b"}, {**PARTS, "migrations": "x"}, {"artifact": "sha256:a"}]
)
def test_so_is_whatever_else_would_be_carried_out(parts: dict[str, str | None]) -> None:
    assert not covers(FIRST, parts)


def test_it_ends() -> None:
    assert not covers(plan(wave("pilot", "acme")), at=AT + timedelta(days=1))


def test_rings_in_another_order_are_others() -> None:
    found = openings(FIRST, ("broad", "pilot"), SALT)
    assert not mandate().covers(PARTS, found, AT, AT)


def test_without_its_salt_nobody_recognises_anybody() -> None:
    assert not covers(FIRST, salt=OTHER)
    guessed = Opening.of("acme", "pilot", RINGS, OTHER)
    assert guessed.digest not in mandate().tenants
    assert Opening.of("acme", "pilot", RINGS, SALT).digest in mandate().tenants


@given(st.lists(st.text("abc", min_size=1, max_size=4), unique=True, min_size=2, max_size=8))
def test_their_order_tells_nothing_and_their_names_are_not_in_it(tenants: list[str]) -> None:
    one = mandate(plan(wave("pilot", *(f"tenant-{name}" for name in tenants))))
    assert list(one.tenants) == sorted(one.tenants)
    assert len(one.tenants) == len(tenants)
    assert "tenant-" not in str(one.content)


def test_it_comes_back_as_it_was() -> None:
    assert Mandate.read(mandate().fact()) == mandate()
    assert Mandate.read(mandate().fact()).digest == mandate().digest


@pytest.mark.parametrize(
    "other", [{"release": "r2"}, {"ends": AT}, {"tenants": ("sha256:x",)}, {"parts": {**PARTS, "flags": "x"}}]
)
def test_every_part_of_it_is_signed(other: dict[str, Any]) -> None:
    whole = mandate()
    fields = {name: getattr(whole, name) for name in ("release", "parts", "tenants", "ends", "planned")}
    assert Mandate(**{**fields, **other}).digest != whole.digest
