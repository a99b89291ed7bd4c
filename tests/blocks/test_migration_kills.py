"""SIGKILL at every place where PostgreSQL and Alembic's record may differ: the next run repairs and completes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import sample
from tests.blocks.test_migration_runner import AUTOCOMMIT, World, sent
from tests.conftest import Postgres
from tests.stack import eventually

STOP = """
import pathlib, time
if not pathlib.Path('reached').exists():
    pathlib.Path('reached').touch()
    time.sleep(60)
"""
pytestmark = pytest.mark.slow


if TYPE_CHECKING:
    import psycopg


@pytest.fixture
def world(postgres: Postgres, tmp_path: Path) -> World:
    return World(postgres, tmp_path).at_e1()


@contextmanager
def guest(world: World, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The process that runs the revisions, killed at the end of the block if it still is."""
    one = world.guest(*options)
    command = [sys.executable, "-P", "-m", "stationmaster.blocks.migrations", "upgrade", "--scripts", str(one.scripts)]
    env = {**os.environ, "DATABASE_URL": world.url}
    command += ["--to", one.target, "--out", str(one.home / "killed.jsonl"), *options]
    with subprocess.Popen(command, cwd=one.cwd, env=env, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def killed_when(world: World, reached: Callable[[], bool]) -> None:
    with guest(world):
        eventually(reached, within=40)


def runs(world: World, part: str) -> Callable[[], bool]:
    """Whether a statement with these words is at work."""
    question = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
        "AND pid <> pg_backend_pid() AND query LIKE '{}%'"
    )
    return lambda: bool(world.ask(question.format(part)) == [(1,)])


@contextmanager
def old_snapshot(world: World) -> Iterator[None]:
    """A transaction that holds no lock of the product's tables, and for which an index waits that is all but built."""
    with world.connect() as reader, reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        yield


@contextmanager
def writing(world: World) -> Iterator["psycopg.Connection[object]"]:
    """A transaction for which CONCURRENTLY waits."""
    with world.connect() as writer, writer.transaction():
        writer.execute("INSERT INTO orders VALUES (1)")
        yield writer


def is_whole(world: World) -> bool:
    """No index is invalid, no constraint unproved, and nothing of the runner's own is left."""
    return bool(
        world.ask("SELECT to_regclass('stationmaster_migration')") == [(None,)]
        and world.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
        and world.ask("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]
    )


def test_during_concurrently(world: World) -> None:
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text",
                      code=f"{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY later ON orders (note)')")  # fmt: skip
    with old_snapshot(world):
        killed_when(world, runs(world, "CREATE INDEX CONCURRENTLY"))
        eventually(lambda: not runs(world, "CREATE INDEX CONCURRENTLY")(), within=20)  # the server notices by itself
        assert world.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'later'::regclass") == [(False,)]
        assert world.ask("SELECT version_num FROM alembic_version") == [("e1",)]
    ran = world.run()
    assert ran.after == ("e2",)
    assert [one[0].split(" ON ")[0] for one in sent(ran)] == [
        'DROP INDEX CONCURRENTLY IF EXISTS "public"."later"', "CREATE INDEX CONCURRENTLY later",
    ]  # fmt: skip
    assert is_whole(world)


def test_during_drop_concurrently(world: World) -> None:
    world.do("CREATE INDEX earlier ON orders (id)")
    world.scripts.add("e2", "e1", code=f"{AUTOCOMMIT}op.execute('DROP INDEX CONCURRENTLY earlier')")
    with writing(world):
        killed_when(world, runs(world, "DROP INDEX CONCURRENTLY"))
    assert world.run().after == ("e2",)
    assert world.ask("SELECT to_regclass('earlier')") == [(None,)]
    assert is_whole(world)


@contextmanager
def reading(world: World, table: str = "orders") -> Iterator[None]:
    """A transaction that holds a reader's lock and no snapshot."""
    with world.connect() as reader, reader.transaction():
        reader.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608 - a word of ours
        yield


