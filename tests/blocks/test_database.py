"""Revisions on a real PostgreSQL: what runs, what is rendered, and every way in which it does not go well."""

import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from stationmaster.blocks import database as module
from stationmaster.blocks.database import (
    DatabaseUnknownError,
    DatabaseUnversionedError,
    Migrated,
    ProductDatabase,
    Revisions,
)
from stationmaster.blocks.migration_running import MigrationBusyError, MigrationFailedError, RevisionUnknownError
from stationmaster.blocks.migration_session import ADVISORY
from stationmaster.blocks.postgres import DatabaseAddressError, DatabaseUnreachableError
from stationmaster.domain.migration_copy import Rehearsal
from stationmaster.domain.migration_need import Need, need_of
from tests.blocks.database_conformance import DatabaseConformance, World
from tests.conftest import Postgres
from tests.fakes import FakeDatabase
from tests.rehearsals import add as add_revision
from tests.revisions import Scripts
from tests.stack import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("quick_guests")


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts.begin(tmp_path)


@pytest.fixture
def database(postgres: Postgres) -> ProductDatabase:
    return product_database(postgres, "cloud")


def product_database(postgres: Postgres, *names: str) -> ProductDatabase:
    databases = {name: SecretStr(postgres.create()) for name in names}
    return ProductDatabase(databases=databases, scratch=SecretStr(postgres.url("postgres")))


def connect(database: ProductDatabase, instance: str = "cloud") -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(database.url(instance).replace("+psycopg", ""), autocommit=True)


@contextmanager
def transaction(database: ProductDatabase, statement: str) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
    """A transaction that stays open until the block ends."""
    with connect(database) as connection, connection.transaction(force_rollback=True):
        connection.execute(statement.encode())
        yield connection


def put_at_e1(database: ProductDatabase) -> None:
    """As an expand of the scripts would, in less time."""
    with connect(database) as connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('e1')")


def with_total_alone(root: Path) -> Scripts:
    scripts = Scripts.begin(root)
    add_revision(scripts, "e2", "e1", "ALTER TABLE orders ADD total int", down="ALTER TABLE orders DROP total")
    return scripts


def on_ten_orders(revisions: Revisions) -> Revisions:
    asked = revisions.database.model_copy(update={"rehearsal": Rehearsal(rows={"orders": 10})})
    return replace(revisions, database=asked)


class TestPostgreSQL(DatabaseConformance):
    @pytest.fixture
    def world(self, tmp_path: Path, postgres: Postgres) -> World:
        good, raising = Scripts.begin(tmp_path / "good"), Scripts.begin(tmp_path / "raising")
        raising.add("e2", "e1", "ALTER TABLE orders ADD half int", "SELECT 1/0")
        databases = product_database(postgres, "cloud", "stage")
        rehearsed = on_ten_orders(with_total_alone(tmp_path / "rehearsed").revisions())
        return World(databases, good.revisions(), raising.revisions(), rehearsed, postgres.restart)

    @pytest.mark.slow
    def test_what_expand_would_run_is_rehearsed_on_a_copy_and_no_database_is_touched(self, world: World) -> None:
        super().test_what_expand_would_run_is_rehearsed_on_a_copy_and_no_database_is_touched(world)

    @pytest.mark.slow
    @pytest.mark.parametrize("needed", [True, False])
    def test_what_fails_on_the_copy_while_the_server_restarts_says_nothing(self, world: World, *, needed: bool) -> None:
        super().test_what_fails_on_the_copy_while_the_server_restarts_says_nothing(world, needed=needed)


