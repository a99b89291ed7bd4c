"""A release of a product whose tenants have a schema or a database each: expanded in the order of rings, several at a
time, each on record by itself; whatever fails or dies leaves the others where they are said to be.
"""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from stationmaster.blocks.modes import announced
from stationmaster.domain.compatibility import SCHEMA
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.homes import OwnDatabase
from stationmaster.domain.interruption import STEPS, in_mode
from stationmaster.domain.release import status
from stationmaster.domain.rollback import NotProvedError
from stationmaster.domain.summary import schema_rows
from tests.shop import OPEN, PRODUCT
from tests.world import Killed, World
from tests.world import world as made

SAYS = {
    "schema": "{migrations: migrations, tenancy: schema, schema_name: 't_{tenant}', parallel: 2}",
    "database": "{migrations: migrations, tenancy: database, parallel: 2}",
}
HOMES = {
    "schema": ("stage.t_stage-probe", "cloud.t_acme", "cloud.t_birch_ltd", "cloud.t_dune", "cedar.t_cedar"),
    "database": ("stage", "cloud.acme", "cloud.birch_ltd", "cloud.dune", "cedar"),
}
TENANTS = f"""\
tenants:
  - {{id: acme, name: Acme, ring: pilot, {OPEN}}}
  - {{id: birch, name: Birch, ring: broad, {OPEN}, database: birch_ltd}}
  - {{id: dune, name: Dune, ring: broad, {OPEN}}}
  - {{id: cedar, name: Cedar, ring: broad, {OPEN}, hosting: dedicated}}
"""
NEW = {"acme": "2", "birch": "2", "cedar": "2", "dune": "2"}
OLD = dict.fromkeys(NEW, "1")


def product(tenancy: str) -> str:
    return PRODUCT.replace("{migrations: migrations}", SAYS[tenancy])


@contextlib.contextmanager
def tenants_apart(tenancy: str) -> Iterator[World]:
    """Version 1 runs everywhere, each tenant's own database is at r1, and version 2 is committed."""
    with made() as world:
        world.directory.write_text(TENANTS)
        if tenancy == "database":
            each = SecretStr("postgresql://app@db/shop_{tenant}")
            world.database.databases["cloud"] = each
        world.database.put("r1", *HOMES[tenancy])
        for name in [name for name in world.database._at if name not in HOMES[tenancy]]:
            del world.database._at[name]  # that of an instance is none
        world.adopt("dune", "cloud")
        world.target.did.clear()
        world.commit("v2", product=product(tenancy))
        yield world


@pytest.fixture(params=["schema", pytest.param("database", marks=pytest.mark.slow)])
def tenancy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def apart(tenancy: str) -> Iterator[World]:
    with tenants_apart(tenancy) as world:
        yield world


def expanded(world: World, release: str = "r2") -> dict[str, tuple[list[str], list[str], str | None]]:
    """Each database with where it was and is by the ledger, and whose it is."""
    return {
        entry.subject: (entry.fact["before"], entry.fact["after"], entry.fact.get("tenant"))
        for entry in world.ledger.entries(release)
        if entry.step == "expanded"
    }


def fails(world: World, said: str) -> str:
    with pytest.raises(StationmasterError) as failed:
        world.start()
    assert said in failed.value.message
    return failed.value.message


def standing(world: World) -> dict[str, OwnDatabase]:
    return status("r2", world.ledger.entries("r2"), world.ledger.running(), world.ledger.latest(SCHEMA)).databases


def test_each_tenants_own_is_expanded_in_its_ring_and_recorded_by_itself(apart: World, tenancy: str) -> None:
    told_whole(apart, tenancy)


def test_the_same_where_each_has_a_database() -> None:
    with tenants_apart("database") as world:
        told_whole(world, "database")