@pytest.mark.parametrize("what", ["INDEX CONCURRENTLY earlier", "TABLE CONCURRENTLY orders"])
@pytest.mark.parametrize(("around", "left"), [(old_snapshot, "_ccnew"), (reading, "_ccold")], ids=["new", "old"])
def test_during_reindex_concurrently(
    world: World, what: str, around: Callable[[World], AbstractContextManager[None]], left: str
) -> None:
    world.do("ALTER TABLE orders ADD note text", "CREATE INDEX earlier ON orders (note)")
    world.scripts.add("e2", "e1", code=f"{AUTOCOMMIT}op.execute('REINDEX {what}')")
    with around(world):
        invalid = f"SELECT count(*) > 0 FROM pg_class WHERE relname = 'earlier{left}'"  # noqa: S608 - a word of ours
        killed_when(world, lambda: world.ask(invalid) == [(True,)])
        eventually(lambda: not runs(world, "REINDEX")(), within=20)
    assert not is_whole(world)
    ran = world.run()
    assert ran.after == ("e2",)
    assert f'DROP INDEX CONCURRENTLY IF EXISTS "public"."earlier{left}"' in [one[0] for one in sent(ran)]
    assert sent(ran)[-1][0] == f"REINDEX {what}"
    assert is_whole(world)
    assert world.ask("SELECT count(*) FROM pg_class WHERE relname ~ '_cc(new|old)'") == [(0,)]


@pytest.mark.parametrize("noted", [True, False], ids=["by us", "by somebody else"])
def test_during_detach_concurrently(world: World, *, noted: bool) -> None:
    world.do(
        "CREATE TABLE events (year int) PARTITION BY RANGE (year)",
        "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (2)", "INSERT INTO events VALUES (1)",
    )  # fmt: skip
    code = f"{AUTOCOMMIT}op.execute('ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY')"
    world.scripts.add("e2", "e1", code=code)
    with reading(world, "events"):
        pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
        killed_when(world, lambda: world.ask(pending) == [(1,)])
        eventually(lambda: not runs(world, "ALTER TABLE events")(), within=20)
        assert world.ask(pending) == [(1,)]
    if not noted:
        world.do("DROP TABLE stationmaster_migration")
    ran = world.run()
    assert ran.after == ("e2",)
    assert [one[0] for one in sent(ran)] == ['ALTER TABLE "events" DETACH PARTITION "events_1" FINALIZE']
    assert world.ask("SELECT count(*) FROM pg_inherits") == [(0,)]
    assert world.ask("TABLE events_1") == [(1,)]
    assert is_whole(world)


def test_after_detach_concurrently_was_done_and_not_noted(world: World) -> None:
    world.do(
        "CREATE TABLE events (year int) PARTITION BY RANGE (year)",
        "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (2)",
    )
    code = f"{AUTOCOMMIT}op.execute('ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY')\n{STOP}"
    world.scripts.add("e2", "e1", code=code)
    killed_when(world, (world.guest().cwd / "reached").exists)
    world.do("UPDATE stationmaster_migration SET done = false")
    ran = world.run()
    assert (ran.after, ran.statements) == (("e2",), ())
    assert is_whole(world)


def test_during_validate(world: World) -> None:
    world.do(
        "INSERT INTO orders SELECT n FROM generate_series(1, 30) n",
        "CREATE FUNCTION slowly(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN true; END'",
    )
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD CONSTRAINT slow CHECK (slowly(id)) NOT VALID")
    world.scripts.add("e3", "e2", "ALTER TABLE orders VALIDATE CONSTRAINT slow")
    killed_when(world, runs(world, "ALTER TABLE orders VALIDATE"))
    assert world.ask("SELECT version_num FROM alembic_version") == [("e2",)]
    assert world.ask("SELECT convalidated FROM pg_constraint WHERE conname = 'slow'") == [(False,)]
    assert sent(world.run()) == [("ALTER TABLE orders VALIDATE CONSTRAINT slow", "SHARE UPDATE EXCLUSIVE", 1)]
    assert is_whole(world)


