"""Which rows were there when a backfill without `todo` began, so that no other is touched and none of them is missed.

Either a column says when a row was made, or the key comes from a sequence and says it by its order. In both cases
whoever was at work at that moment may still bring a row that counts: they are waited for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from stationmaster.blocks.backfill_asked import BackfillRefusedError, BackfillWrongError
from stationmaster.blocks.backfill_sessions import LONG, Connection, rows, transaction
from stationmaster.blocks.backfill_table import Table
from stationmaster.domain.backfill_faults import told
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.errors import nearest

_BOOL, _TIMESTAMPTZ = 16, 1184
_TIMES = {1114: "timestamp without time zone", 1082: "date"}
_INTEGERS = {"smallint", "integer", "bigint"}
_SEQUENCE = r"""
    SELECT s.seqrelid::int8, s.seqrelid::regclass::text, s.seqincrement::int8, s.seqcache::int8, s.seqcycle
    FROM pg_sequence s JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(table)s::oid AND d.refobjsubid = %(column)s
        AND d.deptype = 'i'
    UNION
    SELECT s.seqrelid::int8, s.seqrelid::regclass::text, s.seqincrement::int8, s.seqcache::int8, s.seqcycle
    FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
        AND d.refclassid = 'pg_class'::regclass
    JOIN pg_sequence s ON s.seqrelid = d.refobjid
    WHERE f.adrelid = %(table)s::oid AND f.adnum = %(column)s
        AND pg_get_expr(f.adbin, f.adrelid) ~ '^nextval\(''[^'']+''::regclass\)$'
"""
# Whoever has drawn a number has the sequence's lock, and whoever wrote has the table's, to the end of the transaction.
_DRAWN = """
    SELECT DISTINCT l.virtualtransaction, coalesce(l.pid, 0) FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY(%s::oid[]) AND l.pid IS DISTINCT FROM
        pg_backend_pid() AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
        'AccessExclusiveLock') AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_BEGUN = """
    SELECT l.virtualtransaction, coalesce(l.pid, 0) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND a.datname = current_database() AND l.pid <> pg_backend_pid()
        AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'background worker')
    UNION ALL
    SELECT l.virtualtransaction, 0 FROM pg_locks l JOIN pg_prepared_xacts p ON p.transaction = l.transactionid
    WHERE l.locktype = 'transactionid' AND p.database = current_database()
"""
_LEFT = """
    SELECT DISTINCT l.virtualtransaction, coalesce(l.pid, 0), coalesce(a.application_name, ''),
        coalesce(a.state, 'prepared'), coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::int
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.virtualtransaction = ANY(%s)
"""
_CHILDREN = "SELECT relid::oid::int8 FROM pg_partition_tree(%s::oid::regclass)"
_POLL = 0.2


@dataclass(frozen=True)
class Cover:
    """`sql` holds of the rows that were there; `limit` is that of it which the key's index can use. `sources` are the
    tables and the sequence by whose locks it is seen who was at work; empty: everybody who had begun.
    """

    sql: str
    limit: str | None
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Means:
    """How it is told which rows were there. `bound` is asked when the job begins, and kept with it."""

    sequence: tuple[int, str] | None = None  # and its name
    made: str | None = None  # when a row was made, or a condition where `plain`
    plain: bool = False

    def cover(self, table: Table, started_at: str, bound: str) -> Cover:
        """By the values that were kept when the job began."""
        if self.sequence is not None:
            (key,) = table.shape.key
            limit = f"{key.sql} <= {key.literal(bound)}"
            return Cover(limit, limit, (table.oid, self.sequence[0]))
        if self.plain:
            return Cover(f"{self.made}\n", None, ())
        return Cover(f"({self.made}\n) < '{started_at}'::timestamptz", None, ())


def means_of(connection: Connection, spec: Backfill, table: Table) -> Means:
    """Raises:
    BackfillRefusedError: neither way says which rows were there.
    BackfillWrongError: `created_before` is no such expression.
    """
    if spec.created_before is not None:
        return _of_time(connection, spec.created_before, table)
    why = _not_by_sequence(connection, table)
    if isinstance(why, Means):
        return why
    raise BackfillRefusedError(
        f"without `todo` nobody can tell which rows of {table.shape.name!r} were there at the start: {why}",
        hint="say `todo:` (what is true of a row that is still to be done), or `created_before:` (when a row was made)",
    )


