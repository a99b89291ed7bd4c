"""Talks to PostgreSQL for the product's databases: connections with limits, and what can go wrong with them.

No message holds an address, for it may hold a password.
"""

import contextlib
import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from stationmaster.domain.errors import InputError, OutsideError

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT = 10  # seconds
_LOOK = 0.2  # seconds between looks at a server that is away
_NAME = 63  # bytes of an identifier
_DRIVER = re.compile(r"^postgres(ql)?(\+\w+)?:")  # SQLAlchemy's form is understood too
_DATABASE = re.compile(r"^(postgresql://[^/?]*)(/[^?]*)?(\?.*)?$")
_TABLES = """
    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relname NOT IN ('alembic_version', 'stationmaster_migration')
    AND n.nspname NOT IN ('information_schema', 'stationmaster')
    AND n.nspname NOT LIKE 'pg\\_%'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""


class DatabaseAddressError(InputError):
    """The address is not one of a PostgreSQL database."""

    code = "database_address"


class DatabaseUnreachableError(OutsideError):
    """PostgreSQL did not answer, or it refused."""

    code = "database_unreachable"


@contextmanager
def connected(url: str, name: str) -> Iterator[Connection]:
    """A connection on which each statement is its own transaction and ends within 30 s. `name` is what messages say."""
    try:
        with psycopg.connect(_DRIVER.sub("postgresql:", url), autocommit=True, connect_timeout=CONNECT) as connection:
            connection.execute("SET statement_timeout = '30s'")
            yield connection
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:  # libpq could not read the address and would repeat it
            raise DatabaseAddressError(
                f"the address of database {name!r} is not one of PostgreSQL",
                hint="write postgresql://USER:PASSWORD@HOST/DATABASE into the database block",
            ) from None
        raise _refused(name, error) from None
    except psycopg.Error as error:
        raise _refused(name, error) from None


def plain(url: str) -> str:
    """An address as libpq understands it: without the driver that SQLAlchemy's form may name."""
    return _DRIVER.sub("postgresql:", url)


@contextmanager
def temporary(server: str, name: str) -> Iterator[str]:
    """The address of an empty database of that name for as long as the block lasts; one that is there is replaced."""
    match = _DATABASE.match(_DRIVER.sub("postgresql:", server))
    if match is None:
        raise DatabaseAddressError("the scratch address has to be written as postgresql://USER@HOST/DATABASE")
    name = name if len(name) <= _NAME else f"{name[:46]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    _replace(server, name, create=True)
    try:
        yield f"{match[1]}/{name}{match[3] or ''}"
    finally:
        with contextlib.suppress(DatabaseUnreachableError):  # what stays is replaced next time
            _replace(server, name, create=False)


def started(url: str, name: str, patience: float = 0) -> str:
    """When the server started: another answer means that it went away in between. One that is away is asked again for
    `patience` seconds.
    """
    end = time.monotonic() + patience
    while True:
        try:
            with connected(url, name) as connection:
                return str(connection.execute("SELECT pg_postmaster_start_time()::text").fetchone())
        except DatabaseUnreachableError:
            if time.monotonic() > end:
                raise
        time.sleep(_LOOK)


def has_tables(connection: Connection, *, alone: bool = False) -> bool:
    """Whether there is any table but Alembic's own; those of extensions do not count, and with `alone` none but those
    of the schema in the search path.
    """
    mine = " AND n.nspname = current_schema()" if alone else ""
    return connection.execute(f"{_TABLES}{mine}".encode()).fetchone() != (0,)


def _replace(server: str, name: str, *, create: bool) -> None:
    with connected(server, "scratch") as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        if create:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _refused(name: str, error: psycopg.Error) -> DatabaseUnreachableError:
    said = " ".join(str(error).split()) or type(error).__name__
    what = "refused" if error.sqlstate else "does not answer"
    return DatabaseUnreachableError(
        f"database {name!r} {what}: {said}",
        hint="check the database block and that PostgreSQL runs, then start the release again",
    )
