"""One worker: takes a tenant that nobody has, walks it, takes the next. It has one connection, and another one when
that breaks; what it holds is in PostgreSQL alone, so that it may end at any moment.
"""

import random
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import psycopg

from stationmaster.blocks.backfill_asked import BackfillStoppedError
from stationmaster.blocks.backfill_brake import Brake
from stationmaster.blocks.backfill_lease import (
    SECONDS,
    Lease,
    LeaseLost,
    Wanted,
    claim,
    count_left,
    give_back,
    next_free,
    pooled,
    take_up,
)
from stationmaster.blocks.backfill_sessions import Connection, connect, refusal, rows
from stationmaster.blocks.backfill_walk import STATEMENT_S, Act, Filler, TenantFailed, Walk
from stationmaster.domain.backfill_faults import Fault, fault, told
from stationmaster.domain.backfill_pace import Pace
from stationmaster.domain.backfill_statements import Tenant
from stationmaster.domain.backfills import Batch
from stationmaster.domain.errors import StationmasterError

_POLL = 0.2  # seconds between looks at what others hold
_FIRST, _LONGEST = 0.05, 2.0  # seconds between tries of a batch
_TRIES_FULL = 3
_LOOKING = 5000  # rows that are looked at in one batch at first: that locks none of them
_HOLDERS = """
    SELECT DISTINCT l.pid, coalesce(a.application_name, ''), coalesce(a.state, 'prepared'),
        extract(epoch FROM clock_timestamp() - a.xact_start)::float8
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.relation = %s::oid AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.granted
        AND l.mode NOT IN ('AccessShareLock') AND coalesce(a.xact_start < clock_timestamp() - interval '40 ms', true)
    ORDER BY 4 DESC NULLS LAST LIMIT 3
"""


class Leave(Exception):  # noqa: N818 - no error: the tenant is left as it is
    """The tenant must not be touched any more, or the run is to end."""


@dataclass(frozen=True)
class Task:
    """What a worker has to know. `name` makes a tenant of a lease."""

    url: str
    wanted: Wanted
    act: Act
    filler: Callable[[], AbstractContextManager[Filler]]
    table: int
    tenant: Callable[[Lease], Tenant]
    batch: Batch
    patience: float