def test_what_cannot_be_made_online_limits_each_tenant_while_its_own_wave_is_expanded() -> None:
    with tenants_apart("schema") as world:
        modes = product("schema").replace("version: /about}", "version: /about, modes: {read_only: router}}")
        add = "-- Running upgrade r1 -> r2\nALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()"
        world.commit("v2", product=modes, sql=add)
        seen: dict[str, dict[str, str]] = {}
        world.database.each = lambda name: seen.update({name: dict(world.target.in_mode)})
        assert world.release().name == "Released"
        homes = dict(zip(("acme", "birch", "dune", "cedar"), HOMES["schema"][1:], strict=True))
        notices = {one.instance: one.tenants for one in announced(world.ledger, "r2")}
        assert notices == {home: (tenant,) for tenant, home in homes.items()}
        assert {name for name, mode in seen.items() if mode} == set(homes.values())
        assert seen[homes["acme"]] == {"acme": "read_only"}
        assert seen[homes["birch"]] == dict.fromkeys(("birch", "dune"), "read_only")
        assert world.target.in_mode == {}
        assert in_mode(world.ledger.latest(STEPS)) == {}
        entry = world.last("mode_on")
        assert entry.fact["instance"] == homes[entry.subject]


def told_whole(apart: World, tenancy: str) -> None:
    assert apart.release().name == "Released"
    assert apart.production() == NEW
    homes = HOMES[tenancy]
    first, *others = [name for name, _ in apart.database.ran]
    assert first == homes[0]
    assert (others[0], set(others[1:])) == (homes[1], set(homes[2:]))
    whose = dict(zip(homes[1:], ("acme", "birch", "dune", "cedar"), strict=True))
    assert expanded(apart) == {
        "stage": (["r1"], ["r2"], None),
        **{name: (["r1"], ["r2"], tenant) for name, tenant in whose.items()},
    }
    order = [each for each in apart.facts() if each[0] in {"expanded", "deployed"} and each[1] != "stage"]
    assert order[:2] == [("expanded", homes[1]), ("deployed", "acme")]  # its ring is through before the next begins
    assert {tenant: (one.database, one.revision) for tenant, one in standing(apart).items()} == {
        tenant: (name, "r2") for name, tenant in whose.items()
    }
    assert schema_rows(standing(apart))[0] == {
        "tenant": "acme", "database": homes[1], "revision": "r2", "change": "none under way",
    }  # fmt: skip
    said = {one.subject: one.fact.get("database", one.fact["instance"]) for one in apart.ledger.running().values()}
    assert said == {tenant: name for name, tenant in whose.items()}


@pytest.mark.slow
def test_a_failure_stops_its_ring_and_a_start_goes_on_with_those_left(apart: World, tenancy: str) -> None:
    _, acme, birch, dune, cedar = HOMES[tenancy]
    apart.start()
    apart.approve()
    apart.database.stops = {acme}
    fails(apart, "boom")
    assert apart.database._at == {**dict.fromkeys(HOMES[tenancy], "r1"), HOMES[tenancy][0]: "r2"}
    assert set(expanded(apart)) == {"stage"}
    apart.database.stops = {birch}
    said = fails(apart, f"a revision failed on database '{birch}': boom")
    assert f"not begun: {dune}" in said
    assert apart.production() == {**OLD, "acme": "2"}
    assert ("expanded", dune) not in apart.facts()
    found = {tenant: (one.revision, one.under_way) for tenant, one in standing(apart).items()}
    assert found == {"acme": ("r2", False), "birch": ("r1", True), "cedar": ("r2", False), "dune": ("r1", True)}
    apart.database.stops = set()
    assert apart.start().name == "Released"
    assert apart.production() == NEW
    assert sorted(apart.database.ran) == sorted((name, "r2") for name in HOMES[tenancy])
    assert set(expanded(apart)) == {"stage", acme, birch, dune, cedar}


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1, 3))])
def test_killed_between_two_tenants_nothing_is_applied_twice(apart: World, tenancy: str, at: int) -> None:
    """The process dies when so many are through; nobody has said which."""
    apart.start()
    apart.approve()
    left = [at]

    def die(_name: str) -> None:
        if not left[0]:
            apart.power.off = True
            raise Killed
        left[0] -= 1

    apart.database.each = die
    with contextlib.suppress(Killed):
        apart.start()
    apart.power.on()
    apart.database.each = None
    apart.clock.at += timedelta(seconds=31)
    assert apart.start().name == "Released"
    assert sorted(apart.database.ran) == sorted((name, "r2") for name in HOMES[tenancy])
    assert {name: where[:2] for name, where in expanded(apart).items()} == dict.fromkeys(
        ("stage", *HOMES[tenancy][1:]), (["r1"], ["r2"])
    )


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10, 290, 20))
def test_killed_at_any_call_it_ends_as_an_undisturbed_one(apart: World, tenancy: str, moment: int) -> None:
    apart.start()
    apart.approve()
    apart.power.on()
    apart.power.after = moment
    with contextlib.suppress(Killed):
        apart.start()
    apart.power.on()
    apart.clock.at += timedelta(seconds=31)
    assert apart.start().name == "Released"
    assert sorted(apart.database.ran) == sorted((name, "r2") for name in HOMES[tenancy])
    assert apart.production() == NEW


