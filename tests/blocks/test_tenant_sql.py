"""The tenant directory as a query: SQLite, and PostgreSQL with its own types, time limit and locks."""

import json
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr, ValidationError

from stationmaster.blocks.copies import wrong_fields
from stationmaster.blocks.tenant_copies import TenantsUnavailableError
from stationmaster.blocks.tenant_sql import SqlDirectory
from stationmaster.domain.documents import DocumentError
from tests.blocks.tenants_conformance import PRODUCT, AskedConformance, tenants
from tests.conftest import Postgres

QUERY = "SELECT * FROM customers ORDER BY place"


def columns_of(given: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(["id", *(key for one in given for key in one)]))


def cells(one: dict[str, Any], columns: list[str]) -> list[Any]:
    plain = [one.get(name) for name in columns]
    return [json.dumps(cell) if isinstance(cell, (list, dict)) else cell for cell in plain]


@dataclass
class Sqlite:
    path: Path
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def directory(self) -> SqlDirectory:
        query = "SELECT * FROM customers ORDER BY rowid"
        return SqlDirectory(url=SecretStr(f"sqlite:///{self.path}"), query=query, **self.more)

    def put(self, tenants: list[dict[str, Any]]) -> None:
        columns = columns_of(tenants)
        with sqlite3.connect(self.path) as connection:
            connection.execute("DROP TABLE IF EXISTS customers")
            connection.execute(f"CREATE TABLE customers ({', '.join(columns)})")
            marks = ", ".join("?" for _ in columns)
            rows = [cells(one, columns) for one in tenants]
            connection.executemany(f"INSERT INTO customers VALUES ({marks})", rows)  # noqa: S608 - of this test
        connection.close()

    def go_away(self) -> None:
        self.path.rename(self.path.with_suffix(".away"))

    def come_back(self) -> None:
        self.path.with_suffix(".away").rename(self.path)


@dataclass
class OnPostgres:
    server: Postgres
    url: str

    @property
    def directory(self) -> SqlDirectory:
        query = "SELECT * FROM customers"
        return SqlDirectory(url=SecretStr(self.url.replace("app@", "app:hunter2@")), query=query)

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)

    def put(self, tenants: list[dict[str, Any]]) -> None:
        columns = columns_of(tenants)
        with self.connect() as connection:
            connection.execute("DROP TABLE IF EXISTS customers")
            typed = SQL(", ").join(SQL("{} text").format(Identifier(name)) for name in columns)
            connection.execute(SQL("CREATE TABLE customers ({})").format(typed))
            marks = SQL(", ").join(SQL("%s") for _ in columns)
            for one in tenants:
                connection.execute(SQL("INSERT INTO customers VALUES ({})").format(marks), cells(one, columns))

    def go_away(self) -> None:
        self.server.stop()

    def come_back(self) -> None:
        if self.server.process is None:
            self.server.start()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))


@pytest.fixture
def sqlite(tmp_path: Path) -> Sqlite:
    return Sqlite(tmp_path / "crm.db")


class TestSqlite(AskedConformance):
    @pytest.fixture
    def world(self, sqlite: Sqlite) -> Sqlite:
        return sqlite

    @pytest.fixture
    def asked(self, sqlite: Sqlite) -> Sqlite:
        return sqlite


@pytest.mark.slow
class TestPostgres(AskedConformance):
    @pytest.fixture
    def world(self, postgres: Postgres) -> Any:
        made = OnPostgres(postgres, postgres.create())
        yield made
        made.come_back()

    @pytest.fixture
    def asked(self, world: OnPostgres) -> OnPostgres:
        return world


def directory(sqlite: Sqlite, query: str, **more: Any) -> SqlDirectory:
    return sqlite.directory.model_copy(update={"query": query, "cache": 0, **more})


def test_other_names_are_the_querys_matter_and_null_was_not_given(sqlite: Sqlite) -> None:
    sqlite.put([{"id": "acme", "slug": "c-1", "label": "A % of :all", "level": "pilot", "version": None}])
    query = (
        "SELECT slug AS id, label AS name, level AS ring, version AS pinned FROM customers WHERE label LIKE 'A %:all'"
    )
    (found,) = directory(sqlite, query).read(PRODUCT).tenants
    assert (found.id, found.name, found.ring, found.pinned) == ("c-1", "A % of :all", "pilot", None)


