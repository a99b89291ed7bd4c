"""Which order is in force, and what it means that changes are on hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.orders import ORDERS, in_force, on_hold
from tests.entries import story


@pytest.mark.parametrize(
    ("told", "order"),
    [
        ("", None),
        ("paused", "pause"),
        ("paused resumed", None),
        ("paused resumed paused", "pause"),
        ("aborted", "abort"),
        ("aborted paused resumed", "abort"),
        ("paused aborted", "abort"),
        ("rollback", "rollback"),
        ("paused rollback", "rollback"),
        ("rollback aborted", "rollback"),
        ("aborted rollback", "rollback"),
        ("aborted rollback restored", "abort"),
        ("rollback restored", None),
        ("rollback contained", None),
        ("rollback contained rollback", "rollback"),
        ("paused rollback contained", "pause"),
        ("rollback restored lifted rollback", "rollback"),
        ("rollback lifted", None),
    ],
)
def test_the_strongest_order_that_nothing_ended(told: str, order: str | None) -> None:
    assert in_force(story("started", *told.split())) == order


@pytest.mark.parametrize(
    ("told", "held"),
    [("", False), ("rollback", True), ("rollback restored", True), ("rollback contained lifted", False),
     ("rollback restored lifted rollback contained", True), ("aborted", False)],
)  # fmt: skip
def test_what_was_rolled_back_is_on_hold_until_somebody_lifts_it(told: str, held: bool) -> None:  # noqa: FBT001 - a table
    assert on_hold(story("started", *told.split())) is held


def test_an_order_is_about_the_release_and_never_about_a_tenant_of_the_same_name() -> None:
    assert in_force(story("started", ("aborted", "acme"), ("paused", "acme"), ("rollback", "acme"))) is None


@given(st.lists(st.sampled_from(sorted(ORDERS))))
def test_an_abort_stays_and_only_a_rollback_comes_before_it(told: list[str]) -> None:
    order = in_force(story(*told))
    assert ("aborted" in told) == (order == "abort") or order == "rollback"
    assert order is None or {"pause": "paused", "abort": "aborted", "rollback": "rollback"}[order] in told
