"""Which revisions a database says it is at: the one reader of Alembic's own table."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

Heads = tuple[str, ...]
TABLE = "alembic_version"
_CHUNK = 200  # schemas asked for in one statement
_SCHEMAS = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = %s"

Connection = psycopg.Connection[Any]


def heads_of(connection: Connection, schema: str | None = None) -> Heads:
    """The current heads, sorted; none where there is no table. Without a schema it is where the search path leads."""
    return heads_by_schema(connection, [schema])[schema]


def heads_by_schema(connection: Connection, wanted: Sequence[str | None]) -> dict[str | None, Heads]:
    """The same of many schemas, None for where the search path leads."""
    there = {str(row[0]) for row in connection.execute(_SCHEMAS, (TABLE,)).fetchall()}
    found: dict[str | None, set[str]] = {name: set() for name in wanted}
    named = [name for name in wanted if name is not None and name in there]
    for at in range(0, len(named), _CHUNK):
        for name, head in _versions(connection, named[at : at + _CHUNK]):
            found[name].add(head)
    if None in found and connection.execute("SELECT to_regclass(%s)", (TABLE,)).fetchone() != (None,):
        rows = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(TABLE))).fetchall()
        found[None] = {str(row[0]) for row in rows}
    return {name: tuple(sorted(versions)) for name, versions in found.items()}


def _versions(connection: Connection, names: list[str]) -> list[tuple[str, str]]:
    one = sql.SQL("SELECT {}, version_num FROM {}")
    parts = [one.format(sql.Literal(name), sql.Identifier(name, TABLE)) for name in names]
    return [(str(row[0]), str(row[1])) for row in connection.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall()]
