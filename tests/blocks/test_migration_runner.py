"""The runner on a real PostgreSQL: which timeouts a statement gets, who is in its way, what is built again."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stationmaster.blocks.migration_running import Guest, Ran, error_of, migrate
from stationmaster.domain.migration_class import digest_of
from tests.conftest import Postgres
from tests.revisions import Scripts
from tests.stack import eventually

AUTOCOMMIT = "with op.get_context().autocommit_block():\n    "
SHOW = (
    "names = ('lock_timeout', 'statement_timeout')\n"
    "found = [op.get_bind().exec_driver_sql(f'SHOW {name}').scalar() for name in names]\n"
    "print('SET TO', *found)"
)


class World:
    """A database, the revisions of a product, and a runner's way to bring them together."""

    def __init__(self, postgres: Postgres, root: Path) -> None:
        self.postgres, self.scripts = postgres, Scripts.begin(root)
        self.url = postgres.create()
        self.said: list[str] = []

    @property
    def log(self) -> str:
        return self.guest().log.read_text()

    def guest(self, *options: str, target: str = "expand@head") -> Guest:
        root = self.scripts.root
        return Guest(root / "export" / "migrations", target, root / "export", root / "home", 60, options)

    def run(self, *options: str, target: str = "expand@head", url: str | None = None) -> Ran:
        return migrate(self.guest(*options, target=target), url or self.url, self.said.append)

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)

    def ask(self, sql: str) -> Any:
        with self.connect() as connection:
            return connection.execute(sql.encode()).fetchall()

    def do(self, *statements: str) -> None:
        with self.connect() as connection:
            for one in statements:
                connection.execute(one.encode())

    def at_e1(self) -> "World":
        """As the scripts' expand would leave it, in less time."""
        self.do(
            "CREATE TABLE orders (id int PRIMARY KEY)",
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
            "INSERT INTO alembic_version VALUES ('e1')",
        )
        return self


@pytest.fixture
def world(postgres: Postgres, tmp_path: Path, quick_guests: None) -> World:
    return World(postgres, tmp_path).at_e1()


def sent(ran: Ran) -> list[tuple[str, str | None, int]]:
    return [(one["sql"], one["lock"], one["attempts"]) for one in ran.statements]


# Without and with env.py


@pytest.mark.slow
def test_env_py_is_not_imported_unless_it_is_asked_for(world: World) -> None:
    env = world.guest().scripts / "env.py"
    env.write_text("print('ENV IMPORTED')\n" + env.read_text())
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    assert sent(world.run()) == [("ALTER TABLE orders ADD note text", "ACCESS EXCLUSIVE", 1)]
    assert "ENV IMPORTED" not in world.log
    world.scripts.add("e3", "e2", "ALTER TABLE orders ADD more text", code=SHOW)
    ran = world.run("--env")
    assert (ran.before, ran.after) == (("e2",), ("e3",))
    assert sent(ran) == [("ALTER TABLE orders ADD more text", "ACCESS EXCLUSIVE", 1)]
    assert "ENV IMPORTED" in world.log
    assert "SET TO 50ms 5s" in world.log  # also of a read, while the lock of the statement before it is held


# Timeouts


