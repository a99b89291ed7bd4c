"""A copy of a database beside it, by which what was done to it can be taken back. For stage alone: whoever is connected
is thrown out.

Each act may be repeated after a kill: a copy that is there is whole, since PostgreSQL makes one as a whole.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from stationmaster.blocks.postgres import Connection, DatabaseAddressError, connected
from stationmaster.domain.errors import RefusedError

_ADDRESS = re.compile(r"^(postgres(?:ql)?(?:\+\w+)?://[^/?]*)/([^?]+)(\?.*)?$")
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
_BROKEN = "SELECT count(*) FROM pg_database WHERE datname = %s AND datconnlimit = -2"  # it was being dropped
_THERE = "SELECT count(*) FROM pg_database WHERE datname = %s"
_MARK = "_before_contract"


class NoCopyError(RefusedError):
    """A database cannot be copied, so what is done to it could not be taken back."""

    code = "no_copy"


def keep(url: str, name: str) -> None:
    """Make the copy, unless there is one.

    Raises:
        NoCopyError: PostgreSQL does not let us.
    """
    with _beside(url, name) as (connection, database, copy):
        if _there(connection, copy):
            return
        try:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(database)))
            try:
                connection.execute(_END, (database,))
                connection.execute("SET statement_timeout = 0")
                made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                connection.execute(made.format(sql.Identifier(copy), sql.Identifier(database)))
            finally:
                connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(database)))
        except psycopg.Error as error:
            raise NoCopyError(
                f"database {name!r} cannot be copied, so a contract that fails there could not be taken back: "
                f"{' '.join(str(error).split())}",
                hint="give its role CREATEDB and let it own the database",
            ) from None


def put_back(url: str, name: str) -> bool:
    """Let the copy take the database's place; whether it did. Nothing when there is no copy."""
    with _beside(url, name) as (connection, database, copy):
        if not _there(connection, copy):
            return False
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        connection.execute(_END, (copy,))
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(copy), sql.Identifier(database))
        )
        return True


def mend(url: str, name: str) -> None:
    """Bring back a database that a kill in here left closed, or without its name. One that is well stays as it is."""
    with _beside(url, name):
        pass


def drop(url: str, name: str) -> None:
    """The copy is not needed any more."""
    with _beside(url, name) as (connection, _database, copy):
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(copy)))


@contextmanager
def _beside(url: str, name: str) -> Iterator[tuple[Connection, str, str]]:
    """A connection to another database of the same server, the name of the database and that of its copy."""
    match = _ADDRESS.match(url)
    if match is None:
        raise DatabaseAddressError(f"the address of database {name!r} names no database")
    with connected(f"{match[1]}/postgres{match[3] or ''}", name) as connection:
        copy = f"{match[2][: 63 - len(_MARK)]}{_MARK}"
        _mend(connection, match[2], copy)
        yield connection, match[2], copy


def _mend(connection: Connection, database: str, copy: str) -> None:
    """What a kill left: a database or a copy that was being dropped and can only be dropped, a database that takes
    nobody, or one that is gone while its copy is there.
    """
    for name in (database, copy):
        if connection.execute(_BROKEN, (name,)).fetchone() != (0,):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    if not _there(connection, database) and _there(connection, copy):
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(copy), sql.Identifier(database))
        )
    if _there(connection, database):
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(database)))


def _there(connection: Connection, database: str) -> bool:
    return connection.execute(_THERE, (database,)).fetchone() != (0,)
