"""Leading tenants back: to what they ran before and stage proved, once each, and nobody keeps another from it."""

from collections.abc import Iterator

import pytest

from stationmaster.blocks.going_back import lead_back
from stationmaster.blocks.instances import NothingRunsError
from stationmaster.blocks.leg import Leg, way_back
from stationmaster.domain.entries import Draft
from stationmaster.domain.rollback import NotProvedError
from tests.world import World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    """Version 2 runs for everybody, and the release is not closed: the window of the last wave is not open."""
    with made() as one:
        one.release()
        one.target.did.clear()
        yield one


@pytest.fixture
def leg(world: World) -> Iterator[Leg]:
    with way_back(world.tools, "r2", "test") as back:
        yield back


def test_what_was_retired_is_started_again_and_the_ledger_knows(world: World, leg: Leg) -> None:
    assert lead_back(leg, ["acme", "cedar"]) == ["acme", "cedar"]
    assert world.production() == {"acme": "1", "birch": "2", "cedar": "1"}
    assert world.target.did.count(("started", "cloud", "1")) == 1
    entry = world.ledger.running()["acme"]
    assert (entry.step, entry.fact["version"], entry.fact["left"]) == ("rolled_back", "1", "b")


def test_what_still_runs_is_not_started_again(world: World, leg: Leg) -> None:
    lead_back(leg, ["acme"])
    world.target.did.clear()
    assert lead_back(leg, ["birch"]) == ["birch"]
    assert world.target.did == [("shifted", "birch", "1")]


@pytest.mark.slow
def test_again_changes_nothing(world: World, leg: Leg) -> None:
    lead_back(leg, ["acme"])
    before, did = len(world.ledger.entries()), list(world.target.did)
    lead_back(leg, [])
    assert (len(world.ledger.entries()), world.target.did) == (before, did)


@pytest.mark.slow
def test_a_tenant_that_ran_nothing_before_stays_and_the_others_go(world: World, leg: Leg) -> None:
    fact = world.ledger.running()["acme"].fact
    world.ledger.append(Draft(release="r2", step="deployed", subject="dawn", fact=fact), world.clock.now())
    with pytest.raises(NothingRunsError, match="dawn ran nothing before r2"):
        lead_back(leg, ["acme", "dawn"])
    assert world.tenants()["acme"] == "1"


@pytest.mark.slow
def test_nobody_goes_back_to_what_stage_did_not_prove_on_the_schema(world: World, leg: Leg) -> None:
    world.database.put("r9")
    with pytest.raises(
        NotProvedError, match="acme stay where they are: stage never proved that 1 works on schema r9"
    ) as refused:
        lead_back(leg, ["acme"])
    assert refused.value.hint is not None
    assert "release a fix" in refused.value.hint
    assert world.tenants()["acme"] == "2"


@pytest.mark.slow
def test_routes_go_back_while_nobody_counts(world: World, leg: Leg) -> None:
    world.metrics.answers = world.metrics.away()
    lead_back(leg, ["acme"])
    assert world.ledger.running()["acme"].fact["last_ms"] is None
