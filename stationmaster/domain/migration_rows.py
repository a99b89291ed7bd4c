"""Rows for a table of which only the catalog is known: in which order tables are filled, what each column gets, and the
one INSERT that does it. It does not talk to a database; `blocks/migration_rows.py` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stationmaster.domain.errors import InputError
from stationmaster.domain.migration_row_types import Kind, expression, identifier

KEY = "database.rehearsal.columns"  # where an expression is declared


class RowsNotMadeError(InputError):
    """A table cannot be filled from its catalog alone: somebody has to say what a column gets."""

    code = "rows_not_made"

    def __init__(self, table: str, column: str, why: str) -> None:
        super().__init__(
            f"no rows can be made for {table}: column {column} {why}",
            hint=f"declare what it gets, in SQL over the row's number i: {KEY}: {{{table}.{column}: EXPRESSION}}, "
            f"or --column '{table}.{column}=EXPRESSION'",
        )


@dataclass(frozen=True)
class Column:
    """A column as the catalog has it. `own`: the database gives it a value by itself, and nobody may."""

    name: str
    kind: Kind
    required: bool = False
    default: str | None = None
    own: bool = False
    counted: bool = False  # identity, or a default from a sequence


@dataclass(frozen=True)
class Link:
    """A foreign key: `columns` have the values of `keys` in a row of `table`."""

    name: str
    columns: tuple[str, ...]
    table: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """A CHECK constraint, or one of a column's domain."""

    name: str
    columns: tuple[str, ...]
    sql: str


@dataclass(frozen=True)
class Table:
    """A table as the catalog has it. `sql` is its name, quoted; `unique` are the columns of what must not repeat,
    `indexes` what holds that, in the same order.
    """

    name: str
    sql: str
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    links: tuple[Link, ...] = ()
    checks: tuple[Check, ...] = ()
    triggers: bool = False
    indexes: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def is_distinct(self, name: str) -> bool:
        """Whether a column is part of what must not repeat."""
        return any(name in key for key in self.unique)

    def is_required(self, link: Link) -> bool:
        """Whether a row must refer to another: with one NULL in its columns it need not."""
        return all(self.column(name).required for name in link.columns)


@dataclass(frozen=True)
class Joined:
    """A link that is followed: `stride` rows in turn have the same referred row; `shared` columns are given already."""

    link: Link
    table: Table
    rows: int
    stride: int = 1
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filling:
    """What each column of a table gets: by an expression over `i`, or from the row that a link refers to. A person gave
    those of the columns `given`.
    """

    table: Table
    made: dict[str, str] = field(default_factory=dict)
    joined: tuple[Joined, ...] = ()
    given: frozenset[str] = frozenset()

    @property
    def linked(self) -> frozenset[str]:
        """The columns that have what the row has that they refer to."""
        return frozenset(name for one in self.joined for name in one.link.columns)


def in_order(tables: Mapping[str, Table], asked: Mapping[str, int]) -> list[str]:
    """The asked tables, each after those that it must refer to. Of a circle, what may be NULL is left NULL.

    Raises:
        RowsNotMadeError: a circle of links of which none may be NULL.
    """
    left, found = sorted(asked), list[str]()
    while left:
        for weak in (True, False):  # at first wait for those too that a row may refer to
            ready = [name for name in left if not _awaited(tables[name], left, weak=weak)]
            if ready:
                break
        else:
            table = tables[left[0]]
            link = next(link for link in table.links if table.is_required(link) and link.table in left)
            raise RowsNotMadeError(
                table.name, link.columns[-1], f"must refer to {link.table}, which must refer back to {table.name}"
            )
        found.append(ready[0])
        left.remove(ready[0])
    return found


def _awaited(table: Table, left: Sequence[str], *, weak: bool) -> bool:
    return any(
        link.table in left and link.table != table.name and (weak or table.is_required(link)) for link in table.links
    )


def plan(table: Table, tables: Mapping[str, Table], there: Mapping[str, int], given: Mapping[str, str]) -> Filling:
    """What each column gets. `there` says how many rows the tables have that it refers to; `given` are expressions by
    column, which stand before everything else.

    Raises:
        RowsNotMadeError: a column must have a value and none can be made.
    """
    joined = _joined(table, tables, there, given)
    linked = {name for one in joined for name in one.link.columns}
    made = dict(given)
    for link in table.links:
        made |= _unlinked(table, link, linked | made.keys(), given)
    distinct = {name for key in table.unique for name in key} - linked
    for column in table.columns:
        if column.name in linked or column.name in made or _by_itself(column, column.name in distinct):
            continue
        sql = _numbered(table, column, joined) or expression(column.kind, distinct=column.name in distinct)
        if sql is None and column.required:
            raise RowsNotMadeError(table.name, column.name, f"of type {column.kind.written} must have a value")
        if sql is not None:
            made[column.name] = sql
    return Filling(table, made, joined, frozenset(given))


def _by_itself(column: Column, distinct: bool) -> bool:  # noqa: FBT001 - whether it must not repeat
    """Whether the database's own value will do. A constant default would repeat where it must not."""
    if column.own or column.counted:
        return True
    return column.default is not None and (not distinct or "(" in column.default)