def test_each_kind_of_statement_has_its_timeouts(world: World) -> None:
    trigger = (
        "CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN "
        "INSERT INTO told SELECT current_query(), current_setting('lock_timeout'), "
        "current_setting('statement_timeout'); "
        "END$$"
    )
    world.do(
        "CREATE TABLE told (query text, lock text, statement text)", trigger,
        "CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION told()",
        "ALTER TABLE orders ADD CONSTRAINT small CHECK (id < 10) NOT VALID", "TRUNCATE told",
    )  # fmt: skip
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text", "SET LOCAL lock_timeout = '7s'",
                      "CREATE INDEX slow ON orders (note)")  # fmt: skip
    world.scripts.add("e3", "e2", "ALTER TABLE orders VALIDATE CONSTRAINT small", "ALTER TABLE orders ADD last text")
    world.scripts.add("e4", "e3", code=f"{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY later ON orders (id)')\n"
                      "    op.execute('ALTER TABLE orders ADD alone text')")  # fmt: skip
    world.run("--least-ms", "6000")
    found = world.ask("SELECT query, lock, statement FROM told WHERE query LIKE '%orders%' ORDER BY ctid")
    assert [(re.sub(r" .*", "", query.replace("ALTER TABLE orders ", "")), *rest) for query, *rest in found] == [
        ("ADD", "50ms", "6s"), ("CREATE", "50ms", "6s"), ("VALIDATE", "0", "0"), ("ADD", "50ms", "6s"),
        ("CREATE", "0", "0"), ("ADD", "50ms", "6s"),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_statement_that_others_wait_for_is_ended_and_may_last_three_times_its_rehearsal(world: World) -> None:
    body = "LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN 1; END'"
    world.do(
        "INSERT INTO orders SELECT n FROM generate_series(1, 8) n", f"CREATE FUNCTION slow(int) RETURNS int {body}"
    )
    world.scripts.add("e2", "e1", "UPDATE orders SET id = id + 100 * slow(id)")
    ran = world.run("--least-ms", "100")
    assert ran.failure is not None
    assert ran.failure[0] == "failed"
    assert "revision e2: took longer than 0.1 s and was ended: `UPDATE orders" in ran.failure[1]
    assert world.ask("SELECT version_num FROM alembic_version") == [("e1",)]
    rehearsed = world.scripts.root / "rehearsed.json"
    rehearsed.write_text(json.dumps({digest_of("UPDATE orders SET id = id + 100 * slow(id)"): 1000}))
    assert world.run("--least-ms", "100", "--rehearsed", str(rehearsed)).after == ("e2",)


# Who is in the way


def test_whoever_is_in_the_way_is_named_before_anybody_waits_and_is_not_ended(world: World) -> None:
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    with world.connect() as reader:
        pid = reader.info.backend_pid
        reader.execute("SET application_name = 'report'")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM orders WHERE id <> 4711")
        done: list[Ran] = []
        runner = threading.Thread(target=lambda: done.append(world.run()))
        runner.start()
        eventually(lambda: any("in the way" in line for line in world.said), within=20)
        reader.execute("SELECT 'the reader is still here'")
        assert runner.is_alive()
        reader.execute("COMMIT")
        runner.join(timeout=30)
    (ran,) = done
    assert ran.after == ("e2",)
    assert ran.statements[0]["attempts"] > 1
    (found,) = ran.blocked_by
    assert {**found, "age_s": 0} == {
        "revision": "e2", "pid": pid, "application": "report", "user": "app", "age_s": 0,
        "state": "idle in transaction", "lock": "ACCESS SHARE", "table": "orders", "query": found["query"],
    }  # fmt: skip
    assert "4711" not in str(ran)
    assert "4711" not in " ".join(world.said)


@pytest.mark.slow
def test_a_lock_that_comes_between_look_and_leap_costs_a_try_and_nothing_stays(world: World) -> None:
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD half text", "ALTER TABLE orders ADD CHECK (id > 0) NOT VALID")
    with world.connect() as reader:
        pid = reader.info.backend_pid
        reader.execute("BEGIN")
        reader.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
        ran = world.run("--blind", "--patience", "1")
    assert ran.failure is not None
    assert ran.failure[0] == "busy"
    assert re.search(
        r"no lock within 50 ms in \d+ tries for revision e2, which is rolled back: a transaction", ran.failure[1]
    )
    assert f"pid {pid}" in ran.failure[1]
    assert world.ask("SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0") == [("id",)]
    assert isinstance(error_of(ran.failure, "shop", world.guest().log, world.url).record()["message"], str)


@pytest.mark.slow
def test_a_revision_that_catches_the_error_of_a_lock_is_not_recorded(world: World) -> None:
    add = "with op.get_bind().begin_nested():\n        op.execute('ALTER TABLE orders ADD note text')"
    code = f"try:\n    {add}\nexcept Exception:\n    pass"
    world.scripts.add("e2", "e1", code=code)
    with world.connect() as reader:
        reader.execute("BEGIN")
        reader.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
        ran = world.run("--blind", "--patience", "1")
    assert ran.failure is not None
    assert ran.failure[0] == "busy"
    assert world.run().after == ("e2",)
    assert world.ask("SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'note'") == [
        (1,)
    ]


@pytest.mark.slow
def test_a_statement_that_may_wait_is_watched(world: World) -> None:
    world.scripts.add("e2", "e1", code=f"{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY later ON orders (id)')")
    with world.connect() as writer:
        writer.execute("SET application_name = 'importer'")
        writer.execute("BEGIN")
        writer.execute("INSERT INTO orders VALUES (1)")
        done: list[Ran] = []
        runner = threading.Thread(target=lambda: done.append(world.run()))
        runner.start()
        eventually(lambda: any("application importer" in line for line in world.said), within=20)
        writer.execute("COMMIT")
        runner.join(timeout=30)
    assert [one["application"] for one in done[0].blocked_by] == ["importer"]
    assert sent(done[0]) == [("CREATE INDEX CONCURRENTLY later ON orders (id)", "SHARE UPDATE EXCLUSIVE", 1)]


# What cannot run in a transaction


@pytest.mark.slow
@pytest.mark.parametrize("exists", ["", "IF NOT EXISTS "])
def test_an_invalid_index_that_anybody_left_is_built_again(world: World, exists: str) -> None:
    world.do("ALTER TABLE orders ADD note text", "INSERT INTO orders VALUES (1, 'a'), (2, 'a')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.do("CREATE UNIQUE INDEX CONCURRENTLY later ON orders (note)")
    world.do("UPDATE orders SET note = 'b' WHERE id = 2")
    sql = f"CREATE UNIQUE INDEX CONCURRENTLY {exists}later ON orders (note)"
    world.scripts.add("e2", "e1", code=f"{AUTOCOMMIT}op.execute('{sql}')")
    assert [one[0] for one in sent(world.run())] == ['DROP INDEX CONCURRENTLY IF EXISTS "public"."later"', sql]
    assert world.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'later'::regclass") == [(True,)]
    assert world.ask("SELECT to_regclass('stationmaster_migration')") == [(None,)]


@pytest.mark.slow
def test_an_index_that_cannot_be_built_leaves_nothing(world: World) -> None:
    world.do("ALTER TABLE orders ADD note text", "INSERT INTO orders VALUES (1, 'a'), (2, 'a')")
    sql = "CREATE UNIQUE INDEX CONCURRENTLY later ON orders (note)"
    world.scripts.add("e2", "e1", code=f"{AUTOCOMMIT}op.execute('{sql}')")
    ran = world.run()
    assert ran.failure is not None
    assert "UniqueViolation" in ran.failure[1]
    assert world.ask("SELECT to_regclass('later')") == [(None,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("op.execute('CREATE INDEX CONCURRENTLY later ON orders (id)')", "cannot run inside a transaction: write"),
        ("op.execute('COMMIT')", "revision e2 sends COMMIT itself"),
    ],
)
def test_what_would_break_the_transaction_is_refused_with_the_way_out(world: World, code: str, said: str) -> None:
    world.scripts.add("e2", "e1", code=code)
    ran = world.run()
    assert ran.failure is not None
    assert said in ran.failure[1]
    assert "autocommit_block" in ran.failure[1]
    assert ran.after == ("e1",)


# Back


def test_a_target_that_lies_behind_is_refused_and_down_goes_there(world: World) -> None:
    folder = world.guest().scripts / "versions" / "expand"
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    (folder / "e2.py").write_text(
        (folder / "e2.py").read_text() + "\ndef downgrade():\n    op.execute('ALTER TABLE orders DROP note')\n"
    )
    assert world.run().after == ("e2",)
    refused = world.run("--strict", target="e1")
    assert refused.failure == ("behind", "the database is at e2, which is past e1")
    ran = world.run("--down", target="e1")
    assert (ran.before, ran.after, sent(ran)) == (
        ("e2",),
        ("e1",),
        [("ALTER TABLE orders DROP note", "ACCESS EXCLUSIVE", 1)],
    )


@pytest.mark.slow
def test_passwords_are_not_written_down(world: World) -> None:
    world.scripts.add("e2", "e1", "DO $$BEGIN NULL; END$$", "CREATE ROLE reporting_x PASSWORD 'hunter2'")
    try:
        ran = world.run()
    finally:
        world.do("DROP ROLE IF EXISTS reporting_x")
    assert ran.after == ("e2",)
    assert "PASSWORD '***'" in str(ran)
    assert "hunter2" not in str(ran) + world.log
