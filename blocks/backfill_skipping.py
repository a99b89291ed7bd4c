"""A row that is left out of a backfill: on record with the reason, and only if it is there."""

from typing import Any

import psycopg

from stationmaster.blocks.backfill_asked import BackfillUnknownError
from stationmaster.blocks.backfill_bookkeeping import tenant_of
from stationmaster.blocks.backfill_sessions import Connection
from stationmaster.blocks.backfill_table import table_of
from stationmaster.domain.backfill_states import before
from stationmaster.domain.backfills import Backfill

_JOB = """
    SELECT b.declared, t.id, t.untenanted, b.schema FROM stationmaster.backfill b
    JOIN stationmaster.backfill_tenant t ON t.backfill = b.id WHERE b.id = ANY(%s) AND t.tenant = %s
"""
_SKIP = "INSERT INTO stationmaster.backfill_skipped (tenant, key, reason) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_AGAIN = """
    UPDATE stationmaster.backfill_tenant SET state = CASE state WHEN 'paused' THEN state ELSE 'pending' END,
        reason = NULL, holder = NULL WHERE id = %s AND state = ANY(%s)
"""


def leave_out(connection: Connection, jobs: list[int], tenant: str, key: tuple[str, ...], reason: str) -> None:
    """Raises BackfillUnknownError: no row has that key, or it is not one of so many columns."""
    for row in connection.execute(_JOB, (jobs, tenant)).fetchall():
        found = _written(connection, row, tenant, key)
        connection.execute(_SKIP, (row[1], list(found), reason))
        connection.execute(_AGAIN, (row[1], list(before("skip"))))


def _written(connection: Connection, row: tuple[Any, ...], tenant: str, key: tuple[str, ...]) -> tuple[str, ...]:
    """The key as PostgreSQL writes it."""
    declared, _, untenanted, _ = row
    shape = (table := table_of(connection, Backfill.model_validate(declared))).shape
    if len(key) != len(shape.key):
        raise BackfillUnknownError(f"the key has {len(shape.key)} columns: {', '.join(c.name for c in shape.key)}")
    where = [*shape.of(tenant_of(table, tenant, untenanted=untenanted)), f"{shape.row} = {shape.literal(key)}"]
    try:
        asked = f"SELECT {shape.texts} FROM {shape.sql} WHERE {' AND '.join(where)}"
        found = connection.execute(asked.encode()).fetchone()
    except psycopg.DataError:
        found = None
    if found is None:
        raise BackfillUnknownError(f"tenant {tenant!r} has no row with key {', '.join(key)}")
    return tuple(map(str, found))