def _joined(
    table: Table, tables: Mapping[str, Table], there: Mapping[str, int], given: Mapping[str, str]
) -> tuple[Joined, ...]:
    """The links that are followed: those of most columns first, since they settle what the others refer to."""
    found, settled = list[Joined](), set(given)
    for link in sorted(table.links, key=lambda link: (-len(link.columns), link.name)):
        rows = 0 if link.table == table.name else there.get(link.table, 0)
        if set(link.columns) <= settled or rows == 0:
            continue
        shared = tuple(name for name in link.columns if name in settled)
        found.append(Joined(link, tables[link.table], rows, _stride(table, link, found), shared))
        settled |= set(link.columns)
    return tuple(found)


def _stride(table: Table, link: Link, before: Sequence[Joined]) -> int:
    """Where several links together must not repeat, they count like the digits of a number."""
    stride = 1
    for one in before:
        both = {*one.link.columns, *link.columns}
        if any(set(key) & set(link.columns) and set(key) & set(one.link.columns) and set(key) <= both
               for key in table.unique):  # fmt: skip
            stride *= one.rows
    return stride


def _unlinked(table: Table, link: Link, settled: set[str], given: Mapping[str, str]) -> dict[str, str]:
    """What the columns of a link get that is not followed, as there is nothing to refer to."""
    free = [name for name in link.columns if name not in settled]
    if not free:
        return {}
    if empty := [name for name in free if not table.column(name).required]:
        return {name: f"NULL::{table.column(name).kind.written}" for name in empty}
    if link.table != table.name:
        raise RowsNotMadeError(
            table.name, free[-1], f"must refer to {link.table}, which has no rows (declare rows of {link.table} too)"
        )
    return {name: _itself(table, link, name, given) for name in free}


def _itself(table: Table, link: Link, name: str, given: Mapping[str, str]) -> str:
    """A row that must refer to one of its own table refers to itself."""
    key = table.column(link.keys[link.columns.index(name)])
    sql = given.get(key.name) or (None if key.own or key.counted else expression(key.kind, distinct=True))
    if sql is None:
        why = f"must refer to {table.name} itself, whose {key.name} counts by itself"
        raise RowsNotMadeError(table.name, name, why)
    return sql


def _numbered(table: Table, column: Column, joined: Sequence[Joined]) -> str | None:
    """An integer that counts within a row that it belongs to, as the number of an order's line does."""
    if not column.kind.is_integer:
        return None
    for key in table.unique:
        rest = set(key) - {column.name}
        for one in joined:
            if column.name in key and rest and rest == set(one.link.columns) and not one.shared and one.stride == 1:
                return f"(1 + (i - 1) / {one.rows})::{column.kind.written}"
    return None


def statement(filling: Filling, first: int, last: int) -> str:
    """The INSERT of the rows from the `first` to the `last`."""
    linked = [
        (name, f"f{number}.{identifier(_key(one.link, name))}")
        for number, one in enumerate(filling.joined)
        for name in one.link.columns
        if name not in one.shared
    ]
    pairs = [*filling.made.items(), *linked]
    columns = ", ".join(identifier(name) for name, _ in pairs)
    values = ", ".join(sql for _, sql in pairs)
    settled = dict(pairs)
    joins = "".join(_join(n, one, settled) for n, one in enumerate(filling.joined))
    rows = f"generate_series({first}::bigint, {last}::bigint) AS g(i)"
    if not pairs:  # its columns all have values by themselves
        return f"INSERT INTO {filling.table.sql} SELECT FROM {rows}"
    return f"INSERT INTO {filling.table.sql} ({columns}) SELECT {values} FROM {rows}{joins}"


def _key(link: Link, column: str) -> str:
    return link.keys[link.columns.index(column)]


def _join(number: int, one: Joined, settled: Mapping[str, str]) -> str:
    """Every row finds exactly one to refer to, in turn; with `shared` columns in turn among those that share them."""
    keys = ", ".join(identifier(key) for key in one.link.keys)
    turn = f"((i - 1) / {one.stride})"
    if not one.shared:
        rows = f"SELECT {keys}, row_number() OVER () - 1 AS n FROM {one.table.sql}"
        return f" JOIN ({rows}) f{number} ON f{number}.n = {turn} % {one.rows}"
    shared = [identifier(_key(one.link, name)) for name in one.shared]
    within = ", ".join(shared)
    count = f"SELECT {within}, count(*) AS m FROM {one.table.sql} GROUP BY {within}"
    rows = f"SELECT {keys}, row_number() OVER (PARTITION BY {within}) - 1 AS n FROM {one.table.sql}"
    same = {
        alias: " AND ".join(
            f"{alias}{number}.{key} = {settled[name]}" for key, name in zip(shared, one.shared, strict=True)
        )
        for alias in ("c", "f")
    }
    return (
        f" JOIN ({count}) c{number} ON {same['c']}"
        f" JOIN ({rows}) f{number} ON {same['f']} AND f{number}.n = {turn} % c{number}.m"
    )
