"""Looks into a database of the product before something is taken away from it: who is connected, and which rows are not
as they should be. It changes nothing.
"""

from typing import Any

from psycopg import sql

from stationmaster.blocks.postgres import connected
from stationmaster.domain.backfill_sql import names_of
from stationmaster.domain.errors import InputError

# Of sessions of other roles the type may be hidden from ours; what they call themselves never is.
_SESSIONS = """
    SELECT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND coalesce(backend_type, 'client backend') = 'client backend'
"""


class BackfillUnreadableError(InputError):
    """A backfill is not declared so that it could be verified."""

    code = "backfill_unreadable"


def sessions(url: str, name: str) -> tuple[str, ...]:
    """What everybody else who is connected to the database calls itself, sorted; empty names included."""
    with connected(url, name) as connection:
        return tuple(sorted(str(row[0] or "") for row in connection.execute(_SESSIONS).fetchall()))


def unverified(url: str, name: str, table: str, verify: str, seconds: int) -> int:
    """How many rows of a table are not as the product's own expression says, an unknown answer included. It may only
    read, and ends after so many seconds.
    """
    try:
        names = names_of(table)
    except ValueError as error:
        raise BackfillUnreadableError(str(error)) from None
    where: Any = sql.SQL(verify)  # the product's own, as its revisions are
    asked = sql.SQL("SELECT count(*) FROM {} WHERE ({}) IS NOT TRUE").format(sql.Identifier(*names), where)
    with connected(url, name) as connection, connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
        return int(connection.execute(asked).fetchone()[0])  # type: ignore[index]
