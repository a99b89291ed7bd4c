"""What may make a backfill stand still, read from PostgreSQL and from the hook about once a second.

It has a connection of its own, so that a reading is of now and of no transaction. What is declared and cannot be read
is a reason to stand still: unknown means not allowed.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import psycopg

from stationmaster.blocks.backfill_hook import Asked
from stationmaster.domain.backfill_pace import Flap, Reading, Throttle, Unread

APPLICATION = "stationmaster-backfill"  # as sessions of the engine are called, so that it does not wait for itself
EVERY = 1.0  # seconds between two readings
_LONGEST = 2  # seconds of a reading's query
_GRANT = "GRANT pg_monitor to the role that runs the backfill"

# Each gives the value, and how much of it is hidden from the role: as NULL, or by words in place of the query.
_HIDDEN = "query = '<insufficient privilege>' AND usesysid IS NOT NULL"
_OTHERS = f"""
FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name NOT LIKE '{APPLICATION}%%'
    AND (backend_type = 'client backend' OR {_HIDDEN})
"""
_QUERIES = {
    # A standby that went away is no longer in the view, but its slot is still there. A base backup is no standby.
    "replication_lag_bytes": """
SELECT coalesce(max(lag), 0)::float8, count(*) FILTER (WHERE lag IS NULL) FROM (
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn))
    FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'
    UNION ALL
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(confirmed_flush_lsn, restart_lsn))
    FROM pg_replication_slots WHERE coalesce(confirmed_flush_lsn, restart_lsn) IS NOT NULL
) AS lags (lag)
""",
    "archive_queue": "SELECT count(*)::float8, 0 FROM pg_ls_archive_statusdir() WHERE name LIKE '%%.ready'",
    # Those of the same database keep VACUUM from removing what the backfill leaves behind; prepared ones too.
    "long_transaction_s": f"""
SELECT greatest(max(extract(epoch FROM clock_timestamp() - began)), 0)::float8, coalesce(sum(hidden), 0) FROM (
    SELECT xact_start, ({_HIDDEN})::int {_OTHERS} AND datname = current_database()
    UNION ALL
    SELECT prepared, 0 FROM pg_prepared_xacts WHERE database = current_database()
) AS transactions (began, hidden)
""",
    # Of the table, of its partitions, and of where their large values are.
    "autovacuum": """
WITH t AS (
    SELECT to_regclass(%(table)s)::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(to_regclass(%(table)s))
), toast AS (SELECT reltoastrelid FROM pg_class JOIN t USING (oid))
SELECT count(*) FILTER (WHERE v.relid IN (TABLE t UNION TABLE toast))::float8, count(*) FILTER (WHERE v.relid IS NULL)
FROM pg_stat_progress_vacuum v WHERE v.datname = current_database()
""",
    "active_sessions": f"""
SELECT count(*) FILTER (WHERE state = 'active')::float8, count(*) FILTER (WHERE {_HIDDEN}) {_OTHERS}
""",
}


class Gauges:
    """The gauges of one backfill. `connect` opens a session of its own; `table` is spelt as SQL has it. Threads may
    share one.
    """

    def __init__(
        self,
        connect: Callable[[], "psycopg.Connection[Any]"],
        table: str,
        throttle: Throttle | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._table, self._clock = connect, table, clock
        self._limits = throttle.limits() if throttle else {}
        self._hook = Asked(throttle.hook) if throttle and throttle.hook else None
        self._flap = Flap(self._limits)
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        self._next = float("-inf")
        self._why: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._leave()

    def why(self) -> str | None:
        """Why the backfill stands still; None: it goes on. Reads anew where the last reading is a second old."""
        if not self._limits and self._hook is None:
            return None
        with self._lock:
            if self._clock() >= self._next:
                self._why = self._flap.judge(dict(self._readings()))
                self._next = self._clock() + EVERY
            return self._why

    def _readings(self) -> Iterator[tuple[str, Reading]]:
        for name in self._limits:
            yield name, self._reading(name)
        if self._hook is not None and (said := self._hook.ask()):
            yield "hook", said

    def _reading(self, name: str) -> Reading:
        try:
            row = self._session().execute(_QUERIES[name].encode(), {"table": self._table}).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return Unread(f"{name} cannot be read: {_GRANT}")
        except psycopg.Error as error:
            self._leave()
            state = f"SQLSTATE {error.sqlstate}" if error.sqlstate else "it does not answer"
            return Unread(f"{name} cannot be read from PostgreSQL: {state}")
        value, hidden = row or (0.0, 1)
        return Unread(f"{name} is hidden from this role: {_GRANT}") if hidden else float(value)

    def _session(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            self._connection = self._connect()
            self._connection.autocommit = True
            self._connection.execute(
                f"SET statement_timeout = '{_LONGEST}s'; SET lock_timeout = '{_LONGEST}s'".encode()
            )
        return self._connection

    def _leave(self) -> None:
        """A session that failed is not used again; the next reading opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()
