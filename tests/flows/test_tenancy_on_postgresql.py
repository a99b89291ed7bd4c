"""A release with a schema or a database for each tenant, on a real PostgreSQL with Alembic's own revisions. The rest of
the world is in memory.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from stationmaster.blocks.database import ProductDatabase
from tests.conftest import Postgres
from tests.flows.test_tenancy import HOMES, NEW, TENANTS, expanded, fails, product
from tests.revisions import Scripts
from tests.world import Killed, Wired, World
from tests.world import world as made

pytestmark = pytest.mark.slow
_MARK = "_before_contract"  # how the name of a copy of stage's database ends


@dataclass
class Told:
    """The world, its databases, and the names that they have."""

    world: World
    database: ProductDatabase
    homes: tuple[str, ...]

    def ask(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        url = self.database.url(name).replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def revisions(self) -> list[tuple[str, ...]]:
        return [self.database.revision(name) for name in self.homes]

    def marks(self) -> list[list[tuple[Any, ...]]]:
        """What the second revision left, which would be there twice if it ran twice."""
        return [self.ask(name, "SELECT * FROM marks") for name in self.homes]


def files(root: Path, *more: str, taken: str = "") -> dict[str, str]:
    """The scripts of version 2, and where something is to be taken away, a contract."""
    root.mkdir()
    scripts = Scripts.begin(root / "scripts")
    if taken:
        scripts.add("c1", "c0", taken, depends="e2")
    scripts.add("e2", "e1", "CREATE TABLE marks (what text)", "INSERT INTO marks VALUES ('e2')", *more)
    export = scripts.root / "export"
    return {str(one.relative_to(export)): one.read_text() for one in export.rglob("*.py")}


@pytest.fixture(params=["schema", "database"])
def told(postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Told]:
    """Every tenant's own is at e1, and version 2 brings e2."""
    tenancy, homes = str(request.param), HOMES[request.param]
    with made() as world:
        world.directory.write_text(TENANTS)
        world.adopt("dune", "cloud")
        database = prepared(postgres, tenancy)
        wired: Any = Wired("database", database, world.power)
        world.tools = replace(world.tools, database=wired)
        first = Scripts.begin(tmp_path / "first")
        for name in homes:
            (database.expand_each if "." in name else _alone(database))([name], first.revisions())
        world.commit("v2", product=product(tenancy), more=files(tmp_path / "second"))
        yield Told(world, database, homes)


def _alone(database: ProductDatabase) -> Any:
    return lambda names, revisions: database.expand(names[0], revisions)


def prepared(postgres: Postgres, tenancy: str) -> ProductDatabase:
    urls = {name: postgres.create() for name in ("stage", "cloud", "cedar")}
    mark = urls["cloud"].partition("?")[0].rpartition("/")[2]
    for name in HOMES[tenancy]:
        instance, _, own = name.partition(".")
        if tenancy == "schema":
            with psycopg.connect(urls[instance].replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(f'CREATE SCHEMA "{own}"'.encode())
        elif own:
            with postgres.connect() as connection:
                connection.execute(f"CREATE DATABASE {mark}_{own}".encode())
    if tenancy == "database":
        urls["cloud"] = postgres.url(mark + "_{tenant}")
    return ProductDatabase(
        databases={name: SecretStr(url) for name, url in urls.items()}, scratch=SecretStr(postgres.url("postgres"))
    )


def test_each_is_expanded_in_its_ring_and_once(told: Told) -> None:
    world = told.world
    world.start()
    assert told.revisions() == [("e2",), *[("e1",)] * 4]
    world.approve()
    assert world.start().name == "Released"
    assert world.production() == NEW
    assert told.revisions() == [("e2",)] * 5
    assert told.marks() == [[("e2",)]] * 5
    assert set(expanded(world)) == {"stage", *told.homes[1:]}


def test_one_that_fails_stops_its_ring_and_is_begun_again_alone(told: Told) -> None:
    world = told.world
    world.start()
    world.approve()
    dune = told.homes[3]
    told.ask(dune, "CREATE TABLE marks (in_the_way int)")
    said = fails(world, f"a revision failed on database '{dune}'")
    assert "DuplicateTable" in said
    assert world.production() == {**NEW, "birch": "1", "cedar": "1", "dune": "1"}
    told.ask(dune, "DROP TABLE marks")
    assert world.start().name == "Released"
    assert told.marks() == [[("e2",)]] * 5


@pytest.mark.parametrize("moment", range(20, 290, 30))
def test_killed_anywhere_each_gets_it_once(told: Told, moment: int) -> None:
    world = told.world
    world.start()
    world.approve()
    world.power.on()
    world.power.after = moment
    with contextlib.suppress(Killed):
        world.start()
    world.power.on()
    world.clock.at += timedelta(seconds=31)
    assert world.start().name == "Released"
    assert told.marks() == [[("e2",)]] * 5
    assert {name: fact[:2] for name, fact in expanded(world).items()} == dict.fromkeys(
        ("stage", *told.homes[1:]), (["e1"], ["e2"])
    )


def test_each_gives_up_what_only_the_version_before_needs_and_stage_goes_first(told: Told, tmp_path: Path) -> None:
    world = told.world
    tenancy = "schema" if "." in told.homes[0] else "database"
    says = product(tenancy).replace("parallel: 2", "parallel: 2, contract: {min_age: 1d, way_back: give_up}")
    taken = "ALTER TABLE marks DROP COLUMN what"
    world.commit("v3", product=says, more=files(tmp_path / "third", taken=taken))
    world.release("r3", "v3")
    world.clock.at += timedelta(days=1)
    told.ask(told.homes[2], "INSERT INTO marks VALUES ('kept')")
    assert world.contract("r3").name == "WaitingForApproval"
    assert set(world.last("contract_mandated", "r3").fact["databases"]) == {"stage", *told.homes[1:]}
    world.approve_contract("r3")
    assert world.contract("r3").name == "Contracted"
    assert told.revisions() == [("c1",)] * 5
    rows = [told.ask(name, "SELECT count(*) FROM marks")[0][0] for name in told.homes]
    assert rows == [1, 1, 2, 1, 1]
    columns = [
        told.ask(
            name,
            "SELECT count(*) FROM information_schema.columns WHERE table_name = 'marks'"
            " AND table_schema = current_schema()",
        )
        for name in told.homes
    ]
    assert columns == [[(0,)]] * 5
    databases = told.ask(told.homes[0], "SELECT datname FROM pg_database")
    assert not [name for (name,) in databases if name.endswith(_MARK)]
