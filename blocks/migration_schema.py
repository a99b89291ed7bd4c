"""The whole schema of a database as lines, and what its rows hold as sums: two states of one database compare by them.

Not compared: the order of columns, which a downgrade cannot restore; owners and storage settings; statistics.
"""

from typing import Any

from stationmaster.blocks.migration_catalog import tables
from stationmaster.blocks.postgres import Connection
from stationmaster.domain.migration_row_types import identifier

_OWN = """n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'"""
_EXTENSION = """NOT EXISTS (
    SELECT FROM pg_depend x WHERE x.classid = '{0}'::regclass AND x.objid = {1} AND x.deptype = 'e')"""
_NAME = "format('%I.%I', n.nspname, c.relname)"
_CLASS = f"{_OWN} AND c.relname <> 'alembic_version' AND {_EXTENSION.format('pg_class', 'c.oid')}"
_LINES = f"""
    SELECT 'schema ' || quote_ident(n.nspname) FROM pg_namespace n
    WHERE {_OWN} AND {_EXTENSION.format("pg_namespace", "n.oid")}
    UNION ALL SELECT 'extension ' || quote_ident(extname) FROM pg_extension
    UNION ALL SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'type' END
        || ' ' || {_NAME} || CASE WHEN c.relkind IN ('v', 'm') THEN ' as ' || pg_get_viewdef(c.oid) ELSE '' END
        || CASE WHEN c.relrowsecurity THEN ' with row security' ELSE '' END
        || CASE c.relpersistence WHEN 'u' THEN ' unlogged' ELSE '' END
        || coalesce(' partition ' || pg_get_expr(c.relpartbound, c.oid), '')
        || coalesce(' by ' || CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, '')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND {_CLASS}
    UNION ALL SELECT 'sequence ' || {_NAME} || ' of ' || format_type(s.seqtypid, NULL)
        || ' by ' || s.seqincrement || CASE WHEN s.seqcycle THEN ' in a circle' ELSE '' END
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_CLASS}
    UNION ALL SELECT 'column ' || {_NAME} || '.' || quote_ident(a.attname) || ' '
        || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
        || coalesce(CASE WHEN a.attgenerated <> '' THEN ' generated ' ELSE ' default ' END
            || pg_get_expr(d.adbin, d.adrelid), '')
        || CASE a.attidentity WHEN 'a' THEN ' identity always' WHEN 'd' THEN ' identity' ELSE '' END
        || CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || a.attcollation::regcollation ELSE '' END
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'c') AND {_CLASS}
    UNION ALL SELECT 'constraint ' || {_NAME} || '.' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype <> 'n' AND {_CLASS}
    UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_CLASS}
    UNION ALL SELECT 'trigger ' || pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'D' THEN ' (disabled)' ELSE '' END
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT g.tgisinternal AND {_CLASS}
    UNION ALL SELECT 'rule ' || pg_get_ruledef(r.oid)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.rulename <> '_RETURN' AND {_CLASS}
    UNION ALL SELECT 'policy ' || {_NAME} || '.' || quote_ident(p.polname) || ' for ' || p.polcmd::text
        || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '')
        || coalesce(' with check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_CLASS}
    UNION ALL SELECT 'function ' || f.oid::regprocedure || ' '
        || md5(CASE WHEN f.prokind IN ('f', 'p') THEN pg_get_functiondef(f.oid) ELSE f.prosrc END)
    FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
    WHERE {_OWN} AND {_EXTENSION.format("pg_proc", "f.oid")}
    UNION ALL SELECT 'type ' || t.oid::regtype || CASE t.typtype
        WHEN 'e' THEN ' enum ' || (SELECT string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
            FROM pg_enum l WHERE l.enumtypid = t.oid)
        WHEN 'd' THEN ' domain ' || format_type(t.typbasetype, t.typtypmod) || CASE WHEN t.typnotnull THEN ' not null'
            ELSE '' END || coalesce(' default ' || t.typdefault, '') || coalesce((SELECT string_agg(' ' ||
            pg_get_constraintdef(k.oid), '' ORDER BY k.conname) FROM pg_constraint k WHERE k.contypid = t.oid), '')
        ELSE ' range' END
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') AND {_OWN} AND {_EXTENSION.format("pg_type", "t.oid")}
    UNION ALL SELECT 'comment on ' || {_NAME} || coalesce('.' || quote_ident(a.attname), '') || ' ' || o.description
    FROM pg_description o JOIN pg_class c ON o.classoid = 'pg_class'::regclass AND c.oid = o.objoid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = o.objsubid AND o.objsubid > 0 WHERE {_CLASS}
    UNION ALL SELECT 'grant on ' || {_NAME} || ' ' || one::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(c.relacl) one
    WHERE {_CLASS} AND one::text NOT LIKE pg_get_userbyid(c.relowner) || '=%'
"""


def schema(connection: Connection) -> frozenset[str]:
    """A line for each thing that there is. Heads of Alembic are not part of it."""
    with connection.transaction():  # on one view of the catalog, and with names that no search path shortens
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SET LOCAL search_path = ''")
        rows = connection.execute(_LINES.replace("%", "%%").encode(), ()).fetchall()
    return frozenset(" ".join(str(row[0]).split()) for row in rows)


def content(connection: Connection) -> dict[str, tuple[int, dict[str, int]]]:
    """Of each table its number of rows, and of each column the sum of its values' hashes, whatever their order."""
    found = {}
    for table in tables(connection).values():
        hashes = "".join(
            f", coalesce(sum(hashtext({identifier(column.name)}::text)), 0)::bigint" for column in table.columns
        )
        row: tuple[Any, ...] = connection.execute(f"SELECT count(*){hashes} FROM {table.sql}".encode()).fetchone() or ()
        sums = {column.name: int(value) for column, value in zip(table.columns, row[1:], strict=True)}
        found[table.name] = (int(row[0]), sums)
    return found
