"""Watching: a ring's time with the counts of both versions, journeys first and last; each verdict is recorded."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from stationmaster.blocks.leg import ReleaseAbortedError
from stationmaster.blocks.watching import NotRunningError
from stationmaster.domain.canary import Verdict
from stationmaster.domain.entries import Draft
from stationmaster.domain.signals import Reading
from stationmaster.tasks.canary import watch
from stationmaster.tasks.close import promote
from stationmaster.tasks.deploy import deploy, shift
from tests.tasks.conftest import Ready
from tests.world import World

Prepared = Callable[..., AbstractContextManager[Ready]]


def deployed(now: Ready, wave: int = 0) -> None:
    one = now.plan.waves[wave]
    colours = {instance: deploy.fn(now.leg, now.cut, now.artifact, instance) for instance in one.instances}
    shift.fn(now.leg, now.cut, now.artifact, one, colours)


def watched(now: Ready, wave: int = 0) -> Verdict:
    deployed(now, wave)
    return watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[wave])


def test_a_good_wave_is_watched_for_its_time_and_promoted(world: World, ready: Prepared) -> None:
    with ready() as now:
        before = world.clock.now()
        verdict = watched(now)
    assert (verdict.verdict, verdict.new.bad) == ("promote", 0)
    assert verdict.new.total >= 20
    assert (world.clock.now() - before).total_seconds() == 3
    assert world.last("verdict").fact == verdict.fact()


def test_a_bad_wave_is_judged_as_soon_as_it_can_be(world: World, ready: Prepared) -> None:
    world.commit("v3", bad={"cloud": 5})
    with ready("r3", "v3") as now:
        before = world.clock.now()
        verdict = watched(now)
    assert (verdict.verdict, verdict.cause) == ("rollback", "breach")
    assert (verdict.new.total, verdict.new.bad) == (20, 10)
    assert verdict.old.bad == 0
    assert (world.clock.now() - before).total_seconds() == 2  # twenty requests, not the whole watch


def test_when_the_old_version_is_as_bad_it_is_held(world: World, ready: Prepared) -> None:
    world.commit("v3", bad={"cloud": 5})
    with ready("r3", "v3") as now:
        world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}
        verdict = watched(now)
    assert (verdict.verdict, verdict.cause) == ("hold", "shared_incident")


def test_where_nobody_is_left_on_the_old_version_its_journeys_are_the_control(world: World, ready: Prepared) -> None:
    world.commit("v3", bad={"cedar": 5})
    with ready("r3", "v3") as now:
        deployed(now, 0)
        verdict = watched(now, 1)
    assert (verdict.verdict, verdict.cause) == ("hold", "no_control")


def test_a_failing_journey_is_asked_three_times_and_of_the_old_version_too(world: World, ready: Prepared) -> None:
    world.commit("v3", fails={"cloud": ["/order"]})
    with ready("r3", "v3") as now:
        verdict = watched(now)
        assert (verdict.verdict, verdict.cause) == ("rollback", "breach")
        world.target.runs["cloud", "b"]["fails"] = {}
        assert watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[0]) == verdict  # it stands


def test_a_journey_that_both_versions_fail_holds_the_wave_and_each_watch_is_on_record(
    world: World, ready: Prepared
) -> None:
    world.commit("v3", fails={"cloud": ["/order"]})
    world.target.runs["cloud", "a"]["fails"] = {"cloud": ["/order"]}
    with ready("r3", "v3") as now:
        verdict = watched(now)
    assert (verdict.verdict, verdict.cause) == ("hold", "shared_incident")
    assert len([step for step, _ in world.steps("r3") if step == "verdict"]) == 6


def test_what_both_versions_suffer_and_then_no_more_does_not_hold_the_wave(world: World, ready: Prepared) -> None:
    with ready() as now:
        deployed(now)
        for found in world.target.runs.values():
            found["bad"] = {"cloud": 5}
        world.power.trap = when_observed("verdict", lambda: [found.pop("bad") for found in world.target.runs.values()])
        assert watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[0]).verdict == "promote"
    told = [entry.fact["cause"] for entry in world.ledger.entries("r2") if entry.step == "verdict"]
    assert told == ["shared_incident", None]


def when_observed(step: str, act: Callable[[], object]) -> Callable[[str, str, tuple[Any, ...]], bool]:
    """Do something after the first such observation."""
    left = [act]

    def trap(at: str, call: str, arguments: tuple[Any, ...]) -> bool:
        if (at, call) == ("after", "ledger.observe") and arguments[0].step == step and left:
            left.pop()()
        return False

    return trap


def test_a_journey_that_recovers_does_not_break_the_wave(world: World, ready: Prepared) -> None:
    def mend(when: str, call: str, _arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "clock.sleep") and world.clock.now() > before:
            world.target.runs["cloud", "b"]["fails"] = {}
        return False

    with ready() as now:
        deployed(now)
        before = world.clock.now()
        world.power.trap = mend
        assert watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[0]).verdict == "promote"


def test_without_metrics_at_the_end_it_is_held(world: World, ready: Prepared) -> None:
    with ready() as now:
        world.metrics.answers = Reading("PROVIDER_ERROR", message="haproxy is away")
        verdict = watched(now)
    assert (verdict.verdict, verdict.cause) == ("hold", "blind")


def test_an_outage_in_between_loses_nothing(world: World, ready: Prepared) -> None:
    world.commit("v3", bad={"cloud": 5})

    def outage(when: str, call: str, _arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "clock.sleep"):
            seconds = (world.clock.now() - before).total_seconds()
            world.metrics.answers = Reading("PROVIDER_ERROR") if seconds == 0 else None
        return False

    with ready("r3", "v3") as now:
        deployed(now)
        before = world.clock.now()
        world.power.trap = outage
        verdict = watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[0])
    assert (verdict.verdict, verdict.new.bad) == ("rollback", 10)


def test_a_promoted_wave_is_not_watched_again(world: World, ready: Prepared) -> None:
    with ready() as now:
        verdict = watched(now)
        promote.fn(now.leg, now.artifact, now.plan.waves[0], verdict)
        before = world.clock.now()
        assert watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[0]) == verdict
    assert world.clock.now() == before


def test_what_ended_between_deploy_and_watch_is_said(world: World, ready: Prepared) -> None:
    with ready() as now:
        deployed(now)
        del world.target.runs["cloud", "b"]
        with pytest.raises(NotRunningError, match="no process of instance cloud says that it runs"):
            watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[0])


def test_an_abort_ends_the_watch_within_a_tick(world: World, ready: Prepared) -> None:
    def give_up(when: str, call: str, _arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "clock.sleep"):
            draft = Draft(release="r2", step="aborted", fact={"reason": "enough"}, personal={"who": "ana"})
            world.ledger.append(draft, world.clock.now())
        return False

    with ready() as now:
        deployed(now)
        world.power.trap = give_up
        before = world.clock.now()
        with pytest.raises(ReleaseAbortedError):
            watch.fn(now.leg, now.cut, now.artifact, now.plan.waves[0])
    assert (world.clock.now() - before).total_seconds() == 1