class TestFake(DatabaseConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        secret = SecretStr("postgresql:///x")
        database = FakeDatabase(databases={"cloud": secret, "stage": secret}, scratch=secret)
        add = "ALTER TABLE orders ADD total int"
        for name, head, sql in (
            ("good", "e1", "CREATE TABLE orders ();"), ("raising", "e1", "RAISE"), ("rehearsed", "e2", add),
        ):  # fmt: skip
            folder = tmp_path / name / "export" / "migrations"
            folder.mkdir(parents=True)
            (folder / "head").write_text(head)
            (folder / "expand.sql").write_text(sql)
        good, raising, more = (Scripts(tmp_path / name).revisions() for name in ("good", "raising", "rehearsed"))
        return World(database, good, raising, on_ten_orders(more), database.restart)


# What runs


def test_what_is_rendered_is_what_upgrade_sends(
    database: ProductDatabase, scripts: Scripts, postgres: Postgres
) -> None:
    put_at_e1(database)
    scripts.add("e2", "e1", "ALTER TABLE orders ADD note text DEFAULT 'it''s; 100%'", depends="c0")
    scripts.add("e3", "e2", "CREATE INDEX ON orders (note)", code="op.drop_index('orders_note_idx')")
    with connect(database) as connection:
        setting = "ALTER DATABASE {} SET log_statement = 'all'"
        connection.execute(SQL(setting).format(Identifier(connection.info.dbname)))
    rendered = database.render(database.revision("cloud"), scripts.revisions())
    start = (postgres.root / "log").stat().st_size
    database.expand("cloud", scripts.revisions())
    sent = (postgres.root / "log").read_text()[start:]
    ours = ("SET ", "DO $$", "SELECT ", "SHOW ", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
    statements = [text for text in _logged(sent) if not text.upper().startswith(ours)]
    assert statements == [text for text in _statements(rendered) if not text.startswith(ours)]
    assert len([text for text in statements if "orders" in text]) == 3


def _logged(log: str) -> list[str]:
    found = re.findall(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)", log)
    return [" ".join(text.split()).rstrip(";") for text in found]


def _statements(text: str) -> list[str]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [" ".join(one.split()) for one in re.split(r";\n", lines) if one.strip()]


def test_a_head_that_others_depend_on_is_no_head_of_the_database(database: ProductDatabase, scripts: Scripts) -> None:
    put_at_e1(database)
    scripts.add("c1", "c0", "ALTER TABLE orders DROP COLUMN IF EXISTS old", depends="e1")
    assert database.expand("cloud", scripts.revisions("c1")) == Migrated(("e1",), ("c1",))
    assert database.render(("c1",), scripts.revisions()).strip() == ""
    scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    assert "ADD note text" in database.render(("c1",), scripts.revisions())
    assert database.expand("cloud", scripts.revisions()) == Migrated(("c1",), ("c1", "e2"))


@pytest.mark.slow
def test_a_product_may_import_its_own_modules_but_not_replace_ours(database: ProductDatabase, scripts: Scripts) -> None:
    export = scripts.revisions().export
    (export / "tables.py").write_text("NAME = 'orders'")
    (export / "alembic").mkdir()
    (export / "alembic" / "__init__.py").write_text("raise SystemExit('replaced')")
    scripts.add("e2", "e1", code="from tables import NAME\nop.execute(f'ALTER TABLE {NAME} ADD note text')")
    assert database.expand("cloud", scripts.revisions()).after == ("e2",)


@pytest.mark.slow
def test_a_folder_with_odd_letters_is_found(database: ProductDatabase, tmp_path: Path) -> None:
    scripts = Scripts.begin(tmp_path / "100% ü")
    assert "CREATE TABLE orders" in database.render((), scripts.revisions())


def test_a_revision_sees_its_database_and_no_secret_of_ours(
    scripts: Scripts, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = product_database(postgres, "cloud", "stage")
    for name in ("PREFECT_API_AUTH_STRING", "STATIONMASTER_LEDGER", "PGPASSWORD"):
        monkeypatch.setenv(name, "ours")
    scripts.add("e2", "e1", code="import os\nopen('seen', 'a').write(repr(dict(os.environ)))")
    seen = scripts.revisions().export / "seen"
    database.render((), scripts.revisions())
    assert "DATABASE_URL" not in seen.read_text()
    database.expand("cloud", scripts.revisions())
    assert repr(database.url("cloud")) in seen.read_text()
    assert "ours" not in seen.read_text()
    assert database.url("stage") not in seen.read_text()


# What does not go well


def test_a_revision_that_raises_is_named_and_rolled_back(database: ProductDatabase, scripts: Scripts) -> None:
    scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    scripts.add("e3", "e2", "ALTER TABLE orders ADD half text", "SELECT 1/0")
    with pytest.raises(MigrationFailedError) as caught:
        database.expand("cloud", scripts.revisions())
    assert "database 'cloud'" in caught.value.message
    assert "revision e3 raised DataError" in caught.value.message.splitlines()[-1]
    assert "division by zero" in caught.value.message
    assert database.revision("cloud") == ("e2",)
    with connect(database) as connection:
        columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0"
        assert [row[0] for row in connection.execute(columns).fetchall()] == ["id", "note"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('boom')", "revision e2 raised RuntimeError: boom"),
        ("raise SystemExit(75)", "revision e2 ended the process: 75"),
    ],
)
def test_any_end_of_a_revision_is_a_failure(database: ProductDatabase, scripts: Scripts, code: str, said: str) -> None:
    scripts.add("e2", "e1", code=code)
    with pytest.raises(MigrationFailedError) as caught:
        database.expand("cloud", scripts.revisions())
    assert said in str(caught.value)


def test_a_revision_that_cannot_be_rendered_is_named(database: ProductDatabase, scripts: Scripts) -> None:
    scripts.add("e2", "e1", code="op.get_bind().exec_driver_sql('SELECT 1').one()")
    with pytest.raises(MigrationFailedError, match=r"cannot be rendered from e1:(.|\n)*revision e2 raised"):
        database.render(("e1",), scripts.revisions())


@pytest.mark.slow
def test_what_a_revision_says_it_needs_stands_before_it_in_what_is_rendered(
    database: ProductDatabase, scripts: Scripts
) -> None:
    scripts.add("e2", "e1", "ALTER TABLE orders ALTER COLUMN id TYPE bigint")
    scripts.add("e3", "e2", "ALTER TABLE orders ADD note text")
    _say(scripts, "e3", "needs = 'maintenance'")
    found = need_of(database.render(("e1",), scripts.revisions()))
    assert found == Need("maintenance", 1, ("e3", "e2"))
    assert need_of(database.render((), scripts.revisions())) == Need("maintenance", 0, ("e3",))  # the table is new
    _say(scripts, "e3", "needs = 'maintenence'")
    with pytest.raises(MigrationFailedError, match="did you mean 'maintenance'"):
        database.render(("e1",), scripts.revisions())


def _say(scripts: Scripts, revision: str, line: str) -> None:
    file = scripts.root / "export" / "migrations" / "versions" / "expand" / f"{revision}.py"
    file.write_text(f"{file.read_text()}\n{line}\n")


def test_a_password_in_an_error_of_the_driver_is_hidden(scripts: Scripts, postgres: Postgres) -> None:
    url = postgres.create().replace("app@", "app:hunter2@")
    database = ProductDatabase(databases={"cloud": SecretStr(url)}, scratch=SecretStr(url))
    scripts.add("e2", "e1", code="import os\nraise RuntimeError(os.environ['DATABASE_URL'])")
    with pytest.raises(MigrationFailedError) as caught:
        database.expand("cloud", scripts.revisions())
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
    assert "app:***@" in caught.value.message


def test_a_database_ahead_of_the_commit_is_refused_before_anything_runs(
    database: ProductDatabase, scripts: Scripts
) -> None:
    put_at_e1(database)
    with connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'e2'")
    said = "^the database is at revision e2, which this commit does not have$"
    with pytest.raises(RevisionUnknownError, match=said):
        database.expand("cloud", scripts.revisions())
    with pytest.raises(RevisionUnknownError, match=said):
        database.render(("e2",), scripts.revisions())


@pytest.mark.parametrize("left", ["CREATE TABLE alembic_version (version_num text)", "SELECT 1"])
def test_tables_without_a_revision_are_refused(database: ProductDatabase, scripts: Scripts, left: str) -> None:
    with connect(database) as connection:
        connection.execute(left.encode())
        assert database.revision("cloud") == ()
        connection.execute("CREATE TABLE orders (id int)")
    with pytest.raises(DatabaseUnversionedError, match="'cloud' has tables, but alembic_version says no revision"):
        database.revision("cloud")
    with pytest.raises(DatabaseUnversionedError):
        database.expand("cloud", scripts.revisions())


def test_an_unknown_target_is_said_in_alembics_words(database: ProductDatabase, scripts: Scripts) -> None:
    with pytest.raises(MigrationFailedError, match="locate revision identified by 'expnad'"):
        database.expand("cloud", scripts.revisions("expnad@head"))


def test_an_unknown_instance_is_refused_with_the_nearest(database: ProductDatabase) -> None:
    with pytest.raises(DatabaseUnknownError) as caught:
        database.revision("clod")
    assert caught.value.hint == "did you mean 'cloud'?"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://app:hunter2@127.0.0.1:1/x", "'cloud' does not answer: .*refused"),
        ("mysql://app:hunter2@db/x", "'cloud' is not one of PostgreSQL"),
        ("hunter2", "'cloud' is not one of PostgreSQL"),
        ("postgresql://app:hunter2@db:port/x", "'cloud'"),
    ],
)
def test_a_database_that_cannot_be_reached_is_named_without_its_password(url: str, said: str) -> None:
    database = ProductDatabase(databases={"cloud": SecretStr(url)}, scratch=SecretStr(url))
    with pytest.raises((DatabaseAddressError, DatabaseUnreachableError), match=said) as caught:
        database.revision("cloud")
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


