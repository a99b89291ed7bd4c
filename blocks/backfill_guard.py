"""What is asked of PostgreSQL before the first row is touched: that every expression is one of this table, and that the
way from batch to batch is an index's and not a sort's. Nothing is run: EXPLAIN alone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from stationmaster.blocks.backfill_asked import BackfillRefusedError, BackfillWrongError
from stationmaster.blocks.backfill_sessions import Connection, rows, transaction
from stationmaster.blocks.backfill_table import Table
from stationmaster.domain.backfill_faults import told
from stationmaster.domain.backfill_sql import is_volatile_word
from stationmaster.domain.backfill_statements import Range, Shape, Tenant, Unknown, bound, index_for
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.errors import nearest
from stationmaster.domain.migration_row_types import identifier

_NO_COLUMN = re.compile(r'column "?(?:[^".]+\.)?([^"]+?)"? (?:of relation .* )?does not exist')
_WAYS = {"Limit", "Result", "Append", "Merge Append", "Subquery Scan"}
_SCANS = {"Index Scan", "Index Only Scan"}
_GENERIC = """
    SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
    SET LOCAL enable_bitmapscan = off; SET LOCAL enable_incremental_sort = off
"""
_FIRST = """
    SELECT DISTINCT a.attname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid IN (SELECT %s::oid UNION SELECT relid FROM pg_partition_tree(%s::oid::regclass))
        AND x.relname = ANY(%s)
"""
_NAME = "stationmaster_backfill_guard"
_CHANGING = """
    SELECT proname::text FROM pg_proc WHERE proname = ANY(%s)
        AND (provolatile = 'v' OR proname IN ('now', 'transaction_timestamp', 'statement_timestamp', 'current_setting'))
"""


def must_understand(connection: Connection, spec: Backfill, table: Table) -> None:
    """Raises BackfillWrongError: PostgreSQL does not take an expression, in its words; BackfillRefusedError: the role
    may not do it.
    """
    name = table.shape.sql
    if spec.set is not None:
        _explain(connection, table, "set", f"UPDATE {name} SET\n{spec.set}\nWHERE false")
    else:
        nothing = ", ".join(f"{identifier(column)} = NULL" for column in spec.writes)
        _explain(connection, table, "writes", f"UPDATE {name} SET {nothing} WHERE false")
    for field, text in (("todo", spec.todo), ("verify", spec.verify)):
        if text is not None:
            _explain(connection, table, field, f"SELECT FROM {name} WHERE (\n{text}\n)")


def must_have_index(connection: Connection, table: Table) -> Table:
    """The table as it is to be walked. Raises BackfillRefusedError, with the statement that makes the index."""
    for shape in (table.shape, *([replace(table.shape, leads=False)] if table.small else [])):
        nodes = list(_nodes(_plan_of_bound(connection, shape)))
        if all(_leads(node, small=table.small) for node in nodes) and _begins(connection, table, shape, nodes):
            return replace(table, shape=shape)
    of = " of a tenant" if table.shape.tenant else ""
    raise BackfillRefusedError(
        f"no index of {table.shape.name!r} leads from key to key{of}, so that each batch would read the whole table",
        hint=index_for(table.shape, unique=False),
    )


def _begins(connection: Connection, table: Table, shape: Shape, nodes: list[dict[str, Any]]) -> bool:
    """Whether the indexes of a plan begin with the tenant: PostgreSQL can skip through one that does not."""
    if shape.tenant is None or not shape.leads:
        return True
    names = [node["Index Name"] for node in nodes if "Index Name" in node]
    return {str(row[0]) for row in rows(connection, _FIRST, (table.oid, table.oid, names))} == {shape.tenant.name}


def _leads(node: dict[str, Any], *, small: bool) -> bool:
    """Whether a part of the plan goes from key to key, and leaves nothing out that it read."""
    if node["Node Type"] in _SCANS:
        return "Index Cond" in node and ("Filter" not in node or small)
    return node["Node Type"] in _WAYS


@dataclass(frozen=True)
class Proof:
    """What a row is asked in the end; None where nothing but the walk itself can tell. `of_values`: it would see a
    value that is stale, and not only one that is missing.
    """

    sql: str | None
    of_values: bool


def proof_of(connection: Connection, spec: Backfill) -> Proof:
    """By `verify`; else each column has to equal its expression, unless that reads what it changes, or changes from
    moment to moment: then that nothing is `todo`.
    """
    if spec.verify is not None:
        return Proof(spec.verify, of_values=True)
    undone = Proof(f"({spec.todo}\n) IS NOT TRUE" if spec.todo is not None else None, of_values=False)
    changed = set(spec.changed)
    if spec.set is None or any(one.sql is None or one.reads & (changed | {"*"}) for one in spec.assignments):
        return undone
    calls = frozenset(name for one in spec.assignments for name in one.functions)
    if any(map(is_volatile_word, calls)) or rows(connection, _CHANGING, (list(calls),)):
        return undone
    same = [f"{identifier(one.column)} IS NOT DISTINCT FROM (\n{one.sql}\n)" for one in spec.assignments]
    return Proof(" AND ".join(same), of_values=True)


def _plan_of_bound(connection: Connection, shape: Shape) -> dict[str, Any]:
    """For values that are not known yet, so that it does not depend on which rows there are."""
    columns = [*([shape.tenant] if shape.tenant else []), *shape.key]
    unknown = replace(
        shape, key=tuple(Unknown(one.name, one.type) for one in shape.key),
        tenant=Unknown(shape.tenant.name, shape.tenant.type) if shape.tenant else None,
    )  # fmt: skip
    holes = tuple(f"${n}" for n in range(1, len(columns) + 1))
    after = holes[-len(shape.key) :]
    asked = bound(unknown, unknown.between(Tenant("", holes[0]), Range(after, None)), 100)
    with transaction(connection, read_only=True):
        connection.execute(_GENERIC)
        connection.execute(f"PREPARE {_NAME} ({', '.join(['text'] * len(columns))}) AS {asked}".encode())
        nulls = ", ".join(["NULL"] * len(columns))
        row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {_NAME} ({nulls})".encode()).fetchone()
        connection.execute(f"DEALLOCATE {_NAME}")
    found = row[0] if row else "[]"
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _explain(connection: Connection, table: Table, field: str, statement: str) -> None:
    try:
        with transaction(connection, read_only=True):
            connection.execute(f"EXPLAIN {statement}".encode())
    except psycopg.Error as error:
        if error.sqlstate is None or error.sqlstate.startswith(("08", "57", "53", "42501")):
            raise
        said = told(None, error.diag.message_primary)
        missing = _NO_COLUMN.search(said)
        hint = nearest(missing[1], table.columns) if missing else error.diag.message_hint
        raise BackfillWrongError(field, f"{field}: {said}", hint) from None
