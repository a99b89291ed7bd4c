"""What is asked of PostgreSQL before the first row is touched: that every expression is one of this table, and that the
way from batch to batch is an index's and not a sort's. Nothing is run: EXPLAIN alone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from stationmaster.blocks.backfill_asked import BackfillRefusedError, BackfillWrongError
from stationmaster.blocks.backfill_sessions import Connection, transaction
from stationmaster.blocks.backfill_table import Table
from stationmaster.domain.backfill_faults import told
from stationmaster.domain.backfill_sql import is_volatile_word
from stationmaster.domain.backfill_statements import bound, index_for
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.errors import nearest
from stationmaster.domain.migration_row_types import identifier

_NO_COLUMN = re.compile(r'column "?(?:[^".]+\.)?([^"]+?)"? (?:of relation .* )?does not exist')
_WAYS = {"Limit", "Result", "Append", "Merge Append", "Index Scan", "Index Only Scan", "Subquery Scan"}
_SCANS = {"Index Scan", "Index Only Scan"}
_GENERIC = """
    SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
    SET LOCAL enable_bitmapscan = off; SET LOCAL enable_incremental_sort = off
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


def must_have_index(connection: Connection, table: Table) -> None:
    """Raises BackfillRefusedError, with the statement that makes the index."""
    plan = _plan_of_bound(connection, table)
    for node in _nodes(plan):
        ranged = node["Node Type"] not in _SCANS or ("Index Cond" in node and ("Filter" not in node or table.small))
        if node["Node Type"] not in _WAYS or not ranged:
            raise BackfillRefusedError(
                f"no index of {table.shape.name!r} leads from key to key"
                + (" of a tenant" if table.shape.tenant else "")
                + ", so that each batch would read the whole table",
                hint=index_for(table.shape, unique=False),
            )


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
    if any(map(is_volatile_word, calls)) or connection.execute(_CHANGING, (list(calls),)).fetchall():
        return undone
    same = [f"{identifier(one.column)} IS NOT DISTINCT FROM (\n{one.sql}\n)" for one in spec.assignments]
    return Proof(" AND ".join(same), of_values=True)


def _plan_of_bound(connection: Connection, table: Table) -> dict[str, Any]:
    """For values that are not known yet, so that it does not depend on which rows there are."""
    shape = table.shape
    columns = [*([shape.tenant] if shape.tenant else []), *shape.key]
    holes = [f"${n}::{column.type}" for n, column in enumerate(columns, 1)]
    after = ", ".join(holes[-len(shape.key) :])
    beyond = f"{shape.row} > ({after})" if len(shape.key) > 1 else f"{shape.row} > {after}"
    of = [f"{shape.tenant.sql} = {holes[0]}"] if shape.tenant else []
    asked = bound(shape, [*of, beyond], 100)
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
