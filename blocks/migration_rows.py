"""Fills the tables of a migrated database with made-up rows, on the server, to declared counts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg

from stationmaster.blocks.migration_catalog import tables as read_tables
from stationmaster.blocks.postgres import Connection
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.migration_row_checks import candidates, trial
from stationmaster.domain.migration_row_types import identifier
from stationmaster.domain.migration_rows import (
    KEY,
    Check,
    Filling,
    RowsNotMadeError,
    Table,
    in_order,
    plan,
    statement,
)

_INDEXES = """
    SELECT format('%%I.%%I', n.nspname, c.relname), pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.indrelid = %s::regclass AND NOT i.indisunique AND NOT i.indisexclusion AND i.indisvalid
      AND c.relkind = 'i' AND NOT i.indisclustered AND NOT i.indisreplident ORDER BY 1
"""
_AT_ONCE = 250_000  # rows of one statement: progress is told after each

Progress = Callable[[str, int, int], None]  # table, rows that are there, rows that are to be there


class RowsUnknownError(InputError):
    """Rows are declared for a table or a column that is not there."""

    code = "rows_unknown"


@dataclass(frozen=True)
class Asked:
    """Rows by table, and expressions by table and column."""

    rows: Mapping[str, int]
    columns: Mapping[str, str] = field(default_factory=dict)


def fill(connection: Connection, asked: Asked, told: Progress = lambda *_: None) -> dict[str, int]:
    """Make rows until each table has as many as asked for; how many each asked table has then.

    Raises:
        RowsUnknownError: no such table or column.
        RowsNotMadeError: what a column must have cannot be made.
    """
    known = read_tables(connection)
    given = _given(known, asked)
    there = {name: _count(connection, table) for name, table in known.items()}
    for name in in_order(known, asked.rows):
        missing = asked.rows[name] - there[name]
        if missing > 0:
            filling = _fitting(connection, plan(known[name], known, there, given.get(name, {})))
            with _indexed_afterwards(connection, known[name], there[name]):
                _insert(connection, filling, there[name], missing, told)
            there[name] = asked.rows[name]
            connection.execute(f"ANALYZE {known[name].sql}".encode())
    return {name: there[name] for name in sorted(asked.rows)}


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {name: _count(connection, table) for name, table in read_tables(connection).items()}


def _count(connection: Connection, table: Table) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table.sql}".encode()).fetchone()
    return int(row[0]) if row else 0


def _given(known: Mapping[str, Table], asked: Asked) -> dict[str, dict[str, str]]:
    """The expressions by table. Every name must be there."""
    for name in asked.rows:
        _must_be_known(name, known, "table")
    found: dict[str, dict[str, str]] = {}
    for place, sql in asked.columns.items():
        table, _, column = place.rpartition(".")
        _must_be_known(table, known, "table")
        _must_be_known(column, [one.name for one in known[table].columns], f"column of {table}")
        if known[table].column(column).own:
            raise RowsUnknownError(f"{place} gets its value from the database alone", hint=f"take it out of {KEY}")
        found.setdefault(table, {})[column] = f"({sql})::{known[table].column(column).kind.written}"
    return found


def _must_be_known(name: str, known: Iterable[str], what: str) -> None:
    if name not in known:
        raise RowsUnknownError(f"the database to rehearse on has no {what} {name!r}", hint=nearest(name, known))


def _fitting(connection: Connection, filling: Filling) -> Filling:
    """With other expressions for columns whose checks would refuse the rows."""
    for check in filling.table.checks:
        if not _holds(connection, filling, (check,)):
            filling = _mended(connection, filling, check)
    return filling


def _mended(connection: Connection, filling: Filling, check: Check) -> Filling:
    table = filling.table
    kept = tuple(one for one in table.checks if one != check and _holds(connection, filling, (one,)))
    named = [table.column(name) for name in check.columns] or list(table.columns)
    free = [one for one in named if one.name not in filling.linked | filling.given and not one.own]
    for column in free:
        for sql in candidates(column, check, distinct=table.is_distinct(column.name)):
            other = replace(filling, made={**filling.made, column.name: sql})
            if _holds(connection, other, (check, *kept)):
                return other
    raise RowsNotMadeError(table.name, (free or named)[0].name, f"has to satisfy {check.name}: CHECK ({check.sql})")


def _holds(connection: Connection, filling: Filling, checks: tuple[Check, ...]) -> bool:
    try:
        row = connection.execute(trial(filling, checks).encode()).fetchone()
    except (
        psycopg.DataError,
        psycopg.ProgrammingError,
        psycopg.IntegrityError,
    ):  # a candidate of another type, or out of its range
        return False
    return row is not None and all(row)


def _insert(connection: Connection, filling: Filling, there: int, missing: int, told: Progress) -> None:
    table = filling.table
    first = _beyond(connection, filling, there)
    try:
        with _unchecked(connection, filling):
            for begin in range(first, first + missing, _AT_ONCE):
                last = min(begin + _AT_ONCE, first + missing) - 1
                made = connection.execute(statement(filling, begin, last).encode()).rowcount
                if made != last - begin + 1:
                    raise _none_to_refer_to(filling)
                told(table.name, there + last - first + 1, there + missing)
    except psycopg.Error as error:
        if error.sqlstate is None or error.sqlstate[:2] not in _OF_THE_ROW:
            raise
        raise _not_made(table, error) from None


@contextmanager
def _indexed_afterwards(connection: Connection, table: Table, there: int) -> Iterator[None]:
    """An empty table's plain indexes are built when the rows are there, which takes a tenth. The database is a copy of
    our own: one in which this was cut short is thrown away.
    """
    found = connection.execute(_INDEXES, (table.sql,)).fetchall() if not there else []
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}".encode())
    yield
    for _, definition in found:
        connection.execute(definition.encode())


_OF_THE_ROW = {"22", "23", "42", "P0"}  # data, integrity, an expression that is none, a trigger of the product


def _not_made(table: Table, error: psycopg.Error) -> RowsNotMadeError:
    """What PostgreSQL refused, with the column that it named or that its constraint is about."""
    said, diag = " ".join(str(error).split()), error.diag
    named = re.search(r'column "([^"]+)"', said)
    column = diag.column_name or _of_constraint(table, diag.constraint_name) or (named and named[1])
    why = f"got a value that PostgreSQL refuses: {said}"
    return RowsNotMadeError(table.name, column or table.columns[0].name, why)


def _of_constraint(table: Table, constraint: str | None) -> str | None:
    named = {
        **{link.name: link.columns for link in table.links},
        **{check.name: check.columns for check in table.checks},
    }
    named |= dict(zip(table.indexes, table.unique, strict=False))
    columns = named.get(constraint or "", ())
    return columns[-1] if columns else None


def _none_to_refer_to(filling: Filling) -> RowsNotMadeError:
    one = next(one for one in reversed(filling.joined) if one.shared)
    name = next(name for name in one.link.columns if name not in one.shared)
    return RowsNotMadeError(
        filling.table.name, name, f"finds no row of {one.link.table} with the same {', '.join(one.shared)}"
    )


def _beyond(connection: Connection, filling: Filling, there: int) -> int:
    """The first number of a row that no integer which must not repeat has yet."""
    table = filling.table
    made = [name for key in table.unique for name in key if name in filling.made]
    whole = [name for name in made if table.column(name).kind.is_integer]
    if not there or not whole:
        return there + 1
    greatest = ", ".join(f"max({identifier(name)})" for name in whole)
    row = connection.execute(f"SELECT greatest({greatest}, {there})::bigint FROM {table.sql}".encode()).fetchone()
    return int(row[0]) + 1 if row else there + 1


@contextmanager
def _unchecked(connection: Connection, filling: Filling) -> Iterator[None]:
    """Within it, PostgreSQL does not look each foreign key up, where it lets us and nothing is lost by that: the rows
    refer to what a join found, no expression of a person is among them, and the table has no trigger of its own.
    """
    referring = {name for link in filling.table.links for name in link.columns}
    fit = bool(filling.joined) and not filling.table.triggers and not referring & filling.given
    try:
        if fit:
            connection.execute("SET session_replication_role = replica")
    except psycopg.errors.InsufficientPrivilege:
        fit = False
    yield
    if fit:  # after an error the connection is not used any more
        connection.execute("SET session_replication_role = origin")
