"""What is aboard a train."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stationmaster.domain.boarding import Merged, board, taken_back

CUT_OFF = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ONE, TWO = "1" * 40, "2" * 40


def merged(commit: str, *reverts: str, minutes: int = -60, **more: Any) -> Merged:
    """A change, merged so many minutes after the cut-off."""
    return Merged(commit, CUT_OFF + timedelta(minutes=minutes), frozenset(reverts), **more)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (f'Revert "faster"\n\nThis reverts commit {ONE}.\n', {ONE}),
        (f'Revert "faster"\n\nThis reverts commit {ONE}, reversing\nchanges made to {TWO}.', {ONE}),
        (f"Two\n\nThis reverts commit {ONE}.\nThis reverts commit {TWO}.", {ONE, TWO}),
        ('Revert "faster" (#12)\n\nReverts shop/orderdesk#11', {"#11"}),
        ('Revert "faster"\n\nReverts #11', {"#11"}),
        ("Revert \"Merge branch 'faster' into 'main'\"\n\nThis reverts merge request !11", {"#11"}),
        ('Revert "faster"', set()),
        (f"Mentions that it reverts commit {ONE}", set()),
        ("Reverts the colour of 12 buttons", set()),
        ("This reverts commit 1111111", set()),  # a short id may come to mean another commit
    ],
)
def test_a_revert_is_known_by_the_words_that_tools_write(message: str, found: set[str]) -> None:
    assert taken_back(message) == found


def test_what_is_merged_up_to_the_cut_off_is_aboard() -> None:
    found = board([merged("a", minutes=-60), merged("b", minutes=0), merged("c", minutes=1)], CUT_OFF)
    assert (found.aboard, found.late, found.empty) == (("a", "b"), ("c",), False)


def test_taking_something_off_is_a_revert() -> None:
    found = board([merged("a"), merged("b"), merged("r", "a")], CUT_OFF)
    assert (found.aboard, found.removed) == (("b",), ("a", "r"))


def test_a_revert_after_the_cut_off_takes_nothing_off() -> None:
    found = board([merged("a"), merged("r", "a", minutes=5)], CUT_OFF)
    assert (found.aboard, found.late) == (("a",), ("r",))


def test_a_train_of_a_change_and_its_revert_is_empty() -> None:
    assert board([merged("a"), merged("r", "a")], CUT_OFF).empty
    assert board([], CUT_OFF).empty
    assert board([merged("a", minutes=1)], CUT_OFF).empty


def test_a_revert_of_what_runs_is_a_change_like_any_other() -> None:
    found = board([merged("r", "runs")], CUT_OFF)
    assert (found.aboard, found.removed) == (("r",), ())


def test_a_revert_of_something_aboard_and_something_that_runs_is_still_aboard() -> None:
    found = board([merged("a"), merged("r", "a", "runs")], CUT_OFF)
    assert (found.aboard, found.removed) == (("r",), ("a",))


def test_a_change_whose_revert_is_reverted_is_aboard_again() -> None:
    found = board([merged("a"), merged("r", "a"), merged("rr", "r")], CUT_OFF)
    assert (found.aboard, found.removed) == (("a",), ("r", "rr"))
    thrice = board([merged("a"), merged("r", "a"), merged("rr", "r"), merged("rrr", "rr")], CUT_OFF)
    assert thrice.empty


def test_what_is_merged_again_after_its_revert_is_aboard() -> None:
    found = board([merged("a"), merged("r", "a"), merged("again")], CUT_OFF)
    assert found.aboard == ("again",)


@pytest.mark.parametrize(
    ("reverts", "off"),
    [({"m"}, True), ({"#7"}, True), ({"c1", "c2"}, True), ({"c1"}, False), ({"#8"}, False)],
    ids=["m", "#7", "c1 and c2", "c1", "#8"],
)
def test_a_request_is_off_when_all_of_it_is_reverted(reverts: set[str], off: bool) -> None:  # noqa: FBT001 - a table
    request = merged("m", number=7, brought=frozenset({"c1", "c2"}))
    found = board([request, merged("r", *reverts)], CUT_OFF)
    assert ("m" in found.removed) == off
    assert ("m" in found.aboard) != off


def test_a_request_that_reverts_and_brings_more_stays_aboard() -> None:
    mixed = merged("r", "a", brought=frozenset({"revert", "more"}))
    assert board([merged("a"), mixed], CUT_OFF).aboard == ("r",)
    plain = merged("r", "a", brought=frozenset({"revert"}))
    assert board([merged("a"), plain], CUT_OFF).empty


def test_what_is_on_hold_is_not_aboard_unless_it_was_reverted() -> None:
    request = merged("m", brought=frozenset({"c1"}))
    found = board([merged("a"), request, merged("b")], CUT_OFF, on_hold={"c1", "b"})
    assert (found.aboard, found.on_hold) == (("a",), ("m", "b"))
    assert board([request], CUT_OFF, on_hold={"c1"}).empty
    reverted = board([request, merged("r", "m")], CUT_OFF, on_hold={"c1"})
    assert (reverted.on_hold, reverted.removed) == ((), ("m", "r"))


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(-3, 3), st.none() | st.integers(0, 9)), max_size=10), st.sets(st.integers(0, 9)))
def test_each_change_is_in_one_place_and_only_reverts_remove(
    drawn: list[tuple[int, int | None]], held: set[int]
) -> None:
    changes = [
        merged(str(place), *([str(target)] if target is not None and target < place else []), minutes=minutes)
        for place, (minutes, target) in enumerate(drawn)
    ]
    found = board(changes, CUT_OFF, on_hold={str(one) for one in held})
    places = (found.aboard, found.removed, found.on_hold, found.late)
    assert sorted(commit for place in places for commit in place) == sorted(change.commit for change in changes)
    assert set(found.late) == {change.commit for change in changes if change.at > CUT_OFF}
    targets = {name for change in changes if change.at <= CUT_OFF for name in change.reverts}
    reverts = {change.commit for change in changes if change.reverts}
    assert set(found.removed) <= targets | reverts
    assert set(found.on_hold) <= {str(one) for one in held}
    assert not set(found.aboard) & {str(one) for one in held}
