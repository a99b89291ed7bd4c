"""Who holds, or waits before us for, what a statement needs: asked of PostgreSQL, without taking a lock for it.

Nobody is ever ended. Queries are told without their literals.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import postgast

from stationmaster.domain.migration_taken import Taken, conflicting

if TYPE_CHECKING:
    import psycopg

_ACTIVITY = """
    coalesce(a.application_name, ''), coalesce(a.usename::text, ''), coalesce(a.state, a.backend_type, 'prepared'),
    coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start)), 0)::float8,
    coalesce(a.query, '')
"""
_HOLDERS = f"""
SELECT DISTINCT l.pid, l.mode, l.relation::regclass::text, {_ACTIVITY}
FROM unnest(%(names)s::text[], %(modes)s::text[]) AS w(name, mode)
CROSS JOIN LATERAL (
    SELECT to_regclass(w.name)::oid
    UNION SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = to_regclass(w.name)
    UNION SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = to_regclass(w.name)
) AS t(oid)
JOIN pg_locks l ON l.locktype = 'relation' AND l.granted AND l.relation = t.oid AND l.mode = w.mode
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.pid IS DISTINCT FROM %(ours)s
    AND (a.xact_start IS NULL OR a.xact_start < clock_timestamp() - %(older)s * interval '1 millisecond')
"""  # noqa: S608 - of constants
_BLOCKING = f"""
SELECT DISTINCT b.pid, '', '', {_ACTIVITY}
FROM unnest(pg_blocking_pids(%(pid)s)) AS b(pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
"""  # noqa: S608 - of constants
_LONGEST = 200  # letters of a query


@dataclass(frozen=True, slots=True)
class Blocker:
    """A transaction in the way. `mode` and `table` are empty where PostgreSQL only says who it waits for."""

    pid: int | None
    mode: str
    table: str
    application: str
    user: str
    state: str
    age_s: float
    query: str

    @property
    def key(self) -> tuple[object, ...]:
        return (self.pid, self.mode, self.table)

    def record(self) -> dict[str, Any]:
        """An element of `blocked_by`."""
        return {
            "pid": self.pid, "application": self.application, "user": self.user, "state": self.state,
            "age_s": round(self.age_s, 1), "lock": self.mode or None, "table": self.table or None, "query": self.query,
        }  # fmt: skip

    def __str__(self) -> str:
        held = f", holds {self.mode} on {self.table}" if self.mode else ""
        said = f", last query: {self.query}" if self.query else ""
        who = f"pid {self.pid}, application {self.application or 'unnamed'}" if self.pid else "prepared, without a pid"
        return f"a transaction {self.age_s:.0f} s old ({who}), {self.state}{held}{said}"


def holders(look: "psycopg.Connection[Any]", taken: tuple[Taken, ...], ours: int, older_ms: float) -> list[Blocker]:
    """Whoever holds what `taken` conflicts with in a transaction older than that. Younger ones may well be gone before
    a short lock timeout is over; on a table that is used there is always one.
    """
    pairs = [(name, _camel(mode)) for name, own in taken for mode in conflicting(own)]
    if not pairs:
        return []
    given = {"names": [name for name, _ in pairs], "modes": [mode for _, mode in pairs], "ours": ours}
    return [_blocker(row) for row in look.execute(_HOLDERS, {**given, "older": older_ms}).fetchall()]


def blocking(look: "psycopg.Connection[Any]", pid: int) -> list[Blocker]:
    """Whom a backend waits for at this moment."""
    return [_blocker(row) for row in look.execute(_BLOCKING, {"pid": pid}).fetchall()]


def _blocker(row: tuple[Any, ...]) -> Blocker:
    pid, mode, table, application, user, state, age, query = row
    return Blocker(pid or None, _spaced(mode), table, application, user, state, age, without_literals(query))


def without_literals(query: str) -> str:
    """A query with $1 for each literal. One that does not parse, as when PostgreSQL cut it off, is its first word."""
    try:
        shown = postgast.normalize(query)
    except postgast.PgQueryError:
        shown = f"{query.split(maxsplit=1)[0]} …" if query.split() else ""
    shown = " ".join(shown.split())
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} …"


def _camel(mode: str) -> str:
    return "".join(word.capitalize() for word in mode.split()) + "Lock"


def _spaced(mode: str) -> str:
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in mode.removesuffix("Lock"))
    return spaced.strip().upper()
