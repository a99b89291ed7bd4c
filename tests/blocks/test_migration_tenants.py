"""Tenants' own schemas and databases on a real PostgreSQL: each is looked at and expanded by itself."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from stationmaster.blocks.database import DatabaseUnknownError, DatabaseUnversionedError, Migrated, ProductDatabase
from stationmaster.blocks.migration_dump import program
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.blocks.migration_tenants import SchemaMissingError, address
from stationmaster.domain.migration_copy import Rehearsal
from tests.conftest import Postgres
from tests.rehearsals import add
from tests.revisions import Scripts
from tests.stack import eventually

NAMES = ("cloud.t_acme", "cloud.t-birch", "cloud.t_cedar")


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts.begin(tmp_path)


@pytest.fixture
def schemas(postgres: Postgres) -> ProductDatabase:
    """A database with three tenants' schemas, and a table of nobody's in public."""
    made = ProductDatabase(
        databases={"cloud": SecretStr(postgres.create())}, scratch=SecretStr(postgres.url("postgres"))
    )
    for name in NAMES:
        do(made, f'CREATE SCHEMA "{name.partition(".")[2]}"')
    do(made, "CREATE TABLE nobodys (id int)")
    return made


def do(database: ProductDatabase, statement: str, name: str = "cloud") -> list[tuple[object, ...]]:
    url = database.url(name).replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def test_an_address_leads_to_one_tenant_alone() -> None:
    assert address("postgresql://app:pw@db/shop_{tenant}?sslmode=require", "acme") == (
        "postgresql://app:pw@db/shop_acme?sslmode=require"
    )
    assert address("postgresql+psycopg://app@/shop?host=/run/x", "t-a") == (
        "postgresql://app@/shop?host=%2Frun%2Fx&options=-csearch_path%3D%22t-a%22"
    )
    assert "-cstatement_timeout%3D5%20-csearch_path" in address("postgresql://db/x?options=-cstatement_timeout=5", "t")


def test_each_schema_is_at_its_own_revision(schemas: ProductDatabase, scripts: Scripts) -> None:
    assert [schemas.revision(name) for name in NAMES] == [(), (), ()]
    done = schemas.expand_each(NAMES[:2], scripts.revisions())
    assert done == {name: Migrated((), ("e1",)) for name in NAMES[:2]}
    assert [schemas.revision(name) for name in NAMES] == [("e1",), ("e1",), ()]


def test_a_schema_with_tables_and_no_revision_is_refused_and_what_is_beside_it_does_not_count(
    schemas: ProductDatabase,
) -> None:
    assert schemas.revision(NAMES[0]) == ()  # though public has a table
    do(schemas, "CREATE TABLE t_acme.orders (id int)")
    with pytest.raises(DatabaseUnversionedError, match=r"'cloud.t_acme' has tables"):
        schemas.revision(NAMES[0])


def test_a_schema_that_is_not_there_is_named_with_the_nearest(schemas: ProductDatabase) -> None:
    with pytest.raises(SchemaMissingError, match="the database of 'cloud' has no schema 't_acne'") as missing:
        schemas.revision("cloud.t_acne")
    assert missing.value.hint == "did you mean 't_acme'?"


@pytest.mark.slow
def test_what_fails_keeps_the_others_exact_and_is_told_in_its_own_words(
    schemas: ProductDatabase, scripts: Scripts
) -> None:
    schemas.expand_each(NAMES, scripts.revisions())
    here = "op.get_bind().exec_driver_sql('SELECT current_schema()').scalar()"
    code = f"if {here} == 't-birch':\n    raise RuntimeError('no')"
    scripts.add("e2", "e1", "ALTER TABLE orders ADD note text", code=code)
    asked = scripts.revisions()
    asked = replace(asked, database=asked.database.model_copy(update={"parallel": 1}))
    done = schemas.expand_each(NAMES, asked)
    assert done["cloud.t_acme"] == Migrated(("e1",), ("e2",))
    assert list(done) == ["cloud.t_acme", "cloud.t-birch"]
    failed = done["cloud.t-birch"]
    assert isinstance(failed, MigrationFailedError)
    assert "a revision failed on database 'cloud.t-birch'" in failed.message
    assert "revision e2 raised RuntimeError: no" in failed.message
    assert [schemas.revision(name) for name in NAMES] == [("e2",), ("e1",), ("e1",)]


def test_a_database_each_by_one_address(postgres: Postgres, scripts: Scripts) -> None:
    mark = postgres.create().partition("?")[0].rpartition("/")[2]
    with postgres.connect() as connection:
        for name in ("acme", "birch"):
            connection.execute(f"CREATE DATABASE {mark}_{name}".encode())
    url = SecretStr(postgres.url(mark + "_{tenant}"))
    each = ProductDatabase(databases={"cloud": url}, scratch=SecretStr(postgres.url("postgres")))
    done = each.expand_each(["cloud.acme", "cloud.birch"], scripts.revisions())
    assert done == {name: Migrated((), ("e1",)) for name in ("cloud.acme", "cloud.birch")}
    assert each.revision("cloud.birch") == ("e1",)
    with pytest.raises(DatabaseUnknownError, match="'cloud' is no database"):
        each.revision("cloud")


_RUN = """
import json, sys
from pathlib import Path
from pydantic import SecretStr
from stationmaster.blocks.database import ProductDatabase, Revisions
from stationmaster.domain.product import Database
url, root, names = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
database = ProductDatabase(databases={"cloud": SecretStr(url)}, scratch=SecretStr(url))
asked = Database(migrations="migrations", tenancy="schema", expand="heads", parallel=4)
database.expand_each(names, Revisions(asked, root / "export", root / "home"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("goal", [1, 9, 17])
def test_killed_with_sigkill_no_tenant_gets_a_revision_twice(
    schemas: ProductDatabase, scripts: Scripts, goal: int
) -> None:
    names = [f"cloud.k_{n:02}" for n in range(24)]
    for name in names:
        do(schemas, f"CREATE SCHEMA {name.partition('.')[2]}")
    scripts.add("e2", "e1", "CREATE TABLE marks (revision text)", "INSERT INTO marks VALUES ('e2')")
    scripts.add("e3", "e2", "ALTER TABLE orders ADD note text", "INSERT INTO marks VALUES ('e3')")
    url, root = schemas.databases["cloud"].get_secret_value(), str(scripts.root)
    command = [sys.executable, "-c", _RUN, url, root, json.dumps(names)]
    there = "SELECT count(*) FROM pg_tables WHERE tablename = 'marks'"
    with subprocess.Popen(command, env=os.environ) as process:
        eventually(lambda: do(schemas, there)[0][0] >= goal or process.poll() is not None, within=60)  # type: ignore[operator]
        process.send_signal(signal.SIGKILL)
    time.sleep(0.5)
    done = schemas.expand_each(names, scripts.revisions("heads"))
    assert all(isinstance(one, Migrated) for one in done.values())
    assert {schemas.revision(name)[-1:] for name in names} == {("e3",)}
    marks = [do(schemas, "SELECT revision FROM marks ORDER BY 1", name) for name in names]
    assert marks == [[("e2",), ("e3",)]] * len(names)


@pytest.mark.slow
def test_a_change_is_rehearsed_on_the_dump_of_one_tenants_schema(
    schemas: ProductDatabase, tmp_path: Path, scripts: Scripts
) -> None:
    schemas.expand_each(["cloud.t_acme"], scripts.revisions())
    do(schemas, "INSERT INTO orders SELECT n FROM generate_series(1, 700) n", "cloud.t_acme")
    dump = tmp_path / "acme.dump"
    url = schemas.url("cloud").replace("+psycopg", "")
    taken = [str(program("pg_dump")), "--format=custom", "--schema=t_acme", f"--file={dump}", f"--dbname={url}"]
    subprocess.run(taken, check=True, timeout=60)
    add(scripts, "e2", "e1", "ALTER TABLE orders ADD total int", down="ALTER TABLE orders DROP total")
    given = scripts.revisions()
    asked = Rehearsal(dump=str(dump), dump_schema="t_acme", anonymised=True)
    declared = given.database.model_copy(update={"rehearsal": asked, "tenancy": "schema"})
    found = schemas.rehearse(replace(given, database=declared), ("e1",), "stm_rehearsal_tenant", datetime.now(UTC))
    assert (found.before, found.after, found.undone, found.findings) == (("e1",), ("e2",), ("e2",), ())
    assert sum(found.rows.values()) >= 700
    assert schemas.revision("cloud.t_acme") == ("e1",)
