"""What stands between a revision and PostgreSQL, in this process: which limits hold, and what is noted as done."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import OperationalError

from stationmaster.blocks.migration_journal import TABLE, Journal
from stationmaster.blocks.migration_runner import Runner, Way
from stationmaster.blocks.migration_sent import Options, mark_of
from stationmaster.blocks.migration_session import Session
from stationmaster.blocks.migration_statements import Statements
from stationmaster.blocks.migration_stop import NotNow
from stationmaster.blocks.migration_upgrade import engine_of
from stationmaster.domain.migration_class import classed
from stationmaster.domain.migration_rule import Scope
from tests.conftest import Postgres

LIMITS = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"


class World:
    """A database with a table, and revisions that run in this process."""

    def __init__(self, url: str) -> None:
        self.session, self.said = Session(url), list[str]()
        self.statements = Statements(self.session, Options(), self.said.append)
        self.engine = engine_of(url)
        self.url = url

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.session.look.execute(sql.encode()).fetchall()

    def noted(self) -> list[int]:
        """The statements that the next run would leave out."""
        if self.ask(f"SELECT to_regclass('{TABLE}')") == [(None,)]:
            return []
        return [row[0] for row in self.ask(f"SELECT number FROM {TABLE} WHERE done ORDER BY 1")]  # noqa: S608

    def recorded(self, connection: Connection, head: str = "e2") -> None:
        """As Alembic does it at the end of a revision."""
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})


@pytest.fixture
def world(postgres: Postgres) -> Iterator[World]:
    world = World(postgres.create())
    world.session.look.execute("CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)")
    world.session.look.execute(
        "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('e1')"
    )
    world.statements.listen()
    world.statements.start("e2")
    yield world
    for name, heard in world.statements.events:
        event.remove(Engine, name, heard)
    world.session.close()
    world.engine.dispose()


def sent(world: World) -> list[str]:
    world.statements.finish()
    return [one.statement.sql for one in world.statements.done]


# Connections beside ours


def test_what_another_connection_commits_says_nothing_of_what_is_open_here(world: World) -> None:
    with world.engine.connect() as ours:
        ours.exec_driver_sql("ALTER TABLE orders ADD note text")
        with ours.engine.connect() as other:
            other.exec_driver_sql("CREATE TABLE marks (id int)")
            other.commit()
        assert world.noted() == [2]
        ours.rollback()
    assert world.noted() == [2]
    world.statements.start("e2")  # a second run
    with world.engine.begin() as ours:
        ours.exec_driver_sql("ALTER TABLE orders ADD note text")
        with ours.engine.begin() as other:
            other.exec_driver_sql("CREATE TABLE marks (id int)")
        world.recorded(ours)
    assert world.said == ["is there already: CREATE TABLE marks (id int)"]
    assert world.ask("SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'note'") == [
        (1,)
    ]
    assert world.ask(f"SELECT to_regclass('{TABLE}')") == [(None,)]


def test_what_another_connection_rolls_back_takes_nothing_of_ours(world: World) -> None:
    with world.engine.begin() as ours:
        ours.exec_driver_sql("ALTER TABLE orders ADD note text")
        with ours.engine.connect() as other:
            other.exec_driver_sql("CREATE TABLE marks (id int)")
            other.rollback()
        world.recorded(ours)
    assert sent(world) == ["ALTER TABLE orders ADD note text"]


def test_a_connection_to_another_database_is_none_of_this_run(world: World, postgres: Postgres) -> None:
    other = engine_of(postgres.create())
    with world.engine.begin() as ours, other.begin() as theirs:
        theirs.exec_driver_sql("CREATE TABLE theirs (id int)")
        ours.exec_driver_sql("ALTER TABLE orders ADD note text")
        assert theirs.exec_driver_sql(f"SELECT to_regclass('{TABLE}')").scalar() is None
        world.recorded(ours)
    other.dispose()
    assert sent(world) == ["ALTER TABLE orders ADD note text"]


# Savepoints


def test_what_a_savepoint_takes_back_is_not_noted_as_done(world: World) -> None:
    with world.engine.connect() as ours:
        ours.exec_driver_sql("ALTER TABLE orders ADD a text")
        point = ours.begin_nested()
        ours.exec_driver_sql("ALTER TABLE orders ADD b text")
        point.rollback()
        with ours.begin_nested():
            ours.exec_driver_sql("ALTER TABLE orders ADD c text")
        ours.exec_driver_sql("SAVEPOINT by_hand")
        ours.exec_driver_sql("ALTER TABLE orders ADD d text")
        ours.exec_driver_sql("ROLLBACK TO by_hand")
        ours.exec_driver_sql("ALTER TABLE orders ADD e text")
        ours.exec_driver_sql("ROLLBACK TO by_hand")
        ours.commit()
    assert world.noted() == [1, 3]


def test_a_revision_may_go_on_after_an_error_in_a_savepoint(world: World) -> None:
    with world.engine.begin() as ours:
        ours.exec_driver_sql("ALTER TABLE orders ADD a text")
        with pytest.raises(Exception, match="duplicate key"), ours.begin_nested():
            ours.exec_driver_sql("INSERT INTO orders VALUES (1)")
        ours.exec_driver_sql("INSERT INTO orders VALUES (2)")
        world.recorded(ours)
    assert sent(world) == ["ALTER TABLE orders ADD a text", "INSERT INTO orders VALUES (2)"]
    assert world.ask("SELECT id FROM orders") == [(1,), (2,)]


def test_after_a_savepoint_the_limits_are_set_anew(world: World) -> None:
    with world.engine.connect() as ours:
        ours.exec_driver_sql("SELECT 1")
        point = ours.begin_nested()
        ours.exec_driver_sql("INSERT INTO orders VALUES (2)")
        point.rollback()
        ours.exec_driver_sql("INSERT INTO orders SELECT 3 WHERE current_setting('statement_timeout') = '5s'")
        assert ours.exec_driver_sql("SELECT max(id) FROM orders").scalar() == 3


# Limits


def test_while_a_lock_is_held_reads_and_new_tables_have_the_limit_of_what_is_long(world: World) -> None:
    with world.engine.connect() as ours:
        assert tuple(ours.exec_driver_sql(LIMITS).one()) == ("50ms", "0")
        ours.exec_driver_sql("CREATE TABLE fresh AS SELECT 1 AS id")
        ours.exec_driver_sql("INSERT INTO fresh SELECT 2")
        assert tuple(ours.exec_driver_sql(LIMITS).one()) == ("50ms", "0")
        ours.exec_driver_sql("ALTER TABLE orders ADD note text")
        assert tuple(ours.exec_driver_sql(LIMITS).one()) == ("50ms", "5s")
        ours.exec_driver_sql("CREATE TABLE told AS SELECT current_setting('statement_timeout') AS it")
        assert ours.exec_driver_sql("SELECT it FROM told").scalar() == "5s"
        ours.rollback()
        assert tuple(ours.exec_driver_sql(LIMITS).one()) == ("50ms", "0")


# Alembic's record


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("alembic_version", "alembic_version"), ("alembic_version", '"alembic_version"'),
        ("alembic_version", '"its own".alembic_version'), ("the versions", '"its own"."the versions"'),
    ],
)  # fmt: skip
def test_alembics_record_is_known_however_it_is_written(world: World, table: str, named: str) -> None:
    world.session.look.execute(f'CREATE SCHEMA "its own"; CREATE TABLE IF NOT EXISTS {named} (v text)'.encode())
    world.statements.book = table
    with world.engine.begin() as ours:
        ours.exec_driver_sql("ALTER TABLE orders ADD note text")
        ours.exec_driver_sql(f"DELETE FROM {named} WHERE '{table}' = 'x'")  # noqa: S608
    assert sent(world) == ["ALTER TABLE orders ADD note text"]
    assert world.noted() == []


def test_a_statement_that_only_names_alembics_table_is_the_revisions_own(world: World) -> None:
    with world.engine.begin() as ours:
        ours.exec_driver_sql("INSERT INTO orders SELECT 5 FROM alembic_version")
    assert world.noted() == [1]


# The journal


def test_other_values_make_another_statement(world: World) -> None:
    insert = text("INSERT INTO orders VALUES (:id)")
    with world.engine.begin() as ours:
        ours.execute(insert, {"id": 7})
    world.statements.start("e2")
    with pytest.raises(Exception, match="is another one now, or has other values"), world.engine.begin() as ours:
        ours.execute(insert, {"id": 8})
    world.statements.start("e2")
    with world.engine.begin() as ours:
        ours.execute(insert, {"id": 7})
    assert world.ask("SELECT id FROM orders") == [(1,), (7,)]


def test_a_mark_is_the_same_in_every_process() -> None:
    one = classed("INSERT INTO orders VALUES (%(value)s)", Scope())
    assert mark_of(one, {"value": object()}) == mark_of(one, {"value": object()})
    assert mark_of(one, {"value": "1"}) != mark_of(one, {"value": 1})


def test_only_the_rows_of_the_own_revision_go_and_the_table_when_it_is_empty(world: World) -> None:
    def ask(sql: str) -> list[tuple[Any, ...]]:
        cursor = world.session.look.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    for revision in ("c7", "e2"):
        Journal.read(revision, ask).note(1, "mark", ask, done=True)
    Journal.read("e2", ask).close(ask)
    assert world.ask(f"SELECT revision FROM {TABLE}") == [("c7",)]  # noqa: S608
    Journal.read("c7", ask).close(ask)
    assert world.ask(f"SELECT to_regclass('{TABLE}')") == [(None,)]


def test_values_that_were_bound_are_in_no_error(world: World) -> None:
    one = text("INSERT INTO orders SELECT 1 WHERE :name <> ''")
    with world.engine.connect() as ours:
        ours.engine.hide_parameters = False  # as a product's own engine has it
        with pytest.raises(Exception, match="duplicate key") as found:
            ours.execute(one, {"name": "Ana Person"})
    assert "Ana Person" not in str(found.value)


def test_a_lock_that_a_driver_did_not_get_is_known_with_and_without_sqlalchemy_around_it() -> None:
    error = LockNotAvailable("canceling statement due to lock timeout")
    runner = Runner(Way(None, None, "", None), None, print)  # type: ignore[arg-type]  # nothing runs
    for one in (error, OperationalError("ALTER TABLE", None, error)):
        assert isinstance(runner._missed(one), NotNow)
    assert runner._missed(ValueError("x")) is None
