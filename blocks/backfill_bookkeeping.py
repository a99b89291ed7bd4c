"""What is known of the backfills of a database: three tables in its schema `stationmaster`, made when the first begins.

A tenant's row has the cursor, and is written in the very transaction that changes the rows.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stationmaster.blocks.backfill_asked import BackfillRefusedError, BackfillUnknownError
from stationmaster.blocks.backfill_cover import Means, bound_of
from stationmaster.blocks.backfill_sessions import LONG, Connection, rows, transaction
from stationmaster.blocks.backfill_table import Table
from stationmaster.domain.backfill_statements import Tenant
from stationmaster.domain.backfill_states import before
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.errors import nearest

ALL, NONE = "*", "(none)"  # the one tenant of a table without tenants; rows whose tenant is NULL
_LOCK = 0x62_61_63_6B  # one maker at a time
_TABLES = """
CREATE SCHEMA IF NOT EXISTS stationmaster;
CREATE TABLE IF NOT EXISTS stationmaster.backfill (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL, schema text NOT NULL, "table" text NOT NULL,
    digest text NOT NULL, declared jsonb NOT NULL, revision text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(), bound text NOT NULL DEFAULT '',
    ready boolean NOT NULL DEFAULT false, paused text,
    UNIQUE (name, schema));
CREATE TABLE IF NOT EXISTS stationmaster.backfill_tenant (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    backfill bigint NOT NULL REFERENCES stationmaster.backfill ON DELETE CASCADE,
    tenant text NOT NULL, untenanted boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'pending', pass text NOT NULL DEFAULT 'fill', last_key text[],
    rows bigint NOT NULL DEFAULT 0, batches bigint NOT NULL DEFAULT 0, walked bigint NOT NULL DEFAULT 0,
    seconds float8 NOT NULL DEFAULT 0, expected bigint, wrong bigint NOT NULL DEFAULT 0, wrong_key text[],
    epoch bigint NOT NULL DEFAULT 0, holder text, holder_pid int, holder_started timestamptz,
    leased_until timestamptz, reason text, lost text,
    UNIQUE (backfill, tenant, untenanted)) WITH (fillfactor = 40);
CREATE TABLE IF NOT EXISTS stationmaster.backfill_skipped (
    tenant bigint NOT NULL REFERENCES stationmaster.backfill_tenant ON DELETE CASCADE,
    key text[] NOT NULL, reason text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, key))
"""
EXISTS = "SELECT to_regclass('stationmaster.backfill_tenant') IS NOT NULL"
# A lease counts for as long as its time is not over and the session that took it is there.
LEASED = """
    (t.holder IS NOT NULL AND t.leased_until > clock_timestamp() AND (t.holder_pid IS NULL OR EXISTS (
        SELECT FROM pg_stat_activity a WHERE a.pid = t.holder_pid
            AND coalesce(a.backend_start = t.holder_started, true))))
"""
_JOB = """
    SELECT id, digest, started_at::text, bound, ready, paused, declared->>'todo',
        EXISTS (SELECT FROM stationmaster.backfill_tenant t WHERE t.backfill = b.id),
        NOT EXISTS (SELECT FROM stationmaster.backfill_tenant t WHERE t.backfill = b.id AND t.state <> 'verified')
    FROM stationmaster.backfill b WHERE name = %s AND schema = %s
