"""Spans against sets of whole seconds: every operation says what the set says."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.spans import Spans, intersection, union

SECONDS = range(-5, 66)
pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)
spans = pairs.map(Spans.of)
instants = st.integers(-5, 65)


def seconds(of: Spans) -> set[int]:
    return {second for start, end in of.pairs() for second in range(start, end)}


def normal(of: Spans) -> bool:
    """Sorted, disjoint, never touching, none empty, and in 64 bits."""
    bounds = [bound for pair in of.pairs() for bound in pair]
    kinds = {of.starts.dtype, of.ends.dtype} == {np.dtype(np.int64)}
    return kinds and all(one < other for one, other in pairwise(bounds))


@given(pairs)
def test_of_any_pairs_it_is_their_union(given: list[tuple[int, int]]) -> None:
    made = Spans.of(given)
    assert normal(made)
    assert seconds(made) == {second for start, end in given for second in range(start, end)}


@given(spans, spans)
def test_union_intersection_and_difference_are_those_of_sets(one: Spans, other: Spans) -> None:
    for made, expected in (
        (one | other, seconds(one) | seconds(other)),
        (one & other, seconds(one) & seconds(other)),
        (one - other, seconds(one) - seconds(other)),
    ):
        assert normal(made)
        assert seconds(made) == expected


@given(st.lists(spans, max_size=4))
def test_many_at_once_are_as_one_after_the_other(many: list[Spans]) -> None:
    assert union(many) == reduce(Spans.__or__, many, Spans.nothing())
    if many:
        assert intersection(many) == reduce(Spans.__and__, many)


@given(spans, instants, instants)
def test_cut_and_complement(one: Spans, begin: int, end: int) -> None:
    assert normal(one.within(begin, end))
    assert normal(one.gaps(begin, end))
    assert seconds(one.within(begin, end)) == seconds(one) & set(range(begin, end))
    assert seconds(one.gaps(begin, end)) == set(range(begin, end)) - seconds(one)


@given(spans, instants)
def test_the_start_is_inside_and_the_end_is_not(one: Spans, instant: int) -> None:
    assert one.at(instant) == (instant in seconds(one))


@given(spans, instants)
def test_the_next_change_is_the_first_second_that_differs_from_the_one_before(one: Spans, after: int) -> None:
    inside = seconds(one)
    differing = [second for second in SECONDS if second > after and (second in inside) != (second - 1 in inside)]
    assert one.next_change(after) == (differing[0] if differing else None)


@given(spans, st.integers(1, 20), instants)
def test_the_first_fit_is_the_first_start_from_where_every_second_is_inside(
    one: Spans, length: int, after: int
) -> None:
    inside = seconds(one)
    fits = [start for start in SECONDS if start >= after and inside >= set(range(start, start + length))]
    assert one.first_fit(length, after) == (fits[0] if fits else None)


@given(spans, spans)
def test_equal_when_they_say_the_same(one: Spans, other: Spans) -> None:
    assert (one == other) == (seconds(one) == seconds(other))
    assert one == Spans.of(reversed(one.pairs()))
    assert hash(one) == hash(Spans.of(one.pairs()))
    assert one != one.pairs()
    assert len(one) == len(one.pairs())


def test_of_no_spans_there_is_a_union_and_no_intersection() -> None:
    assert union([]) == Spans.nothing()
    with pytest.raises(ValueError, match="all time"):
        intersection([])


def test_what_touches_is_one() -> None:
    assert Spans.of([(5, 9), (1, 5), (9, 9), (20, 3)]).pairs() == [(1, 9)]
    assert (Spans.of([(1, 5)]) & Spans.of([(5, 9)])).pairs() == []