# Locks


def test_a_revision_waits_briefly_and_again_until_the_lock_is_free(database: ProductDatabase, scripts: Scripts) -> None:
    put_at_e1(database)
    scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    done: list[Migrated] = []
    with transaction(database, "LOCK TABLE orders IN ACCESS SHARE MODE"):
        runner = threading.Thread(target=lambda: done.append(database.expand("cloud", scripts.revisions())))
        runner.start()
        log = scripts.revisions().home / "migrations-upgrade.log"
        eventually(lambda: log.exists() and "lock timeout" in log.read_text(), within=20)
        with connect(database) as other:
            began = time.monotonic()
            other.execute("SELECT count(*) FROM orders")
            assert time.monotonic() - began < 1
    runner.join(timeout=30)
    assert done == [Migrated(("e1",), ("e2",))]


def test_a_lock_that_is_never_free_names_its_holder(
    database: ProductDatabase, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    put_at_e1(database)
    scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    with transaction(database, "LOCK TABLE orders") as holder:
        holder.execute("SET application_name = 'report'")
        with pytest.raises(MigrationBusyError) as caught:
            database.expand("cloud", scripts.revisions())
        assert f"(pid {holder.info.backend_pid}, application report)" in caught.value.message
    assert "no lock within 50 ms in " in caught.value.message
    assert database.revision("cloud") == ("e1",)


def test_the_lock_timeout_holds_whatever_the_address_says(postgres: Postgres, scripts: Scripts) -> None:
    url = f"{postgres.create()}&options=-c%20lock_timeout%3D0"
    database = ProductDatabase(databases={"cloud": SecretStr(url)}, scratch=SecretStr(url))
    show = "shown = op.get_bind().exec_driver_sql('SHOW lock_timeout').scalar()\nopen('shown', 'w').write(shown)"
    scripts.add("e2", "e1", code=show)
    database.expand("cloud", scripts.revisions())
    assert (scripts.revisions().export / "shown").read_text() == "50ms"


@pytest.mark.slow
def test_a_statement_outside_a_transaction_may_wait(database: ProductDatabase, scripts: Scripts) -> None:
    database.expand("cloud", scripts.revisions())
    code = "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY later ON orders (id)')"
    scripts.add("e2", "e1", code=code)
    with transaction(database, "INSERT INTO orders VALUES (1)"):
        runner = threading.Thread(target=lambda: database.expand("cloud", scripts.revisions()))
        runner.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        with connect(database) as other:
            eventually(lambda: other.execute(waits).fetchone() == (1,), within=20)
            time.sleep(0.2)
            assert other.execute(waits).fetchone() == (1,)
    runner.join(timeout=30)
    assert database.revision("cloud") == ("e2",)


@pytest.mark.slow
def test_one_runner_at_a_time_for_each_database(
    postgres: Postgres, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    database = product_database(postgres, "cloud", "stage")
    with connect(database) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (ADVISORY,))
        with pytest.raises(MigrationBusyError, match="'cloud': another runner migrates this database"):
            database.expand("cloud", scripts.revisions())
        assert database.expand("stage", scripts.revisions()).after == ("e1",)
    assert database.expand("cloud", scripts.revisions()).after == ("e1",)


RUNNER = """
import sys
from pathlib import Path
from pydantic import SecretStr
from stationmaster.blocks.database import ProductDatabase
from tests.revisions import Scripts
database = ProductDatabase(databases={"cloud": SecretStr(sys.argv[1])}, scratch=SecretStr(""))
database.expand("cloud", Scripts(Path(sys.argv[2])).revisions())
"""


@pytest.mark.slow
def test_a_killed_runner_may_be_run_again_at_once(database: ProductDatabase, scripts: Scripts) -> None:
    put_at_e1(database)
    scripts.add("e2", "e1", "ALTER TABLE orders ADD half text", "SELECT pg_sleep(60)")
    begin = [sys.executable, "-c", RUNNER, database.url("cloud"), str(scripts.root)]
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    with connect(database) as looking:
        with subprocess.Popen(begin, cwd=Path(__file__).parents[2]) as runner:
            eventually(lambda: looking.execute(sleeping).fetchone() == (1,), within=30)
            runner.send_signal(signal.SIGKILL)
        scripts.add("e2", "e1", "ALTER TABLE orders ADD whole text")
        assert database.expand("cloud", scripts.revisions()).after == ("e2",)
        assert looking.execute(sleeping).fetchone() == (0,)


# Scratch databases


@pytest.mark.parametrize(
    "server", ["postgresql+psycopg://app@/postgres?host={}", "postgresql:///postgres?user=app&host={}"]
)
def test_a_scratch_database_is_empty_and_gone_afterwards(postgres: Postgres, server: str) -> None:
    database = ProductDatabase(databases={}, scratch=SecretStr(server.format(postgres.root)))
    for _ in range(2):
        with database.scratch_database("scratch_a") as address, psycopg.connect(address) as connection:
            assert connection.info.dbname == "scratch_a"
            connection.execute("CREATE TABLE t ()")
    assert "scratch_a" not in names(postgres)


def test_a_scratch_database_that_a_kill_left_in_use_is_replaced(postgres: Postgres) -> None:
    database = product_database(postgres)
    with postgres.connect() as connection:
        connection.execute("CREATE DATABASE scratch_b")
    left = postgres.connect("scratch_b")
    left.execute("CREATE TABLE t ()")
    with database.scratch_database("scratch_b") as address, psycopg.connect(address) as fresh:
        assert fresh.execute("SELECT to_regclass('t')").fetchone() == (None,)
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
    left.close()


def test_long_names_of_scratch_databases_stay_apart(postgres: Postgres) -> None:
    database, long = product_database(postgres), "scratch_" + "r" * 70
    with database.scratch_database(f"{long}_a") as one, database.scratch_database(f"{long}_b") as other:
        assert one != other
        psycopg.connect(one).close()
        psycopg.connect(other).close()


def test_what_fails_with_a_scratch_database_keeps_its_own_name(postgres: Postgres) -> None:
    database = product_database(postgres)
    with pytest.raises(ZeroDivisionError), database.scratch_database("scratch_c"):
        raise ZeroDivisionError
    assert "scratch_c" not in names(postgres)


def names(postgres: Postgres) -> set[str]:
    with postgres.connect() as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