"""


@dataclass(frozen=True)
class Job:
    """One backfill under way. `started_at` and `bound` are of its beginning, whoever works on it now."""

    id: int
    started_at: str
    bound: str
    ready: bool


def open_job(connection: Connection, spec: Backfill, table: Table, means: Means | None, *, restart: bool) -> Job:
    """The job of that name, begun or gone on with.

    Raises:
        BackfillRefusedError: another one of that name is not through, or one that cannot be told from done is to begin
            anew; or the role may not make the bookkeeping.
    """
    with transaction(connection):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not is_there(connection):
            connection.execute(_TABLES)
        row = connection.execute(_JOB, (spec.name, table.shape.schema)).fetchone()
        if row is not None and not _is_over(row, spec, restart=restart):
            _remember(connection, row[0], spec)
            return Job(row[0], row[2], row[3], row[4])
        if row is not None:
            connection.execute("DELETE FROM stationmaster.backfill WHERE id = %s", (row[0],))
        return _begin(connection, spec, table, means)


def must_be_new_or_same(connection: Connection, spec: Backfill, table: Table, *, restart: bool) -> None:
    """Raises BackfillRefusedError, as `open_job` would; without changing anything."""
    if is_there(connection):
        for row in rows(connection, _JOB, (spec.name, table.shape.schema)):
            _is_over(row, spec, restart=restart)


def is_there(connection: Connection) -> bool:
    """Whether any backfill ever began in this database."""
    return rows(connection, EXISTS) == [(True,)]


def _is_over(row: tuple[Any, ...], spec: Backfill, *, restart: bool) -> bool:
    """Whether what is on record makes room for a new one."""
    _, digest, _, _, _, _, _, begun, through = row
    if restart and spec.todo is None:
        raise BackfillRefusedError(
            f"{spec.name!r} has no `todo`, so that begun anew it would change its rows twice",
            hint="give it another name, if that is what is wanted",
        )
    if restart or digest == spec.digest:
        return restart
    if begun and not through:
        raise BackfillRefusedError(
            f"another backfill named {spec.name!r} is not through: it sets, walks or covers something else",
            hint="give this one another name" + (", or --restart to begin anew" if spec.todo is not None else ""),
        )
    return True


def _declared(spec: Backfill) -> str:
    return json.dumps(spec.model_dump(mode="json", exclude_none=True, exclude={"throttle"}))


def _remember(connection: Connection, job: int, spec: Backfill) -> None:
    connection.execute(
        "UPDATE stationmaster.backfill SET declared = %s, revision = %s WHERE id = %s",
        (_declared(spec), spec.revision, job),
    )


def _begin(connection: Connection, spec: Backfill, table: Table, means: Means | None) -> Job:
    bound = bound_of(connection, means) if means is not None else ""
    row = connection.execute(
        'INSERT INTO stationmaster.backfill (name, schema, "table", digest, declared, revision, bound, ready) '
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id, started_at::text, bound, ready",
        (spec.name, table.shape.schema, table.shape.name, spec.digest, _declared(spec), spec.revision, bound,
         means is None),
    ).fetchone()  # fmt: skip
    assert row is not None  # noqa: S101 - RETURNING
    return Job(*row)


def mark_ready(connection: Connection, job: Job) -> None:
    """Nobody is left who could bring a row that counts."""
    with transaction(connection):
        connection.execute("UPDATE stationmaster.backfill SET ready = true WHERE id = %s", (job.id,))


def note_tenants(connection: Connection, job: Job, table: Table, cover: str | None) -> int:
    """Put every tenant of the table on record that is not yet; how many were new. Of a table that is not too large its
    rows are counted for the sake of the forecast.
    """
    with transaction(connection, LONG):
        found = connection.execute(_tenants(table, cover).encode()).fetchall()
        noted = [(NONE if name is None else str(name), name is None, count) for name, count in found]
        row = connection.execute(_NOTE, (*map(list, zip(*noted, strict=True)), job.id)).fetchone() if noted else None
    return int(row[0]) if row else 0


_NOTE = """
    WITH noted AS (
        INSERT INTO stationmaster.backfill_tenant (backfill, tenant, untenanted, expected, state, reason)
        SELECT b.id, n.tenant, n.untenanted, n.expected, CASE WHEN b.paused IS NULL THEN 'pending' ELSE 'paused' END,
            b.paused
        FROM stationmaster.backfill b, unnest(%s::text[], %s::bool[], %s::bigint[]) AS n(tenant, untenanted, expected)
        WHERE b.id = %s ON CONFLICT DO NOTHING RETURNING 1)
    SELECT count(*) FROM noted
