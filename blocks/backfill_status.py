"""How far backfills are, from their bookkeeping alone."""

from typing import Any

from stationmaster.blocks.backfill_asked import Progress, TenantProgress
from stationmaster.blocks.backfill_bookkeeping import LEASED
from stationmaster.blocks.backfill_sessions import Connection

_ROWS = f"""
    SELECT b.id, b.name, b.schema || '.' || b."table", t.tenant,
        CASE WHEN t.state = 'running' AND NOT {LEASED} THEN 'pending' ELSE t.state END,
        t.rows, t.expected, t.walked, t.seconds, t.reason, t.pass, t.batches
    FROM stationmaster.backfill b LEFT JOIN stationmaster.backfill_tenant t ON t.backfill = b.id
    WHERE %s::bigint IS NULL OR b.id = %s ORDER BY b.id, t.id
"""


def progress(connection: Connection, job: int | None = None) -> tuple[Progress, ...]:
    """Of every job, or of one. The bookkeeping has to be there."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in connection.execute(_ROWS.encode(), (job, job)).fetchall():
        found.setdefault(row[0], []).append(row)
    return tuple(_one(rows) for rows in found.values())


def batches(connection: Connection, job: int) -> int:
    """How many were committed, over all runs."""
    asked = "SELECT coalesce(sum(batches), 0)::int8 FROM stationmaster.backfill_tenant WHERE backfill = %s"
    row = connection.execute(asked, (job,)).fetchone()
    return int(row[0]) if row else 0


def _one(rows: list[tuple[Any, ...]]) -> Progress:
    known = [row for row in rows if row[3] is not None]
    walked, seconds = sum(row[7] for row in known), sum(row[8] for row in known)
    speed = walked / seconds if seconds else None  # rows in a second of one worker
    tenants = tuple(_tenant(row, speed) for row in known)
    at_work = max(1, sum(one.state == "running" for one in tenants))
    left = [one.eta_seconds for one in tenants]
    eta = None if None in left else round(sum(one or 0 for one in left) / at_work, 1)
    return Progress(rows[0][1], rows[0][2], sum(one.rows for one in tenants), eta, tenants)


def _tenant(row: tuple[Any, ...], speed: float | None) -> TenantProgress:
    _, _, _, tenant, state, rows, expected, walked, _, reason, stage, _ = row
    eta: float | None = None
    if state in {"done", "verified"}:
        eta = 0.0
    elif expected is not None and speed:
        left = max(0, expected - walked) if stage == "fill" else 0
        eta = round(left / speed, 1)
    return TenantProgress(tenant, state, rows, expected, eta, reason)
