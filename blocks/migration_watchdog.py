"""Watches a statement that may wait and last as long as it needs: says who blocks it, how far it is. It ends nobody."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import psycopg

from stationmaster.blocks.migration_blockers import Blocker, blocking

_EVERY = 1.0  # seconds
_PROGRESS = """
SELECT phase, lockers_done, lockers_total, blocks_done, blocks_total, tuples_done, tuples_total
FROM pg_stat_progress_create_index WHERE pid = %s
"""


class Watchdog:
    """Around one statement of the backend `pid`. `look` opens a session; it is asked for after a second only."""

    def __init__(
        self, pid: int, look: Callable[[], "psycopg.Connection[Any]"], say: Callable[[str], None],
        blocked: Callable[[Blocker], None],
    ) -> None:  # fmt: skip
        self._pid, self._look, self._say, self._blocked = pid, look, say, blocked
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._told = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._over.wait(_EVERY):
            return
        try:
            with self._look() as look:
                while True:
                    self._tell(look)
                    if self._over.wait(_EVERY):
                        return
        except psycopg.Error as error:  # it watches only: the statement goes on
            self._say(f"the watchdog sees nothing any more: {error}".strip())

    def _tell(self, look: "psycopg.Connection[Any]") -> None:
        found = blocking(look, self._pid)
        for one in found:
            self._blocked(one)
        lines = [f"waits for {one}" for one in found] or [self._progress(look)]
        said = ", ".join(f"waits for pid {one.pid}" for one in found) or lines[0]
        if said and said != self._told:
            self._told = said
            for line in lines:
                self._say(line)

    def _progress(self, look: "psycopg.Connection[Any]") -> str:
        row = look.execute(_PROGRESS, (self._pid,)).fetchone()
        if row is None:
            return ""
        done, total = (row[3], row[4]) if row[4] else (row[5], row[6])
        return f"{row[0]}: {100 * done // total} %" if total else str(row[0])