@pytest.mark.slow
def test_nobody_is_led_to_a_version_that_their_own_schema_does_not_fit(apart: World, tenancy: str) -> None:
    """A backup of one tenant was restored between the expand and the routes."""
    apart.start()
    apart.approve()
    dune = HOMES[tenancy][3]

    def restored(when: str, call: str, _: object) -> bool:
        if (when, call) == ("after", "target.start") and apart.database._at[dune] == "r2":
            apart.database._at[dune] = "r0"
        return False

    apart.power.trap = restored
    fails(apart, f"database {dune} has schema r0")
    assert apart.production() == {**OLD, "acme": "2", "cedar": "2"}


@pytest.mark.slow
def test_a_rollback_is_refused_for_the_tenant_whose_own_schema_does_not_fit(apart: World, tenancy: str) -> None:
    apart.release()
    birch = HOMES[tenancy][2]
    apart.database._at[birch] = "r9"
    with pytest.raises(NotProvedError) as refused:
        apart.rollback(now=True)
    assert apart.production() == {**OLD, "birch": "2"}
    assert refused.value.message.startswith("birch stay where they are")
    assert f"r9, which database {birch} has" in refused.value.message
    back = {one.subject: one.fact.get("database", one.fact["instance"]) for one in apart.ledger.running().values()}
    assert back["dune"] == HOMES[tenancy][3]


@pytest.mark.slow
def test_a_pilots_breach_takes_back_the_pilot_alone_and_the_others_were_never_expanded(
    apart: World, tenancy: str
) -> None:
    apart.commit("v2", product=product(tenancy), bad={"cloud": 5})
    apart.start()
    apart.approve()
    assert apart.start().name == "RolledBack"
    assert apart.production() == OLD
    assert set(expanded(apart)) == {"stage", HOMES[tenancy][1]}


@pytest.mark.slow
def test_what_old_code_would_not_survive_is_refused_for_the_tenant_that_lags(apart: World, tenancy: str) -> None:
    apart.database.put("r2", *HOMES[tenancy])
    apart.database._at[HOMES[tenancy][3]] = "r1"
    apart.commit("v2", product=product(tenancy), sql="DROP TABLE orders")
    fails(apart, "expand may not do this")


@pytest.mark.slow
def test_a_tenant_with_a_blackout_keeps_its_wave_waiting(apart: World) -> None:
    apart.start()
    apart.approve()
    apart.directory.write_text(TENANTS.replace(f"name: Dune, ring: broad, {OPEN}", "name: Dune, ring: broad"))
    assert apart.start().name == "WaitingForWindow"
    assert not [name for name, _ in apart.database.ran if "dune" in name]
