"""The tables of a database as rows are made for them, read from PostgreSQL's catalog. It changes nothing."""

from collections.abc import Iterable
from typing import Any

from stationmaster.blocks.postgres import Connection
from stationmaster.domain.migration_row_types import Kind
from stationmaster.domain.migration_rows import Check, Column, Link, Table

_OURS = """n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""
_TABLES = f"""
    SELECT c.oid::int8, CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END,
        format('%I.%I', n.nspname, c.relname),
        EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version' AND {_OURS}
    ORDER BY 2
"""
_COLUMNS = """
    SELECT a.attrelid::int8, a.attname,
        format_type(b.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END), b.typname, e.typname,
        CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, a.attnotnull OR t.typnotnull,
        pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
        ARRAY(SELECT l.enumlabel::text FROM pg_enum l WHERE l.enumtypid = coalesce(e.oid, b.oid)
            ORDER BY l.enumsortorder)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum
"""
_UNIQUE = """
    SELECT i.indrelid::int8, x.relname, ARRAY(
        SELECT DISTINCT a.attname::text FROM pg_depend d JOIN pg_attribute a ON a.attrelid = i.indrelid
            AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND a.attnum > 0
        UNION SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])
        ORDER BY 1)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = ANY(%s::oid[]) AND (i.indisunique OR i.indisexclusion) ORDER BY i.indexrelid
"""
_LINKS = """
    SELECT k.conrelid::int8, k.conname, k.confrelid::int8,
        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.o),
        ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.o)
    FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = ANY(%s::oid[]) ORDER BY k.conname
"""
_CHECKS = """
    SELECT k.conrelid::int8, k.conname,
        ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)),
        pg_get_expr(k.conbin, k.conrelid)
    FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid = ANY(%s::oid[])
    UNION ALL
    SELECT a.attrelid::int8, k.conname, ARRAY[a.attname::text],
        regexp_replace(pg_get_expr(k.conbin, 0), '\\mVALUE\\M', format('%%I', a.attname), 'g')
    FROM pg_attribute a JOIN pg_constraint k ON k.contypid = a.atttypid AND k.contype = 'c'
    WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 2
"""
_HEADER = 4  # bytes that count in the modifier of a type with a length


def tables(connection: Connection) -> dict[str, Table]:
    """Every table by its name: with its schema where the search path does not find it."""
    rows = connection.execute(_TABLES).fetchall()
    oids, names = [row[0] for row in rows], {row[0]: row[1] for row in rows}
    columns = _by_table(connection.execute(_COLUMNS, (oids,)).fetchall())
    unique = _by_table(connection.execute(_UNIQUE, (oids,)).fetchall())
    links = _by_table(connection.execute(_LINKS, (oids,)).fetchall())
    checks = _by_table(connection.execute(_CHECKS, (oids, oids)).fetchall())
    return {
        name: Table(
            name=name,
            sql=sql,
            columns=tuple(_column(row) for row in columns.get(oid, ())),
            unique=tuple(tuple(row[1]) for row in unique.get(oid, ())),
            indexes=tuple(row[0] for row in unique.get(oid, ())),
            links=tuple(
                Link(link, tuple(own), names[other], tuple(keys))
                for link, other, own, keys in links.get(oid, ())
                if other in names
            ),
            checks=tuple(Check(row[0], tuple(row[1]), row[2]) for row in checks.get(oid, ())),
            triggers=triggers,
        )
        for oid, name, sql, triggers in rows
    }


def _by_table(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1:])
    return found


def _column(row: tuple[Any, ...]) -> Column:
    name, written, base, element, modifier, required, default, identity, generated, labels = row
    kind = Kind(written, element or base, *_sizes(element or base, modifier), labels=tuple(labels), array=bool(element))
    counted = bool(identity) or (default or "").startswith("nextval(")
    own = identity == "a" or bool(generated)
    return Column(name, kind, required, None if generated else default, own, counted)


def _sizes(base: str, modifier: int) -> tuple[int | None, tuple[int, int] | None]:
    """Length, or precision and scale, from PostgreSQL's packed modifier."""
    if modifier < 0:
        return None, None
    if base == "numeric":
        packed = modifier - _HEADER
        return None, (packed >> 16 & 0xFFFF, packed & 0x7FF)
    if base in {"varchar", "bpchar"}:
        return modifier - _HEADER, None
    return (modifier, None) if base in {"bit", "varbit"} else (None, None)
