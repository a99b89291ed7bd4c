"""Connections of a backfill. Every transaction says itself how it is isolated and how long it waits, since a pooler may
give each of them another session, and a role or a database may have settings of its own.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from stationmaster.blocks.backfill_asked import BackfillRefusedError, BackfillStoppedError
from stationmaster.blocks.postgres import DatabaseAddressError, plain
from stationmaster.domain.backfill_faults import fault, told

Connection = psycopg.Connection[tuple[Any, ...]]

APPLICATION = "stationmaster-backfill"
READ = "30s"  # a question of the catalog, or of the bookkeeping
LONG = "0"  # a pass over the whole table that holds no lock anybody waits for


def connect(url: str) -> Connection:
    """Autocommit, and nothing prepared. Raises psycopg.Error; DatabaseAddressError."""
    try:
        opened = psycopg.connect(
            plain(url), autocommit=True, connect_timeout=10, application_name=APPLICATION, prepare_threshold=None,
            client_encoding="utf8",
            keepalives_idle=5, keepalives_interval=3, keepalives_count=3, tcp_user_timeout=15_000,
        )  # fmt: skip
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:  # libpq could not read the address and would repeat it
            raise DatabaseAddressError(
                "the address is not one of PostgreSQL", hint="write postgresql://USER@HOST/DATABASE"
            ) from None
        raise
    opened.isolation_level = IsolationLevel.READ_COMMITTED
    opened.read_only = False
    return opened


@contextmanager
def session(url: str, patience: float = 0) -> Iterator[Connection]:
    """A connection for questions and for the bookkeeping; a server that is away is tried for so many seconds.

    Raises:
        BackfillStoppedError, BackfillRefusedError: what PostgreSQL said, without an address.
    """
    try:
        with _patiently(url, patience) as opened:
            yield opened
    except psycopg.Error as error:
        raise refusal(error) from None


@contextmanager
def transaction(connection: Connection, timeout: str = READ, *, read_only: bool = False) -> Iterator[Connection]:
    """One transaction, in which a statement may take so long and a lock of ours is waited for."""
    connection.read_only = read_only
    with connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = '{timeout}'; SET LOCAL lock_timeout = '10s'")
        yield connection


def at_once(connection: Connection, statement: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """A transaction of one statement in one message: one way to the server and back, where every tenant costs one."""
    limits = f"SET LOCAL statement_timeout = '{READ}'; SET LOCAL lock_timeout = '10s'"
    unsafe = "SET LOCAL synchronous_commit = off"  # it is lost together with what is written later, or kept
    cursor = psycopg.ClientCursor(connection)
    cursor.execute(
        f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {limits}; {unsafe}; {statement}; COMMIT".encode(), given
    )
    found: list[tuple[Any, ...]] = []
    while True:
        found = cursor.fetchall() if cursor.description is not None else found
        if not cursor.nextset():
            return found


def rows(connection: Connection, question: bytes | LiteralString, given: Any = None) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """The answer to a question, in the transaction that is open or in one of its own."""
    if connection.info.transaction_status == TransactionStatus.INTRANS:
        return connection.execute(question, given).fetchall()
    with transaction(connection, read_only=True):
        return connection.execute(question, given).fetchall()


def refusal(error: psycopg.Error) -> BackfillStoppedError | BackfillRefusedError:
    """The error for a person."""
    said = told(error.sqlstate, error.diag.message_primary or (str(error) if error.sqlstate is None else None))
    if error.sqlstate == "42501":
        return BackfillRefusedError(f"the role may not: {said}", hint="GRANT it, or give another role's address")
    if fault(error.sqlstate) == "away":
        return BackfillStoppedError(f"the database does not answer: {said}", hint="start it again when it does")
    return BackfillStoppedError(f"PostgreSQL refused: {said}", hint="mend it, then start it again; nothing is lost")


def _patiently(url: str, patience: float) -> Connection:
    end = time.monotonic() + patience
    while True:
        try:
            return connect(url)
        except psycopg.OperationalError:
            if time.monotonic() >= end:
                raise
        time.sleep(0.2)
