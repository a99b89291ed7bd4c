"""The sessions beside the one that migrates: the lock that only one runner of a database has, and one to look with.

A pooler that gives each transaction another session is found out here: what needs a session of its own is refused.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from stationmaster.blocks.migration_stop import StopRun
from stationmaster.blocks.postgres import plain

ADVISORY = 0x57_41_54_4E  # one runner per database
APPLICATION = "stationmaster-migrations"  # of whoever runs statements; nobody else may call himself so
_LOCK, LOOK = "stationmaster-lock", "stationmaster-look"
DATABASE = "SELECT current_database()::text, extract(epoch FROM pg_postmaster_start_time())::text"  # which it is
_POLL = 0.2  # seconds; a waiting pg_advisory_lock would be waited for by CREATE INDEX CONCURRENTLY, and it by that
HOLDER = """
SELECT a.pid, a.application_name, extract(epoch FROM clock_timestamp() - a.backend_start)::int
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %s AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_LEFT = """
SELECT pid, extract(epoch FROM clock_timestamp() - coalesce(query_start, backend_start))::int FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s
"""
_CHECKED = "client_connection_check_interval"  # a server that supports it ends what nobody waits for any more

Connection = psycopg.Connection[Any]


class Session:
    """One database's: whether a pooler is in between, and a connection to look with, opened when it is needed."""

    def __init__(self, url: str) -> None:
        self._url = plain(url)
        self._looking: Connection | None = None
        self._place: tuple[Any, ...] | None = None
        self.pooled: str | None = None
        self.checks = False

    @property
    def look(self) -> Connection:
        """Outside of every transaction, so that what it sees is of now."""
        if self._looking is None or self._looking.closed:
            self._looking = self.connect(LOOK)
        return self._looking

    def is_at(self, place: tuple[Any, ...]) -> bool:
        """Whether that is this database, as `DATABASE` asks it. Before the answer is no, the server is asked again: it
        may have started anew.
        """
        if self._place != place:
            self._place = self.look.execute(DATABASE).fetchone()
        return self._place == place

    def connect(self, application: str) -> Connection:
        return psycopg.connect(
            self._url, autocommit=True, connect_timeout=10, application_name=application, prepare_threshold=None
        )

    def close(self) -> None:
        if self._looking is not None:
            self._looking.close()

    @contextmanager
    def alone(self, patience: float, say: Callable[[str], None]) -> Iterator[None]:
        """Holds the lock for the block. It is the server's, so that it ends with this process however that ends.

        Raises:
            StopRun: `busy`, with who holds it, when it is not free within `patience` seconds.
        """
        with self.connect(_LOCK) as lock:
            self.pooled = self._pooler(lock)
            self.checks = _supports(lock)
            with _pinned(lock) if self.pooled else _plain():
                self._take(lock, time.monotonic() + patience, say)
                self._await_killed(time.monotonic() + patience, say)
                yield

    def _take(self, lock: Connection, end: float, say: Callable[[str], None]) -> None:
        question = "SELECT pg_try_advisory_xact_lock(%s)" if self.pooled else "SELECT pg_try_advisory_lock(%s)"
        told = False
        while lock.execute(question, (ADVISORY,)).fetchone() != (True,):
            row = self.look.execute(HOLDER, (ADVISORY,)).fetchone()
            who = f"pid {row[0]}, application {row[1] or 'unnamed'}, for {row[2]} s" if row else "it just ended"
            if time.monotonic() > end:
                raise StopRun("busy", f"another runner migrates this database ({who})")
            if not told:
                say(f"waits: another runner migrates this database ({who})")
                told = True
            time.sleep(_POLL)

    def _await_killed(self, end: float, say: Callable[[str], None]) -> None:
        """What a killed runner's server process still does, until the server notices that nobody waits for it."""
        told = False
        while row := self.look.execute(_LEFT, (APPLICATION,)).fetchone():
            if time.monotonic() > end:
                raise StopRun(
                    "busy",
                    f"a statement of a runner that is gone still runs (pid {row[0]}, for {row[1]} s): wait for it, or "
                    f"`SELECT pg_terminate_backend({row[0]})`",
                )
            if not told:
                say(f"waits: a statement of a runner that is gone still runs (pid {row[0]}, for {row[1]} s)")
                told = True
            time.sleep(_POLL)

    def _pooler(self, one: Connection) -> str | None:
        """Why a session is none of our own; None where it is. Behind a pooler the process that a session is told about
        at its start is none of the server's. It shares sessions if another transaction gets the one we seem to have.
        """
        ours = _pid(one)
        if one.info.backend_pid == ours:
            return None
        try:
            with self.connect(LOOK) as other, other.transaction():
                other.execute("SET LOCAL statement_timeout = 3000")
                shared = _pid(other) == ours or _pid(one) != ours
        except psycopg.Error as error:
            return f"there is a pooler in between, and it could not be told whether it shares sessions: {error}"
        return "there is a pooler in between that gives each transaction another session" if shared else None


@contextmanager
def _plain() -> Iterator[None]:
    yield


@contextmanager
def _pinned(lock: Connection) -> Iterator[None]:
    """One transaction, which a pooler leaves where it is. It has no snapshot, so that nothing waits for it."""
    with lock.transaction():
        lock.execute("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
        yield


def _supports(lock: Connection) -> bool:
    with suppress(psycopg.Error), lock.transaction(force_rollback=True):
        lock.execute(f"SET LOCAL {_CHECKED} = 1000")
        return True
    return False


def _pid(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else os.getpid()
