"""The table of a backfill as PostgreSQL's catalog has it, and what of it forbids that each row is met exactly once."""

from dataclasses import dataclass
from typing import Any

from stationmaster.blocks.backfill_asked import BackfillRefusedError, BackfillWrongError
from stationmaster.blocks.backfill_sessions import Connection, rows
from stationmaster.domain.backfill_sql import names_of
from stationmaster.domain.backfill_statements import Column, Shape, index_for
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.errors import nearest

_TABLE = """
    SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text,
        row_security_active(c.oid),
        c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid),
        EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '2'),
        has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'), c.reltuples::float8
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %(table)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND CASE WHEN %(schema)s::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = %(schema)s END
"""
_TABLES = """
    SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')
        AND n.nspname NOT IN ('information_schema', 'stationmaster') AND n.nspname NOT LIKE 'pg\\_%'
"""
# Without their modifiers, and domains as what they are made of: a value is first read as that, and what a column has no
# room for is refused when it is assigned. A cast to varchar(3) would cut it off without a word.
_COLUMNS = """
    SELECT a.attname::text, format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, -1), a.attnotnull,
        a.attnum::int
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped
"""
_UNIQUE = """
    SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k)
    FROM pg_index i WHERE i.indrelid = %s::oid AND i.indisunique AND i.indisvalid AND i.indisready
        AND i.indpred IS NULL AND i.indexprs IS NULL
"""
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_SMALL = 100_000  # rows; a pass over them is shorter than a batch
_MANY = 20_000_000  # rows that are not counted one by one


@dataclass(frozen=True)
class Table:
    """A table on which it can be done. `small`: a pass over all of it is short; `many`: one is long."""

    oid: int
    shape: Shape
    columns: dict[str, tuple[str, bool, int]]
    small: bool
    many: bool


def table_of(connection: Connection, spec: Backfill) -> Table:
    """Raises BackfillWrongError, BackfillRefusedError."""
    if rows(connection, "SELECT pg_is_in_recovery()") == [(True,)]:
        raise BackfillRefusedError(
            "the database is a standby, which can only be read", hint="give the address of the primary"
        )
    row = _row(connection, spec)
    oid, schema, name, *_, reltuples = row
    columns = {str(c[0]): (str(c[1]), bool(c[2]), int(c[3])) for c in rows(connection, _COLUMNS, (oid,))}
    _must_be_there(columns, "key", spec.key)
    _must_be_there(columns, "tenant", [spec.tenant] if spec.tenant else [])
    _must_be_there(columns, "set" if spec.set else "writes", spec.changed)
    _must_be_there(columns, "reads", spec.reads)
    shape = Shape(
        schema, name, tuple(Column(key, columns[key][0]) for key in spec.key),
        Column(spec.tenant, columns[spec.tenant][0]) if spec.tenant else None,
    )  # fmt: skip
    _must_find_one_row(connection, oid, shape, columns)
    ((counted,),) = rows(connection, f"SELECT count(*) FROM (SELECT FROM {shape.sql} LIMIT {_SMALL + 1}) few".encode())
    return Table(oid, shape, columns, small=counted <= _SMALL, many=reltuples > _MANY)


def _row(connection: Connection, spec: Backfill) -> tuple[Any, ...]:
    *schema, name = names_of(spec.table)
    given = {"table": name, "schema": schema[0] if schema else None}
    found = rows(connection, _TABLE, given)
    if not found:
        known = [str(one[0]) for one in rows(connection, _TABLES)]
        raise BackfillWrongError("table", f"there is no table {spec.table!r} here", nearest(spec.table, known))
    (row,) = found
    _, _, _, kind, persistence, hidden, inherited, ruled, readable, _ = row
    wrong = (
        (kind in _KINDS, f"{spec.table!r} is {_KINDS.get(kind)}; rows are filled in a table",
         "name the table whose rows it shows"),
        (persistence == "t", f"{spec.table!r} is temporary, and nobody else sees it",
         "write SCHEMA.TABLE if another one is meant"),
        (hidden, f"row level security hides rows of {spec.table!r} from this role, and they would be missed",
         "give the address of a role with BYPASSRLS"),
        (inherited, f"{spec.table!r} has tables that inherit from it, whose rows no key of it finds one by one",
         "declare one for each of them"),
        (ruled, f"{spec.table!r} has a rule for UPDATE, so that it is not known what is done to a row",
         "make a trigger of the rule, or fill in the table that it writes to"),
        (not readable, f"the role may not read {spec.table!r}", "GRANT SELECT, or give another role's address"),
    )  # fmt: skip
    for is_so, why, hint in wrong:
        if is_so:
            raise BackfillRefusedError(why, hint=hint)
    return row


def _must_be_there(columns: dict[str, tuple[str, bool, int]], field: str, names: Any) -> None:  # noqa: ANN401
    for name in names:
        if name not in columns:
            raise BackfillWrongError(field, f"there is no column {name!r}", nearest(name, columns))


def _must_find_one_row(
    connection: Connection, oid: int, shape: Shape, columns: dict[str, tuple[str, bool, int]]
) -> None:
    for column in shape.key:
        if not columns[column.name][1]:
            raise BackfillRefusedError(
                f"key column {column.name!r} may be NULL, and such a row would not be found",
                hint="ALTER TABLE … ALTER … SET NOT NULL, or another key",
            )
    named = {column.name for column in shape.key} | ({shape.tenant.name} if shape.tenant else set())
    found = [set(row[0]) for row in rows(connection, _UNIQUE, (oid,))]
    if not any(one <= named for one in found):
        raise BackfillRefusedError(
            f"no unique index says that {_listed(shape)} is one row of {shape.name!r}",
            hint=index_for(shape, unique=True),
        )


def _listed(shape: Shape) -> str:
    names = [*([shape.tenant.name] if shape.tenant else []), *(column.name for column in shape.key)]
    return " and ".join(names)
