"""Indexes that CONCURRENTLY left invalid: found, dropped, and whether one that should be there is.

PostgreSQL keeps an index whose build failed or was killed: nothing reads it, every write pays for it, and IF NOT EXISTS
takes it for the real one.
"""

from typing import Any

from stationmaster.blocks.migration_journal import Ask, literal
from stationmaster.domain.migration_class import Index
from stationmaster.domain.migration_taken import dotted

_SELECT = """
SELECT n.nspname, c.relname, i.indisvalid AND i.indisready,
    EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid AND p.pid <> pg_backend_pid())
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'i' AND
"""
Found = tuple[str, str, bool, bool]  # schema, name, valid, somebody builds it right now


def find(index: Index, ask: Ask) -> list[Found]:
    """The index a statement names; every invalid one of the table where it names none."""
    if index.name and index.table:
        where = f"c.relname = {literal(index.name)} AND i.indrelid = to_regclass({literal(index.table)})"
    elif index.name:
        where = f"c.oid = to_regclass({literal(dotted([index.schema, index.name]))})"
    else:
        where = f"i.indrelid = to_regclass({literal(index.table)}) AND NOT i.indisvalid"
    return [_found(row) for row in ask(_SELECT + where)]


def left_by_reindex(index: Index, ask: Ask) -> list[Found]:
    """The invalid copies that a REINDEX CONCURRENTLY which did not end leaves beside the index; of a whole table also
    those of what is stored beside its rows (TOAST).
    """
    table = f"to_regclass({literal(index.table)})"
    if index.name:
        named = literal(dotted([index.schema, index.name]))
        table = f"(SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass({named}))"  # noqa: S608 - a literal
    tables = f"SELECT unnest(ARRAY[oid, reltoastrelid]) FROM pg_class WHERE oid = {table}"  # noqa: S608 - as above
    where = f"NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND i.indrelid IN ({tables})"
    return [_found(row) for row in ask(_SELECT + where)]


def drop(found: Found) -> str:
    """The statement that takes it away while its table is used."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {dotted([found[0], found[1]])}"


def _found(row: tuple[Any, ...]) -> Found:
    return str(row[0]), str(row[1]), bool(row[2]), bool(row[3])
