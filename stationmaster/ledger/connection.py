"""Engines for SQLite and PostgreSQL, and the two kinds of transaction: one that reads, one that alone may write."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from stationmaster.ledger import tables
from stationmaster.ledger.faults import LedgerAddressError, naming

_WAIT = 10  # seconds for a lock or a connection, before the person is told
_POSTGRESQL: dict[str, Any] = {
    "isolation_level": "READ COMMITTED",  # the lock on the head row orders writers; an older snapshot would not
    "pool_pre_ping": True,  # a server that was restarted is found before a transaction begins
    "connect_args": {
        "connect_timeout": _WAIT,
        "options": f"-c statement_timeout={2 * _WAIT}s -c lock_timeout={_WAIT}s"
        f" -c idle_in_transaction_session_timeout={3 * _WAIT}s",
    },
}


def engine_for(address: str, **options: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own options, as they are
    """An engine with the timeouts and the durability a ledger needs. `options` go to `create_engine`."""
    url = _url(address)
    if url.get_backend_name() == "postgresql":
        return create_engine(url, **{**_POSTGRESQL, **options})
    engine = create_engine(url, **{**_sqlite(url), **options})
    event.listen(engine, "connect", _durable)
    event.listen(engine, "begin", _begin)
    return engine


def place(engine: Engine) -> str:
    """Where the ledger is, without a password."""
    return f"at {engine.url.render_as_string(hide_password=True)}"


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    with naming(place(engine)), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[tuple[Connection, int]]:
    """The only writer until the block ends, and the size of the ledger: the head row is locked first, so that the
    order of indexes is the order of commits. Commits at the end; any error leaves nothing behind.
    """
    with naming(place(engine)), alone(engine) as connection:
        size = select(tables.head.c.size).where(tables.head.c.id == 1).with_for_update()
        yield connection, connection.execute(size).scalar_one()


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """A transaction that on SQLite takes the write lock at its beginning; reading first and writing later would be
    refused at once when another process wrote in between.
    """
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def _url(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise LedgerAddressError("this is not the address of a ledger", hint=_HINT) from error
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite+pysqlite")
    raise LedgerAddressError(f"a ledger cannot lie in {url.get_backend_name()!r}", hint=_HINT)


_HINT = "write sqlite:////path/ledger.db or postgresql+psycopg://user@host/database"


def _sqlite(url: URL) -> dict[str, Any]:
    if url.database not in {None, "", ":memory:"}:
        return {"connect_args": {"timeout": _WAIT}}
    # In memory the database is its connection: one, kept, and lent to one thread at a time.
    one = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": _WAIT}
    return {**one, "connect_args": {"check_same_thread": False}}


def _durable(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; _begin does
    for pragma in (f"busy_timeout = {_WAIT * 1000}", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    _wal(connection, monotonic() + _WAIT)


def _wal(connection: sqlite3.Connection, end: float) -> None:
    """Readers and the writer do not wait for each other. Several first openers may switch a fresh file at once, and
    SQLite refuses all but one without waiting, whatever its timeout: so it is asked again.
    """
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
            sleep(0.01)
        else:
            return


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