def test_json_that_is_none_names_the_row(sqlite: Sqlite) -> None:
    sqlite.put([*tenants("acme"), {**tenants("birch")[0], "sites": '["berlin"'}])
    with pytest.raises(DocumentError, match="sites: begins as JSON and is none") as caught:
        sqlite.directory.read()
    assert (caught.value.file, caught.value.line) == (f"tenants of {sqlite.path}", 2)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT nobody FROM customers", "no such column: nobody"),
        ("DELETE FROM customers", "attempt to write a readonly database"),
        ("CREATE TABLE more (id)", "attempt to write a readonly database"),
        ("PRAGMA query_only = OFF", "gives no rows"),
        ("SELECT 1; DELETE FROM customers", "one statement at a time"),
        ("", "gives no rows"),
    ],
)
def test_what_is_no_question_is_refused_and_changes_nothing(sqlite: Sqlite, query: str, said: str) -> None:
    sqlite.put(tenants("acme"))
    with pytest.raises(TenantsUnavailableError, match=said):
        directory(sqlite, query).read()
    assert len(sqlite.directory.read().tenants) == 1


def test_a_column_that_comes_twice_is_refused(sqlite: Sqlite) -> None:
    sqlite.put(tenants("acme"))
    with pytest.raises(DocumentError, match="gives column 'id' twice"):
        directory(sqlite, "SELECT id, name AS id FROM customers").read()


def test_a_file_that_is_missing_is_not_made(sqlite: Sqlite) -> None:
    with pytest.raises(TenantsUnavailableError, match="unable to open database file"):
        sqlite.directory.read()
    assert not sqlite.path.exists()


def test_a_query_without_end_is_ended(sqlite: Sqlite) -> None:
    sqlite.put(tenants("acme"))
    endless = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT max(id) AS id FROM n"
    began = time.monotonic()
    with pytest.raises(TenantsUnavailableError, match="takes too long"):
        directory(sqlite, endless, timeout=0.2).read()
    assert time.monotonic() - began < 5


def test_more_rows_than_anybody_has_tenants_are_refused(sqlite: Sqlite) -> None:
    sqlite.put(tenants("acme"))
    many = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n LIMIT 200000"
    with pytest.raises(TenantsUnavailableError, match="more than 100,000 rows"):
        directory(sqlite, many).read()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("hunter2", "must be postgresql"),
        ("mysql://app:hunter2@db/crm", "must be postgresql"),
        ("postgresql+psycopg2://app:hunter2@db/crm", "must be postgresql"),
        ("postgresql://app:hunter2@db:port/crm", "must be postgresql"),
        ("sqlite://", "names no file"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        SqlDirectory(url=SecretStr(url), query=QUERY)
    assert "hunter2" not in f"{caught.value} {wrong_fields(caught.value)}"


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    away = SqlDirectory(url=SecretStr("postgresql://app:hunter2@127.0.0.1:1/crm"), query=QUERY, timeout=1)
    with pytest.raises(TenantsUnavailableError, match=r"^127\.0\.0\.1/crm gives no tenants: .*refused") as caught:
        away.read()
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    rotated = away.model_copy(update={"url": SecretStr("postgresql+psycopg://other:new@127.0.0.1:1/crm")})
    assert rotated.copy_path == away.copy_path


@pytest.mark.slow
def test_postgres_is_only_read_within_its_time_and_by_its_own_types(postgres: Postgres) -> None:
    url = postgres.create()
    with OnPostgres(postgres, url).connect() as connection:
        connection.execute("CREATE TABLE customers (id text, sites text[], contacts jsonb)")
        connection.execute("""INSERT INTO customers VALUES ('acme', '{berlin,lyon}', '{"it": "it@acme.example"}')""")

    def asked(query: str, **more: Any) -> SqlDirectory:
        return SqlDirectory(url=SecretStr(url), query=query, **{"cache": 0, **more})

    query = "SELECT id, id::text AS name, 'pilot' AS ring, sites, contacts FROM customers WHERE id LIKE 'a%'"
    (found,) = asked(query).read(PRODUCT).tenants
    assert (found.sites, found.contacts) == (("berlin", "lyon"), {"it": "it@acme.example"})
    for words in (
        "DELETE FROM customers RETURNING id",
        "COMMIT; DELETE FROM customers",
        "SELECT 1; DROP TABLE customers",
    ):
        with pytest.raises(TenantsUnavailableError, match="read-only transaction"):
            asked(words).read()
    began = time.monotonic()
    with pytest.raises(TenantsUnavailableError, match="statement timeout"):
        asked("SELECT pg_sleep(30)", timeout=1).read()
    with psycopg.connect(url.replace("+psycopg", "")) as holder:
        holder.execute("LOCK TABLE customers")
        assert "statement timeout" in str(asked(query, timeout=1).look().note)
    assert time.monotonic() - began < 20
    assert len(asked(query).read().tenants) == 1
