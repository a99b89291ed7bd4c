"""Who works on a tenant: a lease with an epoch, in the tenant's row. Whoever comes back too late finds another epoch
there, under the row's lock, and leaves the tenant before it changes a row.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from stationmaster.blocks.backfill_bookkeeping import LEASED
from stationmaster.blocks.backfill_sessions import Connection, at_once, rows, transaction
from stationmaster.domain.backfill_statements import Key

SECONDS = 15
_NEXT = f"""
    SELECT t.id, t.tenant FROM stationmaster.backfill_tenant t
    WHERE t.backfill = %(job)s AND t.state IN ('pending', 'running') AND NOT {LEASED}
        AND (%(only)s::text[] IS NULL OR t.tenant = ANY(%(only)s::text[])) AND t.tenant <> ALL(%(refused)s::text[])
    ORDER BY (SELECT r.place FROM unnest(%(names)s::text[], %(places)s::int[]) r(tenant, place)
        WHERE r.tenant = t.tenant) NULLS LAST, t.expected DESC NULLS LAST, t.tenant
    LIMIT 1
"""
_CLAIM = f"""
    UPDATE stationmaster.backfill_tenant t SET state = 'running', epoch = epoch + 1, holder = %(holder)s, reason = NULL,
        holder_pid = CASE WHEN %(pooled)s THEN NULL ELSE pg_backend_pid() END,
        holder_started = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
        leased_until = clock_timestamp() + interval '{SECONDS} s'
    WHERE t.id = (SELECT t.id FROM stationmaster.backfill_tenant t WHERE t.id = %(id)s
        AND t.state IN ('pending', 'running') AND NOT {LEASED} FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING t.id, t.tenant, t.untenanted, t.epoch, t.pass, t.last_key, t.wrong, t.wrong_key, t.lost,
        EXISTS (SELECT FROM stationmaster.backfill_skipped s WHERE s.tenant = t.id)
"""
_SKIPPED = "SELECT key FROM stationmaster.backfill_skipped WHERE tenant = %s"
_LEFT = """
    SELECT count(*) FROM stationmaster.backfill_tenant t WHERE t.backfill = %(job)s
        AND t.state IN ('pending', 'running') AND (%(only)s::text[] IS NULL OR t.tenant = ANY(%(only)s::text[]))
        AND t.tenant <> ALL(%(refused)s::text[])
"""
_TAKE_UP = f"""
    UPDATE stationmaster.backfill_tenant SET leased_until = clock_timestamp() + interval '{SECONDS} s',
        holder_pid = CASE WHEN %s THEN NULL ELSE pg_backend_pid() END,
        holder_started = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
    WHERE id = %s AND epoch = %s AND state = 'running'
    RETURNING pass, last_key, wrong, wrong_key
"""
_END = """
    UPDATE stationmaster.backfill_tenant SET state = %s, reason = %s, holder = NULL, holder_pid = NULL,
        holder_started = NULL, leased_until = NULL
    WHERE id = %s AND epoch = %s AND state = 'running'
"""


class LeaseLost(Exception):  # noqa: N818 - it is no error: somebody else has the tenant, or a person paused it
    """Another worker has the tenant, or it was paused."""


@dataclass
class Lease:
    """A tenant in hand, and where its walk is."""

    id: int
    tenant: str
    untenanted: bool
    epoch: int
    stage: str  # fill, then sweep
    last: Key | None
    wrong: int
    wrong_key: Key | None
    lost: str | None
    skipped: list[Key] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, Key | None, int, Key | None]:
        return self.stage, self.last, self.wrong, self.wrong_key

    def go_to(self, stage: str, last: Key | None, wrong: int, wrong_key: Key | None) -> None:
        self.stage, self.last, self.wrong, self.wrong_key = stage, last, wrong, wrong_key


def pooled(connection: Connection) -> bool:
    """Whether a pooler is in between, whose sessions outlive us: then a lease ends by its time alone."""
    return rows(connection, "SELECT pg_backend_pid()") != [(connection.info.backend_pid,)]


@dataclass(frozen=True)
class Wanted:
    """Which tenants of a job a worker may have, and in which order."""

    job: int
    only: Collection[str] | None
    ranks: Mapping[str, int]

    def given(self, refused: Collection[str]) -> dict[str, Any]:
        only = list(self.only) if self.only is not None else None
        places = {"names": list(self.ranks), "places": list(self.ranks.values())}
        return {"job": self.job, "only": only, "refused": list(refused), **places}


def next_free(connection: Connection, wanted: Wanted, refused: Collection[str]) -> tuple[int, str] | None:
    """The first tenant that nobody has."""
    found = at_once(connection, _NEXT, wanted.given(refused))
    return (int(found[0][0]), str(found[0][1])) if found else None


def count_left(connection: Connection, wanted: Wanted, refused: Collection[str]) -> int:
    """How many are not through, whoever has them."""
    with transaction(connection):
        row = connection.execute(_LEFT, wanted.given(refused)).fetchone()
    return int(row[0]) if row else 0


def claim(connection: Connection, tenant: int, holder: str, *, is_pooled: bool) -> Lease | None:
    """The lease, if nobody was faster."""
    found = at_once(connection, _CLAIM, {"id": tenant, "holder": holder, "pooled": is_pooled})
    if not found:
        return None
    (row,) = found
    id_, name, untenanted, epoch, stage, last, wrong, wrong_key, lost, has_skipped = row
    skipped = [tuple(one[0]) for one in rows(connection, _SKIPPED, (tenant,))] if has_skipped else []
    return Lease(id_, name, untenanted, epoch, stage, _key(last), wrong, _key(wrong_key), lost, skipped)


def take_up(connection: Connection, lease: Lease, *, is_pooled: bool) -> None:
    """Go on with a tenant on another connection, from where PostgreSQL says that it is: a COMMIT whose answer was lost
    may have been carried out.

    Raises:
        LeaseLost: somebody else has it.
    """
    with transaction(connection):
        row = connection.execute(_TAKE_UP.encode(), (is_pooled, lease.id, lease.epoch)).fetchone()
    if row is None:
        raise LeaseLost
    stage, last, wrong, wrong_key = row
    lease.go_to(stage, _key(last), wrong, _key(wrong_key))


def give_back(connection: Connection, lease: Lease, state: str, reason: str | None) -> None:
    """End the lease; nothing where another has it by now."""
    with transaction(connection):
        connection.execute(_END, (state, reason, lease.id, lease.epoch))


def _key(found: list[str] | None) -> Key | None:
    return tuple(found) if found is not None else None
