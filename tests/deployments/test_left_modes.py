"""The watchdog serves in full whom a dead leg left in a mode, whatever became of its release, and without Prefect."""

from typing import Any

import pytest

from stationmaster.blocks.holder import this_process
from stationmaster.blocks.supervisor import Fence, FencedError
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.interruption import STEPS, in_mode
from tests.deployments.test_watchdog import DEAD, Den, den
from tests.fake_target import FakeTarget

__all__ = ["den"]
FACT = {"mode": "read_only", "instance": "cloud", "why": "e2 is long", "product": "shop", "notice": None}


@pytest.fixture
def target(den: Den) -> FakeTarget:
    """Two tenants in a mode, by a release that got to its brief."""
    found = FakeTarget()

    def handed(product: str) -> Any:
        assert product == "shop"
        return found

    den.dog.target = handed
    den.reach("briefed")
    for tenant in ("acme", "birch"):
        den.write("mode_on", FACT, tenant)
    found.set_mode(["acme", "birch"], "read_only")
    return found


def test_whoever_died_leaves_nobody_limited_and_cannot_limit_them_again(den: Den, target: FakeTarget) -> None:
    lease = den.ledger.take_lease("r1", DEAD, den.clock.now())
    den.runs.away = True
    assert ("r1", "served in full") in den.did()
    assert target.in_mode == {}
    assert in_mode(den.ledger.latest(STEPS)) == {}
    (off, _) = [entry for entry in den.ledger.entries("r1") if entry.step == "mode_off"]
    assert (off.fact["why"], off.fact["mode"]) == ("whoever limited it died", "read_only")
    with pytest.raises(FencedError):
        target.set_mode(["acme"], "read_only", Fence(release="r1", epoch=lease.epoch))
    assert ("r1", "served in full") not in den.did()


def test_while_somebody_works_on_it_nobody_is_touched(den: Den, target: FakeTarget) -> None:
    den.ledger.take_lease("r1", this_process("flow run 7"), den.clock.now())
    assert den.did() == []
    assert set(target.in_mode) == {"acme", "birch"}


def test_also_of_a_release_that_was_given_up(den: Den, target: FakeTarget) -> None:
    den.write("aborted", {"reason": "enough"})
    assert ("r1", "served in full") in den.did()
    assert target.in_mode == {}


def test_a_target_that_is_away_is_told_once_and_asked_again(
    den: Den,
    target: FakeTarget,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OutsideError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(target, "set_mode", refuse)
        told = [(done.release, done.did) for _ in range(2) for done in den.look()]
        assert told.count(("deploy target", "does not answer")) == 1
    assert set(in_mode(den.ledger.latest(STEPS))) == {"acme", "birch"}
    assert {("deploy target", "answers again"), ("r1", "served in full")} <= set(den.did())
    assert target.in_mode == {}
