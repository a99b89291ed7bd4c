"""The gauges of a backfill, read from a real PostgreSQL, and what stands for one that cannot be read."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from stationmaster.blocks import backfill_gauges
from stationmaster.blocks.backfill_gauges import APPLICATION, Gauges
from stationmaster.domain.backfill_pace import Limits, PauseHook, Throttle
from tests.conftest import Postgres

Connection = psycopg.Connection[Any]
SLOW_VACUUM = "SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1"


@dataclass
class World:
    """A fresh database with a table, and gauges whose clock is at a new second for each reading."""

    server: Postgres
    database: str
    now: float = 0.0
    opened: list[Connection] = field(default_factory=list)
    user: str = "app"

    def connect(self, name: str = "", user: str = "app") -> Connection:
        made = psycopg.connect(
            host=str(self.server.root), user=user, dbname=self.database, autocommit=True, application_name=name
        )
        self.opened.append(made)
        return made

    def gauges(self, **throttle: Any) -> Gauges:
        return self.gauges_of("orders", **throttle)

    def gauges_of(self, table: str, **throttle: Any) -> Gauges:
        return Gauges(lambda: self.connect(user=self.user), table, Throttle(**throttle), self.clock)

    def clock(self) -> float:
        self.now += 1
        return self.now

    def close(self) -> None:
        for one in self.opened:
            one.close()


@pytest.fixture
def world(postgres: Postgres) -> Iterator[World]:
    database = postgres.create().partition("@/")[2].partition("?")[0]
    one = World(postgres, database)
    one.connect().execute("CREATE TABLE orders (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off)")
    yield one
    one.close()


@pytest.fixture
def limited(world: World) -> Iterator[World]:
    """The role that runs the backfill may read nothing about others."""
    admin = world.connect()
    admin.execute("CREATE ROLE limited LOGIN")
    world.user = "limited"
    yield world
    world.close()
    with world.server.connect() as again:
        again.execute("DROP ROLE limited")


def at(pause_at: float, resume_at: float = 0) -> Limits:
    return Limits(pause_at=pause_at, resume_at=resume_at)


def eventually(asked: Callable[[], str | None], *, stands: bool) -> str:
    end = time.monotonic() + 20
    while ((why := asked()) is not None) != stands:
        assert time.monotonic() < end, why
        time.sleep(0.02)
    return str(why)


# A long transaction


def test_a_long_transaction_of_somebody_else_stands_still_until_it_ends(world: World) -> None:
    gauges = world.gauges(long_transaction_s=at(0.2, 0.1))
    assert gauges.why() is None
    other = world.connect()
    with other.transaction():
        other.execute("SELECT 1")
        why = eventually(gauges.why, stands=True)
        assert why.startswith("the oldest other transaction: 0.")
        assert why.endswith(" s (long_transaction_s: pauses at 0.2, goes on at 0.1)")
    eventually(gauges.why, stands=False)


def test_transactions_of_ours_and_of_other_databases_do_not_count(world: World) -> None:
    ours, elsewhere = world.connect(APPLICATION + " worker 2"), world.server.connect()
    gauges = world.gauges(long_transaction_s=at(0.05))
    with ours.transaction(), elsewhere.transaction():
        ours.execute("SELECT 1")
        elsewhere.execute("SELECT 1")
        time.sleep(0.1)
        assert gauges.why() is None
    elsewhere.close()


# A vacuum


@contextmanager
def vacuum(world: World, table: str) -> Iterator[None]:
    """One that is at work for as long as the block lasts."""
    working = world.connect()
    working.execute(SLOW_VACUUM)

    def work() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            working.execute(f"VACUUM {table}".encode())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        working.cancel_safe()
        thread.join()


@pytest.mark.parametrize("kind", ["plain", "partitioned"])
def test_a_vacuum_of_the_table_stands_still(world: World, kind: str) -> None:
    admin = world.connect()
    if kind == "partitioned":
        admin.execute("DROP TABLE orders; CREATE TABLE orders (id int, note text) PARTITION BY RANGE (id)")
        admin.execute("CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (1000000)")
    admin.execute("INSERT INTO orders SELECT n, repeat('x', 200) FROM generate_series(1, 5000) n; DELETE FROM orders")
    gauges, other = world.gauges(autovacuum=at(1)), world.gauges_of("others", autovacuum=at(1))
    assert gauges.why() is None
    with vacuum(world, "orders"):
        assert "processes that vacuum the table: 1 (autovacuum: " in eventually(gauges.why, stands=True)
        assert other.why() is None
    eventually(gauges.why, stands=False)


def test_a_vacuum_that_is_hidden_stands_still(limited: World) -> None:
    limited.connect().execute("INSERT INTO orders SELECT n, repeat('x', 200) FROM generate_series(1, 5000) n")
    limited.connect().execute("DELETE FROM orders")
    gauges = limited.gauges(autovacuum=at(1))
    assert gauges.why() is None
    with vacuum(limited, "orders"):
        assert "autovacuum is hidden from this role: GRANT pg_monitor" in eventually(gauges.why, stands=True)


# Load, WAL


def test_sessions_that_do_something_are_load(world: World) -> None:
    gauges, other, ours = world.gauges(active_sessions=at(1)), world.connect(), world.connect(APPLICATION)
    sleeping = [threading.Thread(target=one.execute, args=("SELECT pg_sleep(0.5)",)) for one in (ours, other)]
    sleeping[0].start()
    time.sleep(0.1)
    assert gauges.why() is None
    sleeping[1].start()
    assert "active sessions: 1 (" in eventually(gauges.why, stands=True)
    for one in sleeping:
        one.join()
    eventually(gauges.why, stands=False)


def test_a_slot_that_lags_stands_still(world: World) -> None:
    admin, gauges = world.connect(), world.gauges(replication_lag_bytes=at(100_000, 50_000))
    assert gauges.why() is None
    admin.execute("SELECT pg_create_physical_replication_slot('away', true)")
    try:
        admin.execute("INSERT INTO orders SELECT n, repeat('x', 100) FROM generate_series(1, 5000) n")
        assert str(gauges.why()).startswith("replication lag: ")
    finally:
        admin.execute("SELECT pg_drop_replication_slot('away')")
    assert gauges.why() is not None
    assert gauges.why() is None  # two readings in a row


def test_a_standby_of_which_nothing_is_known_stands_still(world: World) -> None:
    gauges = world.gauges(replication_lag_bytes=at(100))
    root = world.server.root
    with psycopg.connect(f"host={root} user=app replication=true", autocommit=True):
        assert "replication_lag_bytes is hidden" in eventually(gauges.why, stands=True)
    eventually(gauges.why, stands=False)


def test_files_that_wait_to_be_archived_stand_still(world: World) -> None:
    gauges = world.gauges(archive_queue=at(2))
    place = world.server.root / "data" / "pg_wal" / "archive_status"
    files = [place / f"0000000100000000000000{n}.ready" for n in ("F1", "F2")]
    (place / "0000000100000000000000F0.done").touch()
    try:
        files[0].touch()
        assert gauges.why() is None
        files[1].touch()
        assert str(gauges.why()).startswith("WAL files that wait to be archived: 2 (archive_queue: ")
    finally:
        for one in (*files, place / "0000000100000000000000F0.done"):
            one.unlink(missing_ok=True)


# What cannot be read


def test_what_a_role_may_not_read_stands_still_with_the_grant_that_helps(limited: World) -> None:
    other = limited.connect()  # of another role
    other.execute("SELECT 1")
    for name in ("archive_queue", "long_transaction_s", "active_sessions"):
        assert f"{name} " in str(limited.gauges(**{name: at(1e9)}).why())
        assert "GRANT pg_monitor to the role that runs the backfill" in str(limited.gauges(**{name: at(1e9)}).why())
    other.execute("GRANT pg_monitor TO limited")
    every = dict.fromkeys(("archive_queue", "long_transaction_s", "active_sessions", "replication_lag_bytes"), at(1e9))
    assert limited.gauges(**every).why() is None


def test_a_session_that_was_cut_stands_still_and_the_next_reading_has_another(world: World) -> None:
    gauges = world.gauges(long_transaction_s=at(1e9))
    assert gauges.why() is None
    pid = world.opened[-1].info.backend_pid
    world.connect().execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    assert "long_transaction_s cannot be read from PostgreSQL" in str(gauges.why())
    assert gauges.why() is None


def test_a_server_that_does_not_answer_stands_still_without_its_address() -> None:
    def away() -> Connection:
        return psycopg.connect("host=/nonexistent/hunter2 dbname=x connect_timeout=1")

    why = Gauges(away, "orders", Throttle(active_sessions=at(5))).why()
    assert why == "active_sessions cannot be read from PostgreSQL: it does not answer"


def test_a_gauge_that_takes_too_long_stands_still(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gauges = world.gauges(active_sessions=at(1e9))
    assert gauges.why() is None
    monkeypatch.setitem(backfill_gauges._QUERIES, "active_sessions", "SELECT pg_sleep(10), 0")
    world.opened[-1].execute("SET statement_timeout = '50ms'")  # of the two seconds that it has
    assert gauges.why() == "active_sessions cannot be read from PostgreSQL: SQLSTATE 57014"


# How often


def test_it_reads_once_a_second_whoever_asks(world: World) -> None:
    times = [10.0]
    gauges = Gauges(world.connect, "orders", Throttle(long_transaction_s=at(0.01)), lambda: times[0])
    assert gauges.why() is None
    other = world.connect()
    with other.transaction():
        other.execute("SELECT 1")
        time.sleep(0.02)
        times[0] = 10.9
        assert gauges.why() is None
        times[0] = 11.0
        assert gauges.why() is not None


def test_without_a_throttle_nothing_is_opened_or_read() -> None:
    def never() -> Connection:
        raise AssertionError("opened")

    with Gauges(never, "orders", None) as gauges:
        assert gauges.why() is None
    assert Gauges(never, "orders", Throttle()).why() is None


def test_a_hook_and_gauges_are_told_together(world: World) -> None:
    hook = PauseHook(url="env:STATIONMASTER_HOOK_NONE")
    with world.gauges(archive_queue=at(1e9), hook=hook) as gauges:
        assert gauges.why() == "the hook needs the environment variable STATIONMASTER_HOOK_NONE, which is not set"
        connection = world.opened[-1]
    assert connection.closed
