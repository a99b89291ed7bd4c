"""Backfills of a product's databases, the real ones and the fake alike: for whom they may, paused, resumed, lost."""

import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from stationmaster.blocks.backfilling import Options
from stationmaster.blocks.database import ProductDatabase
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.homes import place_of
from tests.conftest import Postgres
from tests.fakes import FakeDatabase

ONE = Backfill(
    name="totals", table="orders", key="id", tenant="tenant_id", set="minor = total * 100", todo="minor IS NULL",
)  # fmt: skip
ROWS = "INSERT INTO orders SELECT i, CASE WHEN i %% 3 = 0 THEN 'birch' ELSE 'acme' END, i FROM generate_series(1, 9) i"
TABLE = "CREATE TABLE orders (id int PRIMARY KEY, tenant_id text NOT NULL, total int NOT NULL, minor bigint)"


class BackfillConformance:
    @pytest.fixture
    def database(self) -> Any:
        """`cloud` has six rows of acme and three of birch that are to be filled in."""
        raise NotImplementedError

    def test_nothing_is_known_before_it_began_and_to_lose_it_does_nothing(self, database: Any) -> None:
        database.lose_backfill("cloud", "totals", ["acme"], "it went back")
        assert database.backfills("cloud") == ()

    def test_it_is_filled_in_and_verified_for_each_tenant(self, database: Any) -> None:
        ended = database.backfill("cloud", ONE, Options())
        assert (ended.name, ended.rows, ended.verified, ended.held) == ("totals", 9, True, None)
        assert states(database) == {"acme": "verified", "birch": "verified"}

    def test_whom_it_may_not_touch_is_left_and_is_done_when_it_may(self, database: Any) -> None:
        ended = database.backfill("cloud", ONE, Options(may=lambda one: "audit" if one == "acme" else None))
        assert (ended.rows, ended.verified, ended.reasons.get("acme")) == (3, False, "audit")
        assert states(database) == {"acme": "pending", "birch": "verified"}
        assert database.backfill("cloud", ONE, Options(only=["acme"])).verified

    def test_who_is_paused_stays_so_until_resumed(self, database: Any) -> None:
        database.backfill("cloud", ONE, Options(may=lambda one: "audit" if one == "acme" else None))
        database.pause_backfill("cloud", "totals", "acme", "month end")
        assert not database.backfill("cloud", ONE, Options(only=["acme"])).verified
        (acme,) = [one for one in database.backfills("cloud")[0].tenants if one.tenant == "acme"]
        assert (acme.state, acme.reason) == ("paused", "month end")
        database.resume_backfill("cloud", "totals", "acme")
        assert database.backfill("cloud", ONE, Options(only=["acme"])).verified

    def test_who_lost_it_is_verified_anew(self, database: Any) -> None:
        database.backfill("cloud", ONE, Options())
        database.lose_backfill("cloud", "totals", ["acme"], "1.1.0 serves it")
        assert states(database) == {"acme": "pending", "birch": "verified"}
        assert database.backfill("cloud", ONE, Options(only=["acme"])).verified

    def test_it_ends_when_it_is_stopped_and_asks_before(self, database: Any) -> None:
        stop = threading.Event()

        def hold() -> str:
            stop.set()
            return "it goes back"

        ended = database.backfill("cloud", ONE, Options(hold=hold, stop=stop))
        assert not ended.verified
        assert database.backfill("cloud", ONE, Options()).verified


def states(database: Any) -> dict[str, str]:
    (found,) = database.backfills("cloud")
    return {one.tenant: one.state for one in found.tenants}


class TestPostgreSQL(BackfillConformance):
    @pytest.fixture
    def database(self, postgres: Postgres) -> ProductDatabase:
        url = postgres.create()
        with postgres.connect(urlsplit(url).path[1:]) as connection:
            connection.execute(TABLE)
            connection.execute(ROWS.replace("%%", "%"))
        return ProductDatabase(databases={"cloud": SecretStr(url)}, scratch=SecretStr(url))


class TestFake(BackfillConformance):
    @pytest.fixture
    def database(self) -> FakeDatabase:
        secret = SecretStr("postgresql:///x")
        made = FakeDatabase(databases={"cloud": secret}, scratch=secret)
        made.engine.rows = {"cloud": {"acme": 6, "birch": 3}}
        return made


@dataclass
class Schemas:
    """Two tenants, each with a schema of its own in one database, and a backfill of which one began."""

    database: ProductDatabase
    one: Backfill

    def states(self, name: str) -> list[str]:
        return [one.state for each in self.database.backfills(name) for one in each.tenants]


@pytest.fixture
def schemas(postgres: Postgres) -> Schemas:
    url = postgres.create()
    with postgres.connect(urlsplit(url).path[1:]) as connection:
        for schema in ("t_acme", "t_birch"):
            connection.execute(f"CREATE SCHEMA {schema}".encode())
            connection.execute(TABLE.replace("orders", f"{schema}.orders").encode())
            connection.execute(ROWS.replace("%%", "%").replace("orders", f"{schema}.orders").encode())
    database = ProductDatabase(databases={"cloud": SecretStr(url)}, scratch=SecretStr(url))
    return Schemas(database, ONE.model_copy(update={"tenant": None}))


def test_each_schema_has_a_job_of_its_own_and_none_is_told_of_another(schemas: Schemas) -> None:
    assert schemas.database.backfill("cloud.t_acme", schemas.one, Options()).rows == 9
    assert place_of("cloud.t_birch")[1] == "t_birch"
    assert (schemas.states("cloud.t_acme"), schemas.states("cloud.t_birch")) == (["verified"], [])
    schemas.database.lose_backfill("cloud.t_birch", "totals", ["*"], "it went back")
    assert schemas.states("cloud.t_acme") == ["verified"]
    assert schemas.database.backfill("cloud.t_birch", schemas.one, Options()).verified
    schemas.database.lose_backfill("cloud.t_birch", "totals", ["*"], "it went back")
    assert (schemas.states("cloud.t_acme"), schemas.states("cloud.t_birch")) == (["verified"], ["pending"])
