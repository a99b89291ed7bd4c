"""Verdicts of a wave: what rolls back, what only holds, and what may be promoted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.canary import JourneyResult, Verdict, judge
from stationmaster.domain.product import HardLimit
from stationmaster.domain.signals import Counts, Status
from stationmaster.domain.ticks import Tick

START = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = HardLimit(max_bad=0.05, min_count=20)
PASSED = JourneyResult("log-in", "acme", passed=1, old="passed")


def series(*pairs: tuple[Counts, Counts] | Status, seconds: float = 10) -> list[Tick]:
    ticks = []
    for number, pair in enumerate(pairs):
        at = START + timedelta(seconds=seconds * (number + 1))
        if isinstance(pair, str):
            ticks.append(Tick(at, seconds, pair))
        else:
            ticks.append(Tick(at, seconds, "OK", {"acme": pair[0]}, {"bolt": pair[1]}))
    return ticks


def said(
    ticks: Sequence[Tick], journeys: Sequence[JourneyResult] = (PASSED,), *, deadline: bool = False
) -> tuple[str, str | None]:
    verdict = judge(LIMIT, ticks, journeys, deadline=deadline)
    return verdict.verdict, verdict.cause


GOOD = (Counts(100, 0), Counts(300, 0))
BAD = (Counts(100, 10), Counts(300, 0))
BOTH_BAD = (Counts(100, 10), Counts(300, 60))


def test_before_the_deadline_a_healthy_wave_is_watched_on() -> None:
    assert said(series(GOOD)) == ("inconclusive", None)


def test_at_the_deadline_a_healthy_wave_is_promoted() -> None:
    assert said(series(GOOD, GOOD), deadline=True) == ("promote", None)


def test_over_the_limit_with_a_healthy_old_version_rolls_back_at_the_tick_that_crossed() -> None:
    verdict = judge(LIMIT, series(GOOD, BAD, BAD, GOOD), [PASSED], deadline=False)
    assert (verdict.verdict, verdict.cause) == ("rollback", "breach")
    assert verdict.decided_at == START + timedelta(seconds=30)
    assert (verdict.new, verdict.old) == (Counts(300, 20), Counts(600, 0))
    assert "20 of 300 requests (6.7%)" in verdict.reason


def test_exactly_at_the_limit_is_not_over_it() -> None:
    assert said(series((Counts(100, 5), Counts(100, 0))), deadline=True) == ("promote", None)


def test_below_the_minimum_count_nothing_is_decided() -> None:
    assert said(series((Counts(19, 19), Counts(300, 0)))) == ("inconclusive", None)
    assert said(series((Counts(20, 20), Counts(300, 0)))) == ("rollback", "breach")


def test_a_rollback_stays_decided_when_good_requests_follow() -> None:
    assert said(series(BAD, *[GOOD] * 50), deadline=True) == ("rollback", "breach")


def test_an_incident_of_both_versions_holds() -> None:
    assert said(series(GOOD, BOTH_BAD, BOTH_BAD)) == ("hold", "shared_incident")


def test_a_shared_incident_is_not_diluted_by_the_quiet_time_before() -> None:
    quiet = (Counts(10, 0), Counts(1000, 0))
    assert said(series(*[quiet] * 100, *[BOTH_BAD] * 20)) == ("hold", "shared_incident")


def test_after_a_shared_incident_a_new_version_that_stays_bad_is_rolled_back() -> None:
    assert said(series(BOTH_BAD, *[BAD] * 20)) == ("rollback", "breach")


def test_without_an_old_version_to_compare_its_journeys_answer() -> None:
    alone = series((Counts(100, 50), Counts(3, 0)))
    assert said(alone, [PASSED]) == ("rollback", "no_control")
    assert said(alone, [JourneyResult("log-in", "acme", passed=1, old="failed")]) == ("hold", "shared_incident")
    assert said(alone, [JourneyResult("log-in", "acme", passed=1)]) == ("hold", "no_control")


def test_a_journey_that_fails_three_times_rolls_back_only_if_the_old_version_passes_it() -> None:
    assert said([], [JourneyResult("order", "acme", failed=3, old="passed")]) == ("rollback", "breach")
    assert said([], [JourneyResult("order", "acme", failed=3, old="failed")]) == ("hold", "shared_incident")
    assert said([], [JourneyResult("order", "acme", failed=3)]) == ("hold", "no_control")


def test_two_failures_or_a_pass_in_between_do_not_roll_back() -> None:
    assert said([], [JourneyResult("order", "acme", failed=2, old="passed")]) == ("inconclusive", None)
    assert said([], [JourneyResult("order", "acme", failed=3, passed=1, old="passed")]) == ("inconclusive", None)


def test_a_journey_failing_at_the_deadline_holds() -> None:
    failing = JourneyResult("order", "acme", failed=1, old="passed")
    assert said(series(GOOD), [PASSED, failing], deadline=True) == ("hold", "undecided")


def test_one_broken_journey_among_shared_failures_still_rolls_back() -> None:
    shared = JourneyResult("a", "acme", failed=3, old="failed")
    broken = JourneyResult("b", "acme", failed=3, old="passed")
    assert said([], [shared, broken]) == ("rollback", "breach")


def test_without_requests_passed_journeys_are_enough() -> None:
    assert said(series("NO_TRAFFIC", "NO_TRAFFIC"), deadline=True) == ("promote", None)


def test_without_journeys_nothing_is_promoted() -> None:
    assert said(series(GOOD), [], deadline=True) == ("inconclusive", None)
    assert said([], [], deadline=True) == ("inconclusive", None)
    assert said(series(GOOD), [PASSED, JourneyResult("order", "acme")], deadline=True) == ("inconclusive", None)


def test_five_minutes_without_metrics_hold_and_the_next_good_tick_lifts_it() -> None:
    dark: list[Status] = ["PROVIDER_ERROR"] * 30
    assert said(series(GOOD, *dark[:29])) == ("inconclusive", None)
    assert said(series(GOOD, *dark)) == ("hold", "blind")
    assert said(series(GOOD, *dark, GOOD)) == ("inconclusive", None)


def test_nothing_is_promoted_while_the_metrics_are_away() -> None:
    assert said(series("SERIES_ABSENT"), deadline=True) == ("hold", "blind")
    assert said(series(GOOD, "PARTIAL"), deadline=True) == ("hold", "blind")


def test_a_breach_seen_before_the_metrics_went_away_still_rolls_back() -> None:
    assert said(series(BAD, "PROVIDER_ERROR"), deadline=True) == ("rollback", "breach")


def test_what_a_frozen_tick_carries_is_not_counted() -> None:
    liar = Tick(START, 10, "PARTIAL", {"acme": Counts(100, 100)}, {"bolt": Counts(300, 0)})
    assert said([liar]) == ("inconclusive", None)


def test_the_fact_is_plain_data() -> None:
    assert judge(LIMIT, series(BAD), [], deadline=False).fact() == {
        "verdict": "rollback",
        "cause": "breach",
        "reason": "10 of 100 requests (10.0%) were bad on the new version, over the limit of 5.0%; "
        "the old version was healthy, 0 of 300 requests (0.0%) in the same ticks",
        "counts": {"new": {"total": 100, "bad": 10}, "old": {"total": 300, "bad": 0}},
        "decided_at": "2026-01-01T00:00:10Z",
        "decided_ms": 1767225610000,
        "broken_for": ["acme"],
    }


def test_a_rollback_names_those_for_whom_the_new_version_is_bad() -> None:
    bad = Tick(START, 10, "OK", {"acme": Counts(60, 0), "bolt": Counts(40, 20)}, {"corn": Counts(100, 0)})
    assert judge(LIMIT, [bad], [], deadline=False).broken_for == ("bolt",)
    broken = JourneyResult("order", "acme", failed=3, old="passed")
    good = Tick(START, 10, "OK", {"acme": Counts(60, 0)}, {"corn": Counts(100, 0)})
    assert judge(LIMIT, [good], [broken], deadline=False).broken_for == ("acme",)


def test_what_came_after_the_decision_does_not_clear_anybody() -> None:
    later = [Tick(START + timedelta(seconds=n), 10, "OK", {"acme": Counts(900, 0)}, {}) for n in range(20, 60, 10)]
    assert judge(LIMIT, [*series(BAD), *later], [], deadline=False).broken_for == ("acme",)


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    total = draw(st.integers(0, 200))
    return Counts(total, draw(st.integers(0, total)))


TENANTS = st.dictionaries(st.sampled_from("abcdef"), counts(), max_size=6)
STATUSES = st.sampled_from(["OK", "NO_TRAFFIC", "SERIES_ABSENT", "PROVIDER_ERROR", "PARTIAL"])
TICKS = st.lists(st.builds(Tick, st.just(START), st.floats(1, 120), STATUSES, TENANTS, TENANTS), max_size=12)
JOURNEYS = st.lists(
    st.builds(
        JourneyResult,
        st.sampled_from(["log-in", "order"]),
        st.sampled_from("abc"),
        st.integers(0, 2),
        st.integers(0, 4),
        st.sampled_from(["passed", "failed", "not_run"]),
    ),
    max_size=5,
)


def frozen(ticks: list[Tick]) -> list[Tick]:
    return [Tick(tick.at, tick.seconds, "PROVIDER_ERROR", tick.new, tick.old) for tick in ticks]


@given(TICKS, TICKS, st.booleans())
def test_an_outage_of_the_metrics_never_rolls_back(before: list[Tick], outage: list[Tick], deadline: bool) -> None:  # noqa: FBT001
    calm = judge(LIMIT, before, [PASSED], deadline=False)
    if calm.verdict != "rollback":
        assert judge(LIMIT, before + frozen(outage), [PASSED], deadline=deadline).verdict != "rollback"


@given(TICKS, JOURNEYS, st.booleans(), st.randoms())
def test_the_order_of_tenants_and_journeys_does_not_matter(
    ticks: list[Tick],
    journeys: list[JourneyResult],
    deadline: bool,  # noqa: FBT001
    random: Random,
) -> None:
    def shuffled(tenants: dict[str, Counts]) -> dict[str, Counts]:
        return dict(random.sample(sorted(tenants.items()), len(tenants)))

    other = [Tick(t.at, t.seconds, t.status, shuffled(dict(t.new)), shuffled(dict(t.old))) for t in ticks]
    mixed = random.sample(journeys, len(journeys))
    first, second = (
        judge(LIMIT, ticks, journeys, deadline=deadline),
        judge(LIMIT, other, mixed, deadline=deadline),
    )
    assert (first.verdict, first.cause, first.new, first.old) == (
        second.verdict,
        second.cause,
        second.new,
        second.old,
    )


@given(TICKS, JOURNEYS)
def test_nothing_is_promoted_with_a_journey_that_fails(ticks: list[Tick], journeys: list[JourneyResult]) -> None:
    failing = JourneyResult("fails", "z", failed=1, old="passed")
    assert judge(LIMIT, ticks, [*journeys, failing], deadline=True).verdict != "promote"


@given(TICKS, JOURNEYS)
def test_before_the_deadline_nothing_is_promoted(ticks: list[Tick], journeys: list[JourneyResult]) -> None:
    assert judge(LIMIT, ticks, journeys, deadline=False).verdict != "promote"


@given(TICKS, TICKS, JOURNEYS)
def test_a_rollback_stays_decided(ticks: list[Tick], later: list[Tick], journeys: list[JourneyResult]) -> None:
    first: Verdict = judge(LIMIT, ticks, journeys, deadline=False)
    if first.verdict == "rollback":
        assert judge(LIMIT, ticks + later, journeys, deadline=True).verdict == "rollback"
