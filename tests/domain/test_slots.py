"""Slots for tenants: hand-made cases, and properties against sets of seconds counted one by one."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stationmaster.domain.slots import (
    DAY,
    Candidate,
    Limits,
    Slotted,
    SlotWave,
    Unplaced,
    common_slot,
    lay_out,
    ring_order,
)
from stationmaster.domain.spans import Spans

HOUR = 3600


def tenant(name: str, *pairs: tuple[float, float], ring: str = "general", not_before: int = 0) -> Candidate:
    """Spans in hours."""
    spans = Spans.of((int(start * HOUR), int(end * HOUR)) for start, end in pairs)
    return Candidate(name, ring, spans, not_before * HOUR, lambda at: (f"{name}.yaml#closed at {at // HOUR}",))


def planned(*candidates: Candidate, **limits: object) -> Slotted:
    given_limits = replace(Limits(duration=HOUR), **limits)  # type: ignore[arg-type] # each test names real fields
    return lay_out(candidates, ring_order(one.ring for one in candidates), given_limits, 0, 30 * DAY)


def in_hours(made: Slotted) -> list[tuple[str, float, tuple[str, ...]]]:
    return [(wave.ring, wave.start / HOUR, wave.tenants) for wave in made.waves]


def test_a_tenant_starts_as_soon_as_its_window_opens() -> None:
    made = planned(tenant("acme", (5, 9)))
    assert made.waves == (SlotWave("general", 5 * HOUR, 6 * HOUR, ("acme",)),)
    assert made.unplaced == ()


def test_a_window_that_just_fits_is_used_and_one_that_is_a_second_short_is_not() -> None:
    just = Candidate("just", "general", Spans.of([(10, 10 + HOUR)]))
    short = Candidate("short", "general", Spans.of([(10, 9 + HOUR)]))
    made = planned(just, short)
    assert [wave.tenants for wave in made.waves] == [("just",)]
    assert made.unplaced == (Unplaced("short", ("horizon",)),)


def test_starts_are_merged_when_nobody_waits_longer_than_gather() -> None:
    a, b = tenant("a", (0, 4), (24, 28)), tenant("b", (25, 30))
    assert in_hours(planned(a, b)) == [("general", 0, ("a",)), ("general", 25, ("b",))]
    a, b = tenant("a", (0, 4), (23, 26)), tenant("b", (23, 30))
    assert in_hours(planned(a, b)) == [("general", 23, ("a", "b"))]
    assert in_hours(planned(a, b, gather=22 * HOUR)) == [("general", 0, ("a",)), ("general", 23, ("b",))]


def test_of_moments_that_suit_as_many_the_earliest_is_taken() -> None:
    assert in_hours(planned(tenant("a", (2, 20)), tenant("b", (3, 20)))) == [("general", 3, ("a", "b"))]


def test_a_ring_starts_when_the_one_before_has_ended_and_soaked() -> None:
    every = [tenant(ring, (0, 500), ring=ring) for ring in ("pilot", "early", "general", "zeta", "alpha")]
    assert in_hours(planned(*every, soak={"pilot": DAY, "general": HOUR})) == [
        ("pilot", 0, ("pilot",)),
        ("early", 25, ("early",)),
        ("general", 26, ("general",)),
        ("alpha", 28, ("alpha",)),
        ("zeta", 29, ("zeta",)),
    ]


def test_a_ring_in_which_nobody_finds_a_slot_holds_nobody_up_and_does_not_soak() -> None:
    made = planned(tenant("p", ring="pilot"), tenant("g", (0, 9)), soak={"pilot": DAY})
    assert in_hours(made) == [("general", 0, ("g",))]
    assert made.unplaced == (Unplaced("p", ("p.yaml#closed at 0",)),)


@pytest.mark.parametrize(
    ("candidate", "limits", "rules"),
    [
        (tenant("x"), {}, ("x.yaml#closed at 2",)),
        (tenant("x", (0, 2)), {}, ("x.yaml#closed at 2",)),
        (tenant("x", (0, 20), not_before=20), {}, ("notice",)),
        (tenant("x", (5, 20)), {"support": Spans.of([(0, 5 * HOUR)])}, ("support",)),
        (tenant("x", (2, 3)), {"per_wave": 1}, ("capacity",)),
        (tenant("x", (2, 20)), {"per_day": 2}, ("capacity",)),
        (tenant("x", (2, 20)), {"soak": {"pilot": 40 * DAY}}, ("horizon",)),
    ],
)
def test_who_has_no_slot_is_told_what_keeps_him_out(
    candidate: Candidate, limits: dict[str, object], rules: tuple[str, ...]
) -> None:
    """Ring general is ready in the second hour and `first` comes before `x`."""
    pilots = [tenant(name, (0, 2), ring="pilot") for name in ("p1", "p2")]
    pilots[1] = tenant("p2", (1, 2), ring="pilot")
    made = planned(*pilots, tenant("first", (2, 4)), candidate, gather=0, **limits)
    assert made.unplaced[-1] == Unplaced("x", rules)


def test_over_capacity_the_longest_waiting_go_first_and_then_by_id() -> None:
    night = [(0, 4), (24, 28)]
    every = [tenant(name, *night, not_before=1) for name in ("d", "c", "b", "a")] + [tenant("z", *night)]
    made = planned(*every, per_wave=2)
    assert in_hours(made) == [("general", 1, ("a", "z")), ("general", 2, ("b", "c")), ("general", 3, ("d",))]


def test_waves_overlap_unless_one_at_a_time_is_wanted() -> None:
    a, b = tenant("a", (0, 1)), tenant("b", (0.5, 1.75))
    assert in_hours(planned(a, b)) == [("general", 0, ("a",)), ("general", 0.5, ("b",))]
    late = planned(a, b, one_at_a_time=True)
    assert (in_hours(late), late.unplaced) == ([("general", 0, ("a",))], (Unplaced("b", ("capacity",)),))


def test_tenants_per_day_are_counted_over_rings_and_on_the_day_of_the_start() -> None:
    every = [tenant("p", (0, 99), ring="pilot"), *(tenant(name, (0, 99)) for name in "abcd")]
    made = planned(*every, per_day=2)
    assert in_hours(made) == [
        ("pilot", 0, ("p",)),
        ("general", 1, ("a",)),
        ("general", 24, ("b", "c")),
        ("general", 48, ("d",)),
    ]
    local = planned(*every, per_day=2, days=(-14 * HOUR, 10 * HOUR, 34 * HOUR))
    assert [start for _, start, _ in in_hours(local)] == [0, 1, 10, 34]


def test_a_start_window_of_30_minutes_with_hundreds_of_tenants_loses_nobody() -> None:
    """Published orchestrators look at such a window once, take whom they can start in it, and drop the others."""
    nights = Spans.of((day * DAY + 22 * HOUR, day * DAY + 22 * HOUR + 75 * 60) for day in range(30))
    every = [Candidate(f"t-{number:03}", "general", nights) for number in range(400)]
    made = lay_out(every, ["general"], Limits(45 * 60, per_wave=50), 0, 30 * DAY)
    assert [wave.start for wave in made.waves] == [day * DAY + 22 * HOUR for day in range(8)]
    assert [name for wave in made.waves for name in wave.tenants] == [one.tenant for one in every]
    assert len(lay_out(every, ["general"], Limits(45 * 60), 0, 30 * DAY).waves) == 1


def test_wrong_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown rings: general"):
        lay_out([tenant("a", (0, 9))], ["pilot"], Limits(HOUR), 0, DAY)
    with pytest.raises(ValueError, match="more than no time"):
        lay_out([], [], Limits(0), 0, DAY)


def test_nobody_to_reach_is_a_plan_too() -> None:
    made = planned()
    assert made.content() == {"waves": [], "unplaced": []}


def test_the_digest_says_who_starts_when_and_not_how_files_were_typed() -> None:
    a, b = planned(tenant("a", (0, 9)), tenant("x")), planned(tenant("a", (0, 9)), replace(tenant("x"), rules=str_of))
    assert a.digest == b.digest
    assert a.digest.startswith("sha256:")
    assert a.digest != planned(tenant("a", (1, 9)), tenant("x")).digest
    assert a.digest != planned(tenant("a", (0, 9)), tenant("y")).digest


def str_of(at: int) -> tuple[str, ...]:
    return (str(at),)


def test_a_common_slot_is_the_earliest_that_suits_everybody() -> None:
    found = common_slot([tenant("a", (0, 4), (9, 20)), tenant("b", (3, 12))], HOUR, 0, DAY)
    assert (found.start, found.left) == (3 * HOUR, ())


def test_without_a_common_slot_it_is_said_who_is_left_and_why() -> None:
    same = tenant("b", (6, 8))
    every = [tenant("a", (0, 4)), same, replace(same, tenant="c"), tenant("d", (5, 7)), tenant("e", (6, 6))]
    found = common_slot(every, 2 * HOUR, 0, DAY)
    assert found.start == 6 * HOUR
    assert found.why(0) == (
        Unplaced("a", ("a.yaml#closed at 6",)),
        Unplaced("d", ("d.yaml#closed at 7",)),
        Unplaced("e", ("e.yaml#closed at 6",)),
    )
    nobody = common_slot(every[-1:], HOUR, 4 * HOUR, DAY)
    assert (nobody.start, nobody.why(4 * HOUR)) == (None, (Unplaced("e", ("e.yaml#closed at 4",)),))


# --- properties: times are small numbers, and every second is looked at -----------------------------------------------

END, LONG = 120, 7
DAYS = (0, 24, 48, 72, 96)


@dataclass(frozen=True)
class Case:
    candidates: tuple[Candidate, ...]
    limits: Limits


spans = st.lists(st.tuples(st.integers(0, END), st.integers(1, 30)), max_size=5).map(
    lambda pairs: Spans.of((start, start + long) for start, long in pairs)
)
rings = st.sampled_from(["pilot", "early", "general"])
limited = st.builds(
    Limits,
    duration=st.integers(1, 9),
    soak=st.dictionaries(rings, st.integers(0, 15)),
    gather=st.integers(0, 30),
    per_wave=st.none() | st.integers(1, 4),
    per_day=st.none() | st.integers(1, 4),
    one_at_a_time=st.booleans(),
    support=st.none() | spans,
    days=st.just(DAYS),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shared = draw(st.lists(spans, min_size=1, max_size=4))
    count = draw(st.integers(0, 12))
    return Case(
        tuple(
            Candidate(f"t{number:02}", draw(rings), draw(st.sampled_from(shared)), draw(st.integers(0, 40)))
            for number in range(count)
        ),
        draw(limited),
    )


def lay(case: Case) -> Slotted:
    return lay_out(case.candidates, ("pilot", "early", "general"), case.limits, 0, END)


def starts(one: Candidate, limits: Limits, ready: int) -> list[int]:
    """Every second at which the tenant might start, were it alone."""
    both = [set(covered(spans.pairs())) for spans in (one.opening, limits.support) if spans is not None]
    free = set(range(END)).intersection(*both)
    return [
        at
        for at in range(max(ready, one.not_before), END - limits.duration + 1)
        if free.issuperset(range(at, at + limits.duration))
    ]


def covered(pairs: Sequence[tuple[int, int]]) -> set[int]:
    return {at for start, end in pairs for at in range(start, end)}


def ready_at(made: Slotted, limits: Limits) -> dict[str, int]:
    """When each ring is ready, as the waves before it say."""
    ready, found = 0, {}
    for ring in ("pilot", "early", "general"):
        found[ring] = ready
        ends = [wave.end for wave in made.waves if wave.ring == ring]
        ready = max(ends) + limits.soak.get(ring, 0) if ends else ready
    return found


def of(case: Case, name: str) -> Candidate:
    return next(one for one in case.candidates if one.tenant == name)


@given(cases())
@settings(max_examples=100, deadline=None)
def test_everybody_is_placed_once_at_a_slot_of_his_own_or_has_none(case: Case) -> None:
    made = lay(case)
    ready = ready_at(made, case.limits)
    names = [name for wave in made.waves for name in wave.tenants] + [one.tenant for one in made.unplaced]
    assert sorted(names) == sorted(one.tenant for one in case.candidates)
    for wave in made.waves:
        assert wave.end - wave.start == case.limits.duration
        assert list(wave.tenants) == sorted(wave.tenants)
        for name in wave.tenants:
            assert of(case, name).ring == wave.ring
            assert wave.start in starts(of(case, name), case.limits, ready[wave.ring])


@given(cases())
@settings(max_examples=100, deadline=None)
def test_waves_are_in_time_and_within_the_capacity(case: Case) -> None:
    made, limits = lay(case), case.limits
    for before, after in pairwise(made.waves):
        assert before.start < after.start
        assert not one_at_a_time(limits) or before.end <= after.start
    for wave in made.waves:
        assert limits.per_wave is None or len(wave.tenants) <= limits.per_wave
    days = Counter[int]()
    for wave in made.waves:
        days[wave.start // 24] += len(wave.tenants)
    assert limits.per_day is None or max(days.values(), default=0) <= limits.per_day


@given(cases())
@settings(max_examples=100, deadline=None)
def test_who_is_left_out_really_has_no_slot_unless_the_room_was_taken(case: Case) -> None:
    made = lay(case)
    ready = ready_at(made, case.limits)
    for one in made.unplaced:
        candidate = of(case, one.tenant)
        alone = starts(candidate, case.limits, ready[candidate.ring])
        assert bool(alone) == (one.rules == ("capacity",))
        if one.rules == ("notice",):
            assert starts(replace(candidate, not_before=0), case.limits, ready[candidate.ring])
        if alone:
            assert all(full(case, made, at, candidate) for at in alone)


def one_at_a_time(limits: Limits) -> bool:
    return limits.one_at_a_time or limits.per_wave is not None


def full(case: Case, made: Slotted, at: int, candidate: Candidate) -> bool:
    """Whether a start at that second would break the capacity, or come between others of the same ring."""
    day = sum(len(wave.tenants) for wave in made.waves if wave.start // 24 == at // 24)
    meets = any(abs(wave.start - at) < case.limits.duration for wave in made.waves)
    busy = one_at_a_time(case.limits) and meets
    return busy or (case.limits.per_day is not None and day >= case.limits.per_day)


@given(cases())
@settings(max_examples=100, deadline=None)
def test_without_a_capacity_nobody_waits_longer_than_gather(case: Case) -> None:
    case = replace(case, limits=replace(case.limits, per_wave=None, per_day=None, one_at_a_time=False))
    made = lay(case)
    ready = ready_at(made, case.limits)
    for wave in made.waves:
        for name in wave.tenants:
            assert wave.start - starts(of(case, name), case.limits, ready[wave.ring])[0] <= case.limits.gather


@given(cases())
@settings(max_examples=100, deadline=None)
def test_nobody_lets_a_wave_of_his_ring_pass_that_suits_him_and_has_room(case: Case) -> None:
    made, limits = lay(case), case.limits
    ready = ready_at(made, limits)
    taken = Counter[int]()
    for index, wave in enumerate(made.waves):
        taken[wave.start // 24] += len(wave.tenants)
        waves_room = limits.per_wave is None or len(wave.tenants) < limits.per_wave
        if waves_room and (limits.per_day is None or taken[wave.start // 24] < limits.per_day):
            later = [name for after in made.waves[index + 1 :] if after.ring == wave.ring for name in after.tenants]
            for name in later:
                assert wave.start not in starts(of(case, name), limits, ready[wave.ring])
        else:  # who was taken has waited at least as long as whoever it also suited
            own = {one.tenant: starts(one, limits, ready[one.ring]) for one in case.candidates if one.ring == wave.ring}
            last = max((own[name][0], name) for name in wave.tenants)
            for after in made.waves[index + 1 :]:
                suited = [name for name in after.tenants if wave.start in own.get(name, [])]
                assert all(last < (own[name][0], name) for name in suited)


@given(cases())
@settings(max_examples=100, deadline=None)
def test_there_are_no_more_waves_than_needed_where_each_has_one_stretch_to_start_in(case: Case) -> None:
    one_ring = tuple(replace(one, ring="general", opening=Spans.of(one.opening.pairs()[:1])) for one in case.candidates)
    limits = replace(case.limits, per_wave=None, per_day=None, one_at_a_time=False, support=None)
    made = lay_out(one_ring, ["general"], limits, 0, END)
    stretches = [every for one in one_ring if (every := starts(one, limits, 0))]
    last = sorted((min(every[-1], every[0] + limits.gather), every[0]) for every in stretches)
    needed, met = 0, -1
    for end, begin in last:  # the textbook's stabbing of intervals
        if begin > met:
            needed, met = needed + 1, end
    assert len(made.waves) == needed


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_same_tenants_in_any_order_give_the_same_digest(case: Case, shuffled: random.Random) -> None:
    other = list(case.candidates)
    shuffled.shuffle(other)
    assert lay(replace(case, candidates=tuple(other))) == lay(case)
    assert lay(replace(case, candidates=tuple(other))).digest == lay(case).digest


@given(st.lists(spans, min_size=1, max_size=6), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_a_common_slot_suits_as_many_as_any_second_does(openings: list[Spans], after: int) -> None:
    every = [Candidate(f"t{number}", "general", spans) for number, spans in enumerate(openings)]
    found = common_slot(every, LONG, after, END)
    suited = Counter(at for one in every for at in starts(one, Limits(LONG), after))
    assert len(every) - len(found.left) == max(suited.values(), default=0)
    assert found.start == min((at for at in suited if suited[at] == max(suited.values())), default=None)


def test_ten_times_the_tenants_cost_little_more_than_ten_times_the_time() -> None:
    """n log n would give 12; n² would give 100. The same nights, so that the waves are as many."""
    nights = [
        Spans.of((day * DAY + hour * HOUR, day * DAY + (hour + 4) * HOUR) for day in range(90)) for hour in (2, 9)
    ]

    def seconds(count: int) -> float:
        every = [Candidate(f"t-{number:06}", "general", nights[number % 2]) for number in range(count)]
        began = time.perf_counter()
        lay_out(every, ["general"], Limits(HOUR), 0, 90 * DAY)
        return time.perf_counter() - began

    ratio = min(seconds(20_000) for _ in range(3)) / min(seconds(2_000) for _ in range(3))
    assert ratio < 30