"""


def _tenants(table: Table, cover: str | None) -> str:
    shape, where = table.shape, f" WHERE ({cover}\n)" if cover else ""
    if shape.tenant is None:
        return f"SELECT '{ALL}', count(*) FROM {shape.sql}{where} HAVING count(*) > 0"
    column = shape.tenant.sql
    if not table.many:
        return f"SELECT {column}::text, count(*) FROM {shape.sql}{where} GROUP BY {column}"
    return (
        f"WITH RECURSIVE next(tenant) AS ((SELECT {column} FROM {shape.sql} ORDER BY 1 LIMIT 1) UNION ALL "
        f"SELECT (SELECT {column} FROM {shape.sql} WHERE {column} > next.tenant ORDER BY 1 LIMIT 1) FROM next "
        "WHERE next.tenant IS NOT NULL) SELECT tenant::text, NULL::bigint FROM next WHERE tenant IS NOT NULL "
        f"UNION ALL SELECT NULL, NULL WHERE EXISTS (SELECT FROM {shape.sql} WHERE {column} IS NULL)"
    )


def tenant_of(table: Table, name: str, *, untenanted: bool) -> Tenant:
    return Tenant(name, None if untenanted or table.shape.tenant is None else name)


def take_again(connection: Connection, job: Job, spec: Backfill, only: Iterable[str] | None, *, mend: bool) -> None:
    """What failed is tried again, and what is done is looked at again: somebody may have mended the row. What is
    verified is swept anew where `todo` says what is to be done, or a person wants it mended; not while another run is
    at work, which just did that.
    """
    chosen = "t.backfill = %(job)s AND (%(only)s::text[] IS NULL OR t.tenant = ANY(%(only)s::text[]))"
    given = {"job": job.id, "only": list(only) if only is not None else None}
    swept = "last_key = CASE WHEN pass = 'fill' THEN last_key END, wrong = 0, wrong_key = NULL"
    connection.execute(f"{_BEGIN}, {swept} WHERE t.state = 'failed' AND {chosen}".encode(), given)
    at_work = f"EXISTS (SELECT FROM stationmaster.backfill_tenant t WHERE t.backfill = %(job)s AND {LEASED})"
    paused = "EXISTS (SELECT FROM stationmaster.backfill b WHERE b.id = %(job)s AND b.paused IS NOT NULL)"
    states = "('done', 'verified')" if spec.todo is not None or mend else "('done')"
    anew = f"{_BEGIN}, {_SWEEP} WHERE t.state IN {states} AND {chosen} AND NOT {paused} AND NOT {at_work}"
    connection.execute(anew.encode(), given)


_BEGIN = "UPDATE stationmaster.backfill_tenant t SET state = 'pending', reason = NULL"
_SWEEP = "pass = 'sweep', last_key = NULL, wrong = 0, wrong_key = NULL"


def pause(connection: Connection, jobs: list[int], tenant: str | None, reason: str) -> None:
    """Of one tenant, or of all; then of those too that appear later."""
    if tenant is None:
        connection.execute("UPDATE stationmaster.backfill SET paused = %s WHERE id = ANY(%s)", (reason, jobs))
    connection.execute(
        "UPDATE stationmaster.backfill_tenant SET state = 'paused', reason = %s, holder = NULL "
        "WHERE backfill = ANY(%s) AND (%s::text IS NULL OR tenant = %s) AND state = ANY(%s)",
        (reason, jobs, tenant, tenant, list(before("pause"))),
    )


def resume(connection: Connection, jobs: list[int], tenant: str | None) -> None:
    if tenant is None:
        connection.execute("UPDATE stationmaster.backfill SET paused = NULL WHERE id = ANY(%s)", (jobs,))
    connection.execute(
        "UPDATE stationmaster.backfill_tenant SET state = 'pending', reason = NULL WHERE backfill = ANY(%s) "
        "AND (%s::text IS NULL OR tenant = %s) AND state = ANY(%s)",
        (jobs, tenant, tenant, list(before("resume"))),
    )


def lose(connection: Connection, jobs: list[int], tenants: list[str], reason: str) -> None:
    """Whoever works on one of them loses its lease: what is to be mended is read when it is taken. What is not filled
    yet is still to be filled first.
    """
    connection.execute(
        """UPDATE stationmaster.backfill_tenant SET lost = %(reason)s, epoch = epoch + 1, holder = NULL, wrong = 0,
            wrong_key = NULL, last_key = CASE WHEN pass = 'fill' AND NOT state = ANY(%(through)s) THEN last_key END,
            pass = CASE WHEN state = ANY(%(through)s) THEN 'sweep' ELSE pass END,
            state = CASE WHEN state = ANY(%(from)s) THEN 'pending' ELSE state END
        WHERE backfill = ANY(%(jobs)s) AND tenant = ANY(%(tenants)s)""",
        {"reason": reason, "jobs": jobs, "tenants": tenants, "from": list(before("lose")),
         "through": ["done", "verified"]},
    )  # fmt: skip


def jobs_named(connection: Connection, name: str) -> list[int]:
    """Those of that name: the one whose table is in the schema that the address stands in, or else all.

    Raises:
        BackfillUnknownError: with the nearest name.
    """
    known: list[tuple[Any, ...]] = []
    if is_there(connection):
        known = rows(connection, "SELECT name, id, schema = current_schema() FROM stationmaster.backfill")
    found = [row for row in known if row[0] == name]
    if not found:
        raise BackfillUnknownError(
            f"no backfill named {name!r} ever began here", hint=nearest(name, {str(row[0]) for row in known})
        )
    return [row[1] for row in found if row[2]] or [row[1] for row in found]


def must_have_tenant(connection: Connection, jobs: list[int], tenant: str) -> None:
    """Raises BackfillUnknownError."""
    asked = "SELECT tenant FROM stationmaster.backfill_tenant WHERE backfill = ANY(%s)"
    known = {str(row[0]) for row in rows(connection, asked, (jobs,))}
    if tenant not in known:
        raise BackfillUnknownError(f"it has no tenant {tenant!r}", hint=nearest(tenant, known))
