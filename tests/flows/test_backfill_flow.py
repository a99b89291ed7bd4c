"""The flow `backfill` by itself: beside a release that waits, after one that is over, and several at once."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from stationmaster.blocks.backfill_beside import NobodyHasItError, lend_a_hand, want_backfill
from stationmaster.blocks.leg import ReleaseGoingBackError
from stationmaster.blocks.ordering import give_order
from stationmaster.domain.backfills import Backfills
from stationmaster.domain.documents import read
from stationmaster.domain.entries import Draft
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.domain.request import BackfillRequest
from stationmaster.flows import backfill as flow
from stationmaster.ledger.leases import LeaseHeldError
from tests.filled import FILE, declare, filled
from tests.world import Begun, World, begun, once
from tests.world import world as made


def poisoned(world: World) -> None:
    """A release that waits, since a row is in the way of a tenant."""
    declare(world)
    world.database.engine.poisoned = {"acme": "row 17: numeric field overflow"}
    assert world.release().name == "WaitingForPerson"
    world.database.engine.poisoned = {}


@pytest.fixture(scope="module")
def waiting() -> Iterator[Begun]:
    with begun(poisoned) as one:
        yield one


@pytest.fixture
def world(waiting: Begun) -> World:
    return waiting.again()


def hand(world: World) -> int:
    return lend_a_hand(world.tools, "r2", lambda *_: nullcontext(lambda _: None))


def test_it_fills_in_what_a_release_left_which_then_goes_on_without_touching_it(world: World) -> None:
    assert world.backfill().name == "Backfilled"
    assert filled(world)[-1] == "acme"
    before = list(world.database.engine.did)
    assert world.start().name == "Released"
    assert world.database.engine.did == before


def test_it_waits_as_the_release_does(world: World) -> None:
    world.database.engine.poisoned = {"acme": "row 18: numeric field overflow"}
    assert world.backfill().name == "WaitingForPerson"
    assert "row 18" in world.last("waiting").fact["message"]


def test_after_the_release_it_verifies_anew_whoever_lost_it_since(world: World) -> None:
    world.start()
    fact = {**world._installed, "instance": "cloud"}
    for step, what in (("adopted", fact), ("deployed", dict(world.ledger.running()["birch"].fact))):
        draft = Draft(release="r2", step=step, subject="birch", inputs={"again": step}, fact=what)
        world.ledger.append(draft, world.clock.now())
    assert world.backfill().name == "Backfilled"
    assert filled(world)[-1] == "birch"
    assert world.database.engine.did[-2:] == [
        ("lost", "cloud", "totals", "birch"), ("filled", "cloud", "totals", "birch")
    ]  # fmt: skip
    assert world.status().stage == "released"


def test_nobody_is_asked_of_a_release_that_nobody_has() -> None:
    with made() as world:
        declare(world)
        with pytest.raises(UnknownReleaseError):
            world.backfill("r9")
        world.start()
        with pytest.raises(NobodyHasItError, match="at nobody's"):
            world.backfill()
        with pytest.raises(NobodyHasItError, match="of shop, not of desk"):
            want_backfill(world.tools, BackfillRequest(of="r2", product="desk", starter="ana"))


def test_who_finds_the_release_taken_works_beside_and_records_nothing(world: World) -> None:
    with world.leg() as leg:
        with pytest.raises(LeaseHeldError):
            world.backfill()
        assert hand(world) == 51
        assert filled(world)[-1] == "acme"
        assert leg.tools.ledger.entries("r2")[-1].step == "started"


def test_it_waits_for_the_word_of_the_holder_and_ends_when_nobody_holds_the_release(world: World) -> None:
    """Whoever lost it since is begun anew by the holder, first."""
    (one,) = read(Backfills, FILE, "backfills.yaml").value.backfills
    with world.leg() as leg:
        fact = {**world._installed, "instance": "cloud"}
        for step, what in (("adopted", fact), ("deployed", dict(world.ledger.running()["acme"].fact))):
            draft = Draft(release="r2", step=step, subject="acme", inputs={"again": step}, fact=what)
            world.ledger.append(draft, world.clock.now())
        world.power.trap = once("clock.sleep", lambda _: world.ledger.give_back(leg.lease))
        assert hand(world) == 0
    assert "acme" not in filled(world)
    assert one.digest == world.last("backfilling").fact["spec"]


def test_a_helper_ends_when_the_release_goes_back(world: World) -> None:
    with world.leg():
        give_order(world.tools, world.asked("r2", now=True))
        with pytest.raises(ReleaseGoingBackError):
            hand(world)
    assert "acme" not in filled(world)


def test_more_workers_are_runs_of_the_same_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(flow, "run_deployment", lambda name, parameters, **_: asked.append((name, parameters)))
    flow.hire(BackfillRequest(of="r2", product="shop", starter="ana", workers=3))
    alone = {"of": "r2", "product": "shop", "starter": "ana", "workers": 1}
    assert asked == [("backfill/stationmaster", {"request": alone})] * 2
    asked.clear()
    flow.hire(BackfillRequest(of="r2", product="shop", starter="ana"))
    assert asked == []
