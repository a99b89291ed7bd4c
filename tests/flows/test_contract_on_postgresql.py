"""A contract told whole on a real PostgreSQL, with Alembic's own revisions: two cloud tenants on one database, a pinned
one alone on its own. The rest of the world is in memory.
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
from stationmaster.domain.rollback import NotProvedError
from tests.conftest import Postgres
from tests.revisions import Scripts
from tests.shop import PRODUCT, TENANTS
from tests.world import Killed, Wired, World
from tests.world import world as made

pytestmark = pytest.mark.slow

BACKFILLS = """\
backfills:
  - name: totals
    revision: e2
    table: orders
    key: id
    set: "total_minor = total * 100"
    todo: "total_minor IS NULL"
    verify: "total_minor = total * 100"
"""
SAYS = PRODUCT.replace(
    "{migrations: migrations}",
    '{migrations: migrations, contract: {min_age: 1d, way_back: give_up, application: "shop {version}"},'
    " restore: {takes: 45m, loses: 15m}}",
)


@dataclass
class Told:
    """The world, and its databases by SQL."""

    world: World
    database: ProductDatabase

    def ask(self, instance: str, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.plain(instance), autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def plain(self, instance: str) -> str:
        return self.database.url(instance).replace("+psycopg", "")

    def columns(self, instance: str) -> list[str]:
        wanted = "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders' ORDER BY 1"
        return [row[0] for row in self.ask(instance, wanted)]

    def unmet(self) -> dict[tuple[str, str], str]:
        told = self.world.last("waiting").fact.get("contract", [])
        return {(one["instance"], one["name"]): one["reason"] for one in told if not one["met"]}


def files(root: Path, *, second: bool) -> dict[str, str]:
    """The scripts as a commit has them: the expand of version 1, and of version 2 the next and its contract."""
    scripts = Scripts.begin(root)
    if second:
        scripts.add("e2", "e1", "ALTER TABLE orders ADD total_minor int")
        scripts.add("c1", "c0", "ALTER TABLE orders DROP COLUMN total", depends="e2")
    export = root / "export"
    return {str(one.relative_to(export)): one.read_text() for one in export.rglob("*.py")}


@pytest.fixture
def told(postgres: Postgres, tmp_path: Path) -> Iterator[Told]:
    """Version 2 brings a contract and reached everybody but cedar, who is pinned, a day ago."""
    with made() as world:
        names = ("stage", "cloud", "cedar")
        database = ProductDatabase(
            databases={name: SecretStr(postgres.create()) for name in names},
            scratch=SecretStr(postgres.url("postgres")),
        )
        wired: Any = Wired("database", database, world.power)
        world.tools = replace(world.tools, database=wired)
        story = Told(world, database)
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        first = Scripts.begin(tmp_path / "one" / "expand")
        for name in names:
            database.expand(name, first.revisions())
            story.ask(name, "ALTER TABLE orders ADD total int")
            story.ask(name, "INSERT INTO orders VALUES (1, 2)")
        world.directory.write_text(TENANTS.replace("hosting: dedicated", 'hosting: dedicated, pinned: "1"'))
        more = files(tmp_path / "two" / "scripts", second=True) | {"backfills.yaml": BACKFILLS}
        world.commit("v2", product=SAYS, more=more)
        world.release()
        world.clock.at += timedelta(days=1)
        yield story


def test_it_waits_for_rows_and_sessions_takes_the_column_from_one_database_and_leaves_the_other(told: Told) -> None:
    world = told.world
    assert told.ask("cloud", "SELECT total_minor FROM orders") == [(200,)], "the release filled it in"
    assert told.ask("cedar", "SELECT to_regclass('stationmaster.backfill') IS NULL") == [(True,)], "cedar is pinned"
    told.ask("cloud", "UPDATE orders SET total_minor = 1")
    with psycopg.connect(told.plain("cloud"), application_name="shop 1"):
        assert world.contract().name == "WaitingForVersions"
        unmet = told.unmet()
        assert unmet["cloud", "sessions"] == "session 'shop 1' runs 1"
        assert unmet["cloud", "backfills"] == "totals: 1 rows are not as verify says"
        assert unmet["cedar", "tenants"] == "cedar runs 1"
    told.ask("cloud", "UPDATE orders SET total_minor = total * 100")
    assert world.contract().name == "WaitingForApproval"
    assert set(world.last("contract_mandated").fact["databases"]) == {"cloud", "stage"}
    world.approve_contract()
    assert world.contract().name == "WaitingForVersions"
    assert told.columns("cloud") == told.columns("stage") == ["id", "total_minor"]
    assert told.columns("cedar") == ["id", "total"]
    assert {instance for instance, _ in told.unmet()} == {"cedar"}
    with pytest.raises(NotProvedError) as refused:
        world.rollback("r2", now=True)
    assert "1 works on schema c1" in refused.value.message
    assert "takes 45m and loses what was written in the last 15m (declared, never measured)" in str(refused.value.hint)
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "1"}


@pytest.mark.parametrize("moment", range(5, 180, 5))
def test_killed_anywhere_it_drops_the_column_once_and_leaves_no_copy(told: Told, moment: int) -> None:
    world = told.world
    told.ask("cloud", "UPDATE orders SET total_minor = total * 100")
    world.contract()
    world.approve_contract()
    world.power.on()
    world.power.after = moment
    with contextlib.suppress(Killed):
        world.contract()
    world.power.on()
    world.clock.at += timedelta(seconds=31)
    assert world.contract().name == "WaitingForVersions"
    assert told.columns("cloud") == told.columns("stage") == ["id", "total_minor"]
    assert [step for step, subject in world.facts() if subject == "cloud" and "contract" in step] == [
        "contracting", "contracted",
    ]  # fmt: skip
    copies = "SELECT count(*) FROM pg_database WHERE datname LIKE '%_before_contract'"
    assert told.ask("cloud", copies) == [(0,)]