def test_between_a_statement_and_its_record(world: World) -> None:
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text", code=STOP)
    killed_when(world, (world.guest().cwd / "reached").exists)
    assert sent(world.run()) == [("ALTER TABLE orders ADD note text", "ACCESS EXCLUSIVE", 1)]
    assert is_whole(world)


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
def test_between_concurrently_and_its_record(world: World, *, noted: bool) -> None:
    code = f"{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY later ON orders (note)')\n{STOP}"
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text", "INSERT INTO orders VALUES (7)", code=code)
    killed_when(world, (world.guest().cwd / "reached").exists)
    assert world.ask("SELECT number, done FROM stationmaster_migration ORDER BY 1") == [(1, True), (2, True), (3, True)]
    if not noted:  # as if it had been killed before it could note that PostgreSQL was done
        world.do("UPDATE stationmaster_migration SET done = false WHERE number = 3")
    before = world.ask("SELECT 'later'::regclass::oid")
    ran = world.run()
    assert (ran.after, ran.statements) == (("e2",), ())
    assert world.ask("SELECT 'later'::regclass::oid") == before
    assert world.ask("SELECT id FROM orders") == [(7,)]
    assert is_whole(world)


def test_a_revision_that_was_changed_after_a_part_of_it_was_committed_is_refused(world: World) -> None:
    code = f"{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY later ON orders (note)')"
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text", code=code)
    with old_snapshot(world):
        killed_when(world, runs(world, "CREATE INDEX CONCURRENTLY"))
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD remark text", code=code)
    ran = world.run()
    assert ran.failure is not None
    assert ran.failure[0] == "interrupted"
    assert "statement 1 is another one now, or has other values: `ALTER TABLE orders ADD remark text`" in ran.failure[1]


def test_a_runner_whose_server_process_still_works_is_waited_for(world: World) -> None:
    world.scripts.add("e2", "e1", "SELECT pg_sleep(0)", "ALTER TABLE orders ADD note text")
    with world.connect() as left:
        left.execute("SET application_name = 'stationmaster-migrations'")
        ran = world.run("--patience", "1")
    assert ran.failure is not None
    assert ran.failure[0] == "busy"
    assert "a statement of a runner that is gone still runs" in ran.failure[1]
    assert world.run().after == ("e2",)


def chain(world: World) -> None:
    """Revisions of every kind, each of which would be seen if it were applied twice."""
    world.do("CREATE TABLE marks (revision text)")
    mark = "INSERT INTO marks VALUES ('{}')".format
    add = world.scripts.add
    add("e2", "e1", "ALTER TABLE orders ADD a int DEFAULT 1", mark("e2"))
    build = f"{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY by_a ON orders (a)')"
    add("e3", "e2", mark("e3"), code=f'{build}\nop.execute("{mark("e3 after")}")')
    add("e4", "e3", "ALTER TABLE orders ADD CONSTRAINT positive CHECK (a > 0) NOT VALID", mark("e4"))
    add("e5", "e4", "ALTER TABLE orders VALIDATE CONSTRAINT positive", mark("e5"))
    both = f"{AUTOCOMMIT}op.execute(\"{mark('e6')}\")\n    op.execute('DROP INDEX CONCURRENTLY by_a')"
    add("e6", "e5", code=both)
    add("e7", "e6", "CREATE TABLE later (id int)", mark("e7"))


@pytest.mark.parametrize("number", range(6))
def test_at_any_moment_and_again_and_again(world: World, number: int) -> None:
    dice = random.Random(f"{sample.SEED} {number}")  # noqa: S311 - a draw of moments
    world.do("INSERT INTO orders SELECT n FROM generate_series(1, 100000) n")
    chain(world)
    kills = 0
    while kills < 10:
        with guest(world) as process:
            eventually(lambda: _at_work(world) or process.poll() is not None, within=40)
            time.sleep(dice.uniform(0, 0.4))
            kills += 1
            if process.poll() is not None:
                break
    assert world.run().after == ("e7",)
    marks = [row[0] for row in world.ask("SELECT revision FROM marks ORDER BY 1")]
    assert marks == ["e2", "e3", "e3 after", "e4", "e5", "e6", "e7"], f"SEED={sample.SEED} number={number}"
    assert is_whole(world)
    assert world.ask("SELECT to_regclass('by_a')") == [(None,)]


def _at_work(world: World) -> bool:
    question = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{}'"
    return bool(world.ask(question.format("stationmaster-migrations")) != [(0,)])