class Worker:
    """For one thread."""

    def __init__(self, task: Task, brake: Brake) -> None:
        self._task, self._brake = task, brake
        self._holder = secrets.token_hex(8)
        self._connection: Connection | None = None
        self._pooled = False
        target, least, most = task.batch.target_ms / 1000, task.batch.least, task.batch.most
        self._paces = {"fill": Pace(target, least, most), "sweep": Pace(target, max(least, min(_LOOKING, most)), most)}
        self._tries, self._full, self._since, self._told = 0, 0, time.monotonic(), ""

    def run(self) -> None:
        """Until nothing is left that it may have, or the run is stopped.

        Raises:
            BackfillStoppedError, BackfillRefusedError: nothing that goes away by itself, or not within the patience.
        """
        try:
            with self._task.filler() as fill:
                while not self._brake.stopped:
                    try:
                        if not self._next(fill):
                            return
                    except psycopg.Error as error:
                        self._bear(error)
        finally:
            self._leave()

    def _next(self, fill: Filler) -> bool:
        """Take a tenant and walk it; whether there may be another."""
        refused = self._brake.refused
        found = next_free(self._session(), self._task.wanted, refused)
        self._tries = 0
        if found is None:
            if not count_left(self._session(), self._task.wanted, refused):
                return False
            time.sleep(_POLL)  # others have what is left, and may end without having done it
            return True
        if self._brake.refuses(found[1]):
            return True
        if self._brake.stands():
            time.sleep(_POLL)
            return True
        lease = claim(self._session(), found[0], self._holder, is_pooled=self._pooled)
        if lease is not None:
            with suppress(LeaseLost):
                self._walk(fill, lease)
        return True

    def _walk(self, fill: Filler, lease: Lease) -> None:
        walk = Walk(self._task.act, fill, lease, self._task.tenant(lease), self._paces)
        try:
            while not self._step(walk, lease):
                pass
        except Leave:
            give_back(self._session(), lease, "pending", self._brake.refused.get(lease.tenant))
        except TenantFailed as failed:
            give_back(self._session(), lease, "failed", str(failed))
        except (StationmasterError, psycopg.Error):
            with suppress(psycopg.Error):
                give_back(self._session(), lease, "pending", None)
            raise

    def _step(self, walk: Walk, lease: Lease) -> bool:
        """Whether the tenant is through."""
        try:
            self._await_leave(lease)
            step = walk.step(self._session())
        except psycopg.Error as error:
            self._between(error, walk)
            self._retake(lease)
            return False
        self._tries = self._full = 0
        self._rest(self._brake.pause(step.rows), lease)
        return step.state is not None

    def _await_leave(self, lease: Lease) -> None:
        """Until a batch may begin; the lease is kept meanwhile."""
        while True:
            if self._brake.stopped or self._brake.refuses(lease.tenant):
                raise Leave
            if not self._brake.stands():
                return
            self._rest(_POLL, lease)

    def _rest(self, seconds: float, lease: Lease) -> None:
        end, renew = time.monotonic() + seconds, time.monotonic() + SECONDS / 3
        while (left := end - time.monotonic()) > 0 and not self._brake.stopped:
            time.sleep(min(left, _POLL))
            if time.monotonic() > renew:
                take_up(self._session(), lease, is_pooled=self._pooled)
                renew = time.monotonic() + SECONDS / 3

    # What PostgreSQL refuses

    def _between(self, error: psycopg.Error, walk: Walk) -> None:
        """Between two tries of a batch. Raises TenantFailed, BackfillStoppedError, BackfillRefusedError."""
        kind = fault(error.sqlstate)
        if kind == "slow":
            if walk.pace.at_least:
                self._recover()
                said = f"{walk.pace.size} rows take longer than {STATEMENT_S} s"
                raise TenantFailed(f"{said}: {told(error.sqlstate, error.diag.message_primary)}")
            walk.halve()
        if kind == "busy":
            walk.halve()
        self._bear(error)

    def _bear(self, error: psycopg.Error) -> None:
        kind: Fault = fault(error.sqlstate)
        self._recover()
        if kind in {"ours", "row"}:
            raise refusal(error) from None
        if self._tries == 0:
            self._since = time.monotonic()
        self._tries += 1
        self._full += kind == "full"
        if self._full > _TRIES_FULL:
            raise BackfillStoppedError(
                f"the database has no room left: {told(error.sqlstate, error.diag.message_primary)}",
                hint="make room, then start it again: nothing is lost",
            ) from None
        if time.monotonic() - self._since > self._task.patience:
            raise self._given_up(error) from None
        self._tell(kind, error)
        pause = min(_LONGEST, _FIRST * 1.5**self._tries) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        time.sleep(pause)

    def _given_up(self, error: psycopg.Error) -> BackfillStoppedError:
        said = told(error.sqlstate, error.diag.message_primary)
        return BackfillStoppedError(
            f"no batch was possible for {self._task.patience:.0f} s: {said}{self._told and f' ({self._told})'}",
            hint="start it again when that is over: nothing is lost",
        )

    def _recover(self) -> None:
        """The same connection without a transaction, or a new one the next time it is asked for."""
        connection = self._connection
        if connection is not None:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        if connection is None or connection.closed:
            self._leave()

    def _retake(self, lease: Lease) -> None:
        """Where the walk is says the bookkeeping: a COMMIT whose answer was lost may have been carried out."""
        while True:
            try:
                return take_up(self._session(), lease, is_pooled=self._pooled)
            except psycopg.Error as error:
                self._bear(error)

    def _tell(self, kind: Fault, error: psycopg.Error) -> None:
        if kind == "busy":
            with suppress(psycopg.Error):
                found = rows(self._session(), _HOLDERS, (self._task.table,))
                who = "; ".join(f"pid {row[0]}, {row[2]}, application {row[1] or 'unnamed'}" for row in found)
                if who and who != self._told:
                    self._brake.options.say(f"a row is held by somebody: {who}; the batch is tried again")
                    self._told = who
        elif self._tries == 1:
            said = told(error.sqlstate, error.diag.message_primary)
            self._brake.options.say(f"tries again for {self._task.patience:.0f} s: {said}")

    def _session(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._task.url)
            self._pooled = pooled(self._connection)
        return self._connection

    def _leave(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
