"""Promote and close: a good wave opens the next, any other holds; a release ends when every process says so."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from stationmaster.blocks.instances import DigestMismatchError, NobodyAnswersError, must_serve
from stationmaster.domain.canary import Verdict
from stationmaster.domain.errors import OutsideError
from stationmaster.tasks.close import WaveHeldError, close, promote
from stationmaster.tasks.deploy import deploy, shift
from tests.tasks.conftest import Ready
from tests.world import World

Prepared = Callable[..., AbstractContextManager[Ready]]


def deployed(now: Ready) -> None:
    for wave in now.plan.waves:
        colours = {instance: deploy.fn(now.leg, now.cut, now.artifact, instance) for instance in wave.instances}
        shift.fn(now.leg, now.cut, now.artifact, wave, colours)


def test_a_good_verdict_is_recorded_for_its_ring(world: World, ready: Prepared) -> None:
    with ready() as now:
        for _ in range(2):
            promote.fn(now.leg, now.artifact, now.plan.waves[0], Verdict("promote", None, "all well"))
    assert world.facts().count(("promoted", "pilot")) == 1
    assert world.last("promoted").fact["tenants"] == ["acme"]


@pytest.mark.parametrize("word", ["hold", "rollback", "inconclusive"])
def test_any_other_holds_each_time(world: World, ready: Prepared, word: str) -> None:
    with ready() as now:
        deployed(now)
        verdict = Verdict(word, None, "not sure")  # type: ignore[arg-type]
        with pytest.raises(WaveHeldError, match=f"wave pilot is held: {word}, not sure") as held:
            promote.fn(now.leg, now.artifact, now.plan.waves[0], verdict)
    assert held.value.hint is not None
    assert "release start r2" in held.value.hint
    assert world.last("held").fact["message"] == "not sure"
    assert world.status().stage == "held"


def test_the_end_stops_what_serves_nobody_and_nothing_else(world: World, ready: Prepared) -> None:
    with ready() as now:
        deployed(now)
        for _ in range(2):
            close.fn(now.leg, now.cut, now.artifact, now.plan)
    assert world.last("released").fact == {"tenants": 3}
    assert {found["version"] for found in world.target.runs.values()} == {"2"}
    assert world.target.did.count(("retired", "cloud", "1")) == 1


def test_a_process_that_says_otherwise_keeps_the_release_open(world: World, ready: Prepared) -> None:
    with ready() as now:
        deployed(now)
        world.target.where["acme"] = ("cloud", "a")
        del world.target.where["cedar"]
        with pytest.raises(DigestMismatchError, match=r"acme by sha256:.*, cedar by nobody who answers") as wrong:
            close.fn(now.leg, now.cut, now.artifact, now.plan)
        assert wrong.value.hint == "start the release again to route them there"
        assert ("released", "r2") not in world.facts()
        deployed(now)  # as the next leg does
        close.fn(now.leg, now.cut, now.artifact, now.plan)
    assert world.status().stage == "released"


def test_who_is_served_by_another_artifact_is_named_and_who_does_not_answer_is_asked_again() -> None:
    wanted = {"acme": "sha256:a", "birch": "sha256:a"}
    must_serve(wanted, wanted)
    with pytest.raises(DigestMismatchError, match="acme by sha256:b, birch by nobody who answers"):
        must_serve(wanted, {"acme": "sha256:b"})
    with pytest.raises(NobodyAnswersError, match="serves birch") as nobody:
        must_serve(wanted, {"acme": "sha256:a", "birch": None})
    assert isinstance(nobody.value, OutsideError)