def bound_of(connection: Connection, means: Means) -> str:
    """What the sequence had given out; empty where time says it."""
    if means.sequence is None:
        return ""
    ((bound,),) = rows(connection, "SELECT coalesce(pg_sequence_last_value(%s::oid), 0)::text", (means.sequence[0],))
    return str(bound)


def await_others(connection: Connection, cover: Cover, say: Callable[[str], None], stopped: Callable[[], bool]) -> bool:
    """Wait for everybody who was at work at this moment; False where the run was stopped before."""
    if not cover.sources:
        time.sleep(0.1)  # whoever took its time just now is seen by its lock a moment later
    others = rows(connection, *_question(connection, cover))
    names, told_of = [str(row[0]) for row in others], ""
    while names:
        left = rows(connection, _LEFT, (names,))
        names = sorted({str(row[0]) for row in left} & set(names))
        if not names:
            break
        who = "; ".join(_who(row) for row in left[:3])
        if who.split(",")[0] != told_of:
            told_of = who.split(",")[0]
            say(f"waits for whoever may still bring a row that counts: {who}")
        if stopped():
            return False
        time.sleep(_POLL)
    return True


def _question(connection: Connection, cover: Cover) -> tuple[Any, ...]:
    if not cover.sources:
        return (_BEGUN,)
    table, sequence = cover.sources
    parts = [row[0] for row in rows(connection, _CHILDREN, (table,))]
    return _DRAWN, ([table, sequence, *parts],)


def _who(row: tuple[Any, ...]) -> str:
    _, pid, application, state, age = row
    return (
        f"pid {pid}, {state}, {age} s old, application {application or 'unnamed'}" if pid else "prepared, without a pid"
    )


def _of_time(connection: Connection, made: str, table: Table) -> Means:
    field = "created_before"
    try:
        with transaction(connection, read_only=True):
            cursor = connection.execute(f"SELECT (\n{made}\n) FROM {table.shape.sql} LIMIT 0".encode())
    except psycopg.Error as error:
        if error.sqlstate is None or not error.sqlstate.startswith("42") or error.sqlstate == "42501":
            raise
        said = told(None, error.diag.message_primary)
        raise BackfillWrongError(field, f"{field}: {said}", nearest(made, table.columns)) from None
    kind = cursor.description[0].type_code if cursor.description else 0
    if kind in _TIMES:
        raise BackfillWrongError(
            field, f"{field}: {made!r} is a {_TIMES[kind]}, and nobody knows in which zone",
            "say it: created_at AT TIME ZONE 'UTC'",
        )  # fmt: skip
    if kind not in {_BOOL, _TIMESTAMPTZ}:
        raise BackfillWrongError(field, f"{field}: {made!r} is neither a time nor a condition", "as created_at")
    _must_be_known(connection, made, table)
    return Means(made=made, plain=kind == _BOOL)


def _must_be_known(connection: Connection, made: str, table: Table) -> None:
    with transaction(connection, LONG, read_only=True):
        asked = f"SELECT EXISTS (SELECT FROM {table.shape.sql} WHERE (\n{made}\n) IS NULL)"
        if connection.execute(asked.encode()).fetchone() == (True,):
            raise BackfillRefusedError(
                "`created_before` is NULL for some rows, so that nobody can tell whether they were there",
                hint="write coalesce(…, '-infinity') if those are old",
            )


def _not_by_sequence(connection: Connection, table: Table) -> Means | str:
    """The way, or why it is none."""
    if len(table.shape.key) != 1 or table.shape.key[0].type not in _INTEGERS:
        return "its key is not one integer column that a sequence counts"
    (key,) = table.shape.key
    given = {"table": table.oid, "column": table.columns[key.name][2]}
    found = rows(connection, _SEQUENCE, given)
    if len(found) != 1:
        return f"no sequence gives {key.name!r} its values"
    oid, name, increment, cache, cycles = found[0]
    if increment != 1 or cache != 1 or cycles:
        return f"sequence {name} does not count one by one (increment {increment}, cache {cache})"
    with transaction(connection, LONG, read_only=True):
        row = connection.execute(f"SELECT max({key.sql}) FROM {table.shape.sql}".encode()).fetchone()
    highest = row[0] if row else None
    ((last,),) = rows(connection, "SELECT pg_sequence_last_value(%s::oid)", (oid,))
    if highest is not None and (last is None or last < highest):
        return f"there are rows above what sequence {name} has given out"
    return Means(sequence=(oid, name))
