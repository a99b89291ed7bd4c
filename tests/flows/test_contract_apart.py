"""Contracts where each tenant has a schema or a database of its own: each waits alone, and so does stage's."""

from collections.abc import Iterator

import pytest

from stationmaster.domain.rollback import NotProvedError
from tests.contracts import DAY, FILES, conditions, signed
from tests.flows.test_tenancy import HOMES, NEW, TENANTS, product, tenants_apart
from tests.world import World


@pytest.fixture(params=["schema", pytest.param("database", marks=pytest.mark.slow)])
def tenancy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def apart(tenancy: str) -> Iterator[World]:
    """Version 2 brings a contract and reached everybody but cedar, who is pinned, a day ago."""
    with tenants_apart(tenancy) as world:
        world.directory.write_text(TENANTS.replace("hosting: dedicated", 'hosting: dedicated, pinned: "1"'))
        says = product(tenancy).replace(
            f"tenancy: {tenancy}", f"tenancy: {tenancy}, contract: {{min_age: 1d, way_back: give_up}}"
        )
        world.commit("v2", product=says, more=FILES)
        world.release()
        world.clock.at += DAY
        world.database.ran.clear()
        yield world


def test_each_tenants_own_is_contracted_after_stage_and_a_pinned_one_waits_alone(apart: World, tenancy: str) -> None:
    stage, acme, birch, dune, cedar = HOMES[tenancy]
    signed(apart)
    assert set(apart.last("contract_mandated").fact["databases"]) == {"stage", acme, birch, dune}
    assert apart.contract().name == "WaitingForVersions"
    first, *others = apart.database.ran
    assert first == (stage, "c2")
    assert sorted(others) == sorted((name, "c2") for name in (acme, birch, dune))
    waits = conditions(apart)
    assert {name for name, _ in waits} == {cedar}
    assert waits[cedar, "tenants"] == "cedar runs 1"
    assert apart.database.copies == {}
    with pytest.raises(NotProvedError, match="works on schema"):
        apart.rollback("r2", now=True)
    assert apart.production() == {**NEW, "cedar": "1"}


def test_when_the_last_one_follows_it_is_over_and_says_which_databases(apart: World, tenancy: str) -> None:
    apart.directory.write_text(TENANTS)
    apart.release("r3")
    apart.clock.at += DAY
    signed(apart)
    assert apart.contract().name == "Contracted"
    assert apart.last("contract_over").fact["databases"] == sorted({"stage", *HOMES[tenancy][1:]})
    ran = list(apart.database.ran)
    assert apart.contract().name == "Contracted"
    assert apart.database.ran == ran


def test_one_whose_database_is_away_keeps_no_other_waiting(apart: World, tenancy: str) -> None:
    stage, acme, birch, dune, _cedar = HOMES[tenancy]
    apart.database.away.add(birch)
    signed(apart)
    assert set(apart.last("contract_mandated").fact["databases"]) == {"stage", acme, dune}
    apart.contract()
    assert {name for name, head in apart.database.ran if head == "c2"} == {stage, acme, dune}
    assert (birch, "answers") in conditions(apart)
