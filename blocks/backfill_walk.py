"""One tenant's rows, batch after batch: each batch is one transaction with its own checkpoint in it.

First all are filled; then all are looked at again: what is still to be done is done, and each row is asked whether it
is as it should be. What to do when PostgreSQL refuses a batch is decided by the worker, but for a row in the way: the
batch is halved until it is that row alone.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from stationmaster.blocks.backfill_lease import SECONDS, Lease, LeaseLost
from stationmaster.blocks.backfill_sessions import Connection
from stationmaster.domain.backfill_faults import fault, told
from stationmaster.domain.backfill_pace import Pace
from stationmaster.domain.backfill_statements import Filling, Key, Range, Tenant
from stationmaster.domain.migration_row_types import quoted

LOCK_MS, STATEMENT_S, IDLE_S = 50, 10, 10
_OPEN = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {LOCK_MS}; "
    f"SET LOCAL statement_timeout = '{STATEMENT_S}s'; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_S}s'; "
    "SET LOCAL synchronous_commit = off; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; "
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; "
)
_UNSEEN = 3
_FENCE = (
    "SELECT 1 FROM stationmaster.backfill_tenant WHERE id = {} AND epoch = {} AND state = 'running' FOR NO KEY UPDATE; "
)


class Filler(Protocol):
    """Changes the rows of a range: how many were changed, and how many of them are still to be done."""

    def __call__(
        self, connection: Connection, tenant: Tenant, within: Range, skipped: list[Key], *, again: bool, mend: bool
    ) -> tuple[int, int]: ...


@dataclass(frozen=True)
class Act:
    """What is done to rows. `of_values`: its verification would see a value that is stale."""

    filling: Filling
    of_values: bool
    mend: bool
    settings: str = ""  # what else a transaction has to set


class RowRefused(Exception):  # noqa: N818 - a row is in the way, as an error of PostgreSQL is
    """Some row of a batch is filled and still to be done, or a function does not take it."""


class TenantFailed(Exception):  # noqa: N818 - no error of ours: what is in the way, for people
    """The tenant cannot go on; the others can."""


@dataclass(frozen=True)
class _Seen:
    """Of a range: its rows that are still to be done, those that are not as they should be, and its last key."""

    todo: int
    wrong: int
    last: Key | None

    @property
    def good(self) -> bool:
        return not self.todo and not self.wrong


Done = tuple[int, int, float]  # rows that a batch changed and walked, and when it began


@dataclass(frozen=True)
class Step:
    """One batch that was committed. `state` is that in which the tenant ended, if it did."""

    rows: int
    state: str | None = None


class Walk:
    """Of one lease, on one connection at a time. `pace` is the worker's, for what it fills; looking has its own."""

    def __init__(self, act: Act, fill: Filler, lease: Lease, tenant: Tenant, paces: Mapping[str, Pace]) -> None:
        self._act, self._filling, self._fill = act, act.filling, fill
        self._tenant, self._lease, self._paces = tenant, lease, paces
        self._mend = act.mend or lease.lost is not None
        self._narrow: int | None = None  # rows of a batch while a row in the way is looked for
        self._suspects = 0  # rows among which it is
        self._unseen = 0  # batches that failed for a row which was not there when they were measured

    @property
    def pace(self) -> Pace:
        return self._paces[self._lease.stage]

    def step(self, connection: Connection) -> Step:
        """One batch.

        Raises:
            LeaseLost: somebody else has the tenant, or it was paused; nothing was changed.
            TenantFailed: a row is in the way, alone in its batch.
            psycopg.Error: anything else that PostgreSQL said; nothing was changed, or all of the batch was.
        """
        rows, place, began = self._narrow or self.pace.size, self._lease.place, time.monotonic()
        bound: Key | None = None
        try:
            if self._lease.stage == "sweep" and self._narrow is None:
                seen = self._survey(connection, rows)
                bound = seen.last
                step = self._swept(connection, Range(self._lease.last, bound), seen, began)
            else:
                bound = self._bound(connection, rows)
                step = self._batch(connection, Range(self._lease.last, bound), rows, began)
        except (RowRefused, psycopg.Error) as error:
            self._lease.go_to(*place)
            why = _why(error)
            if why is None:
                raise
            connection.execute("ROLLBACK")
            return self._in_the_way(rows, bound, why)
        if self._narrow is None:
            self._paces_took(step, rows, bound, time.monotonic() - began)
        self._widen(rows)
        return step

    def halve(self) -> None:
        """A smaller batch next time."""
        self.pace.halve()

    def _paces_took(self, step: Step, rows: int, bound: Key | None, took: float) -> None:
        self.pace.took(rows if bound is not None else step.rows, took)

    def _bound(self, connection: Connection, rows: int) -> Key | None:
        """The last key of the batch; None where all that is left is one."""
        found = self._open(connection, self._filling.bound(self._tenant, self._lease.last, rows))
        return tuple(map(str, found[0])) if found else None

    def _survey(self, connection: Connection, rows: int) -> _Seen:
        """The same of rows that are looked at, and what is to be seen there."""
        lease = self._lease
        ((todo, wrong, *last),) = self._open(
            connection, self._filling.survey(self._tenant, lease.last, rows, lease.skipped)
        )
        return _Seen(int(todo), int(wrong), tuple(map(str, last)) if last[0] is not None else None)

    def _open(self, connection: Connection, question: str) -> list[tuple[Any, ...]]:
        """Begin a transaction as the holder of the lease, with the answer to its first question."""
        fence = _FENCE.format(self._lease.id, self._lease.epoch)
        *_, fenced, answer = _answers(connection, f"{_OPEN}{self._act.settings}{fence}{question}")
        if not fenced:
            connection.execute("ROLLBACK")
            raise LeaseLost
        return answer

    def _batch(self, connection: Connection, within: Range, rows: int, began: float) -> Step:
        if self._lease.stage == "fill":
            return self._filled(connection, within, rows, began)
        return self._swept(connection, within, self._seen_in(connection, within), began)

    def _filled(self, connection: Connection, within: Range, rows: int, began: float) -> Step:
        changed = self._filled_rows(connection, within, again=False)
        walked = rows if within.to is not None else changed
        if within.to is not None:
            self._checkpoint(connection, "fill", within.to, (changed, walked, began))
            return Step(changed)
        if self._filling.verify is None:
            return self._finish(connection, (changed, walked, began))
        if within.after is not None or not self._seen_in(connection, within).good:
            self._checkpoint(connection, "sweep", None, (changed, walked, began))
            return Step(changed)
        return self._finish(connection, (changed, walked, began))  # one batch was all of it, and it is looked at

    def _swept(self, connection: Connection, within: Range, seen: _Seen, began: float) -> Step:
        changed = 0
        if seen.todo or (seen.wrong and self._mend):
            changed = self._filled_rows(connection, within, again=True)
            seen = self._seen_in(connection, within)
        if seen.wrong:
            self._lease.wrong += seen.wrong
            self._lease.wrong_key = self._lease.wrong_key or self._first_wrong(connection, within)
        if within.to is None:
            return self._finish(connection, (changed, 0, began))
        self._checkpoint(connection, "sweep", within.to, (changed, 0, began))
        return Step(changed)

    def _filled_rows(self, connection: Connection, within: Range, *, again: bool) -> int:
        changed, still = self._fill(
            connection, self._tenant, within, self._lease.skipped, again=again, mend=again and self._mend
        )
        if still:
            raise RowRefused("it is filled, and is not as it should be all the same")
        return changed

    def _seen_in(self, connection: Connection, within: Range) -> _Seen:
        sql = self._filling.look(self._tenant, within, self._lease.skipped)
        row = connection.execute(sql.encode()).fetchone()
        return _Seen(int(row[0]), int(row[1]), within.to) if row else _Seen(0, 0, within.to)

    def _first_wrong(self, connection: Connection, within: Range) -> Key | None:
        row = connection.execute(self._filling.wrong(self._tenant, within, self._lease.skipped).encode()).fetchone()
        return tuple(map(str, row)) if row else None

    def _finish(self, connection: Connection, done: Done) -> Step:
        """The last batch says in its own transaction how the tenant ended."""
        state, reason = self._end(connection)
        stage = "sweep" if state == "failed" else self._lease.stage
        more = (
            f", state = '{state}', reason = {_text(reason)}, holder = NULL, holder_pid = NULL, holder_started = NULL"
            f"{', lost = NULL' if state != 'failed' else ''}"
        )
        self._lease.wrong, self._lease.wrong_key = 0, None
        self._checkpoint(connection, stage, None, done, more)
        return Step(done[0], state)

    def _end(self, connection: Connection) -> tuple[str, str | None]:
        lease = self._lease
        if lease.wrong:
            said = f"{lease.wrong} rows are not as `verify` says, the first with key {shown(lease.wrong_key)}"
            return "failed", f"{said}; --mend fills them anew"
        if lease.lost is not None and not self._act.of_values:
            return "failed", f"{lease.lost}; without `verify` nobody can tell which of its rows are stale"
        spoilt = self._spoilt(connection) if lease.skipped else 0
        return ("done", f"{spoilt} rows were left out and are not as they should be") if spoilt else ("verified", None)

    def _spoilt(self, connection: Connection) -> int:
        """How many of the rows that were left out are not as they should be; all, if it cannot even be asked."""
        sql = self._filling.spoilt(self._tenant, self._lease.skipped)
        try:
            with connection.transaction():  # a savepoint
                row = connection.execute(sql.encode()).fetchone()
        except psycopg.Error as error:
            if fault(error.sqlstate) != "row":
                raise
            return len(self._lease.skipped)
        return int(row[0]) if row else 0

    def _checkpoint(self, connection: Connection, stage: str, last: Key | None, done: Done, more: str = "") -> None:
        lease, ((changed, walked, began)) = self._lease, done
        counted = 1 if lease.stage == "fill" or changed else 0
        sql = (
            f"UPDATE stationmaster.backfill_tenant SET pass = '{stage}', last_key = {_array(last)}, "
            f"rows = rows + {changed}, batches = batches + {counted}, walked = walked + {walked}, "
            f"seconds = seconds + {time.monotonic() - began:.6f}, wrong = {lease.wrong}, "
            f"wrong_key = {_array(lease.wrong_key)}, "
            f"leased_until = clock_timestamp() + interval '{SECONDS} s'{more} WHERE id = {lease.id}; COMMIT"
        )
        _answers(connection, sql)
        lease.go_to(stage, last, lease.wrong, lease.wrong_key)

    def _in_the_way(self, rows: int, bound: Key | None, why: str) -> Step:
        if rows > 1 or self._narrow is None:
            self._suspects = rows if self._narrow is None else self._suspects
            self._narrow = max(1, rows // 2)
            return Step(0)
        self._unseen += bound is None
        if bound is None and self._unseen < _UNSEEN:  # it came after the batch was measured: the first of the next one
            return Step(0)
        place = f"row with key {shown(bound)}" if bound is not None else f"a row after key {shown(self._lease.last)}"
        raise TenantFailed(f"{place}: {why}")

    def _widen(self, rows: int) -> None:
        """All among which a row was in the way were done: whatever it was is gone."""
        if self._narrow is not None:
            self._suspects -= rows
            if self._suspects <= 0:
                self._narrow = None


def _why(error: RowRefused | psycopg.Error) -> str | None:
    """What is wrong with a row; None where it is none that is in the way."""
    if isinstance(error, RowRefused):
        return str(error)
    return told(error.sqlstate, error.diag.message_primary) if fault(error.sqlstate) == "row" else None


def shown(key: Key | None) -> str:
    """A key for people."""
    if key is None:
        return "unknown"
    return key[0] if len(key) == 1 else f"({', '.join(key)})"


def _answers(connection: Connection, sql: str) -> list[list[tuple[Any, ...]]]:
    """Of several statements that are sent at once, in one message: one way to the server and back."""
    cursor = connection.execute(sql.encode())
    found = []
    while True:
        found.append(cursor.fetchall() if cursor.description is not None else [])
        if not cursor.nextset():
            return found


def _array(key: Key | None) -> str:
    return f"ARRAY[{', '.join(map(quoted, key))}]::text[]" if key is not None else "NULL"


def _text(text: str | None) -> str:
    return quoted(text) if text is not None else "NULL"
