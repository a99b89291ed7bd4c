"""The SQL of one backfill on one table: where the next batch ends, what fills it, what is left of a range.

Values are written out, so that PostgreSQL plans for the very range. Nothing here is a cursor into the heap: a row is
found by tenant and key alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stationmaster.domain.migration_row_types import identifier, quoted

Key = tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column, and its type as a cast writes it."""

    name: str
    type: str

    @property
    def sql(self) -> str:
        return identifier(self.name)

    def literal(self, text: str) -> str:
        return f"{quoted(text)}::{self.type}"


class Unknown(Column):
    """A column whose values are parameters."""

    def literal(self, text: str) -> str:
        return f"{text}::{self.type}"


@dataclass(frozen=True)
class Tenant:
    """Whose rows. `name` is what people read; `value` the column's as text, None for rows without one."""

    name: str
    value: str | None


@dataclass(frozen=True)
class Shape:
    """A table as it is walked."""

    schema: str
    name: str
    key: tuple[Column, ...]
    tenant: Column | None
    leads: bool = True  # an index begins with the tenant; else the key's own is walked, for a small table

    @property
    def sql(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @property
    def keys(self) -> str:
        return ", ".join(column.sql for column in self.key)

    @property
    def settings(self) -> str:
        """What a transaction has to set, so that a key is written as it is read."""
        dated = any(word in column.type for column in self.key for word in ("time", "date", "interval"))
        return "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = postgres; " if dated else ""

    def literal(self, key: Key) -> str:
        """A key as a row of values."""
        written = self._values(key)
        return f"({written})" if len(self.key) > 1 else written

    def _values(self, key: Key) -> str:
        return ", ".join(column.literal(text) for column, text in zip(self.key, key, strict=True))

    @property
    def texts(self) -> str:
        return ", ".join(f"{column.sql}::text" for column in self.key)

    @property
    def order(self) -> str:
        """By the columns: a bare name would be that of the answer's own, which is text and in another order."""
        columns = (self.tenant, *self.key) if self.tenant and self.leads else self.key
        return ", ".join(f"{identifier(self.name)}.{column.sql}" for column in columns)

    @property
    def row(self) -> str:
        return f"({self.keys})" if len(self.key) > 1 else self.keys

    def of(self, tenant: Tenant) -> list[str]:
        """What is true of the tenant's rows alone."""
        if self.tenant is None:
            return []
        if tenant.value is None:
            return [f"{self.tenant.sql} IS NULL"]
        return [f"{self.tenant.sql} = {self.tenant.literal(tenant.value)}"]

    def between(self, tenant: Tenant, within: "Range") -> list[str]:
        """What is true of the tenant's rows of a range. It is said by rows of values that begin with the tenant, which
        the index that begins so alone can use: of `tenant = … AND key > …` PostgreSQL may well think that it is cheaper
        to walk the keys of all tenants.
        """
        after, to = within.after, within.to
        if self.tenant is None or tenant.value is None or not self.leads:
            beyond = [f"{self.row} > {self.literal(after)}"] if after is not None else []
            return [*self.of(tenant), *beyond, *([f"{self.row} <= {self.literal(to)}"] if to is not None else [])]
        name, value = self.tenant.sql, self.tenant.literal(tenant.value)
        whole = f"({name}, {self.keys})"
        return [
            f"{whole} > ({value}, {self._values(after)})" if after is not None else f"{name} >= {value}",
            f"{whole} <= ({value}, {self._values(to)})" if to is not None else f"{name} <= {value}",
        ]


@dataclass(frozen=True)
class Range:
    """Keys after `after`, as far as `to`; None for no limit."""

    after: Key | None
    to: Key | None


@dataclass(frozen=True)
class Filling:
    """What one backfill does to the rows of a range. `cover` holds of the rows that the job has at all; `verify` is
    what is asked in the end, None where nothing can be.
    """

    shape: Shape
    set: str
    todo: str | None
    verify: str | None
    cover: str | None = None  # of every statement that looks at rows
    limit: str | None = None  # of the keys, which the index can use; it is part of `cover`

    def bound(self, tenant: Tenant, after: Key | None, rows: int) -> str:
        """The key of the last of the next `rows` rows; no row where fewer are left."""
        shape = self.shape
        return bound(shape, [*shape.between(tenant, Range(after, None)), *([self.limit] if self.limit else [])], rows)

    def fill(self, tenant: Tenant, within: Range, skipped: Sequence[Key]) -> str:
        """Fills what is to be done. Whether it is done then is found when the rows are looked at."""
        return self._update(tenant, within, skipped, self._is_todo)

    def fill_again(self, tenant: Tenant, within: Range, skipped: Sequence[Key], *, mend: bool) -> str:
        """The same of rows that were filled before, with `mend` of those too that are not as they should be. Its answer
        is how many rows were changed, and how many of them still are what they were.
        """
        undone = self._undone(mend=mend) or "false"
        update = self._update(tenant, within, skipped, undone)
        return (
            f"WITH filled AS ({update} RETURNING ({undone}) AS still) "
            "SELECT count(*), count(*) FILTER (WHERE still) FROM filled"
        )

    def _update(self, tenant: Tenant, within: Range, skipped: Sequence[Key], which: str | None) -> str:
        where = _where([*self._rows(tenant, within, skipped), *([which] if which else [])])
        return f"UPDATE {self.shape.sql} SET\n{self.set}\n{where}"

    def read(self, tenant: Tenant, within: Range, skipped: Sequence[Key], reads: Sequence[str], *, mend: bool) -> str:
        """For a function: the rows that `fill` would change, locked; one array of texts for each column of the key, and
        then for each that it reads.
        """
        undone = self._undone(mend=mend)
        where = _where([*self._rows(tenant, within, skipped), *([undone] if undone else [])])
        columns = [column.sql for column in self.shape.key] + [identifier(name) for name in reads]
        texts = ", ".join(f"{column}::text AS c{n}" for n, column in enumerate(columns))
        arrays = ", ".join(f"array_agg(c{n})" for n in range(len(columns)))
        return f"SELECT {arrays} FROM (SELECT {texts} FROM {self.shape.sql}{where} FOR NO KEY UPDATE) AS rows"

    def write(self, tenant: Tenant, within: Range, writes: Sequence[Column], *, mend: bool) -> str:
        """What the function made, by key: a parameter for each column of the key and for each that it writes."""
        names = [f"stationmaster_{n}" for n in range(len(self.shape.key) + len(writes))]
        made = ", ".join(
            f"{column.sql} = {name}::{column.type}"
            for column, name in zip(writes, names[len(self.shape.key) :], strict=True)
        )
        table = identifier(self.shape.name)
        same = [f"{table}.{key.sql} = {name}::{key.type}" for key, name in zip(self.shape.key, names, strict=False)]
        arrays = ", ".join(["%b::text[]"] * len(names))
        where = _where([*self._rows(tenant, within, []), *same]).replace("%", "%%")
        undone = (self._undone(mend=mend) or "false").replace("%", "%%")
        return (
            f"WITH filled AS (UPDATE {self.shape.sql} SET {made} FROM unnest({arrays}) AS made({', '.join(names)})"
            f"{where} RETURNING ({undone}) AS still) SELECT count(*), count(*) FILTER (WHERE still) FROM filled"
        )

    def look(self, tenant: Tenant, within: Range, skipped: Sequence[Key]) -> str:
        """How many rows of a range are still to be done, and are not as `verify` says."""
        counts = [_count(self._is_todo), _count(self._is_wrong)]
        where = _where(self._rows(tenant, within, skipped))
        return f"SELECT {', '.join(counts)} FROM {self.shape.sql}{where}"

    def survey(self, tenant: Tenant, after: Key | None, rows: int, skipped: Sequence[Key]) -> str:
        """`look` and `bound` at once, in one pass over the next `rows` rows: how many of them are still to be done, and
        are not as `verify` says; then the key of the last, NULL where fewer are left.
        """
        shape, mine = self.shape, self._mine(skipped)
        flags = [" AND ".join([*mine, one]) if one else "false" for one in (self._is_todo, self._is_wrong)]
        ahead = [*shape.between(tenant, Range(after, None)), *([self.limit] if self.limit else [])]
        names = [f"stationmaster_{n}" for n in range(len(shape.key))]
        keys = ", ".join(f"{column.sql} AS {name}" for column, name in zip(shape.key, names, strict=True))
        last = ", ".join(f"(array_agg({name}::text) FILTER (WHERE place = {rows}))[1]" for name in names)
        return (
            f"SELECT count(*) FILTER (WHERE undone), count(*) FILTER (WHERE wrong), {last} FROM "
            "(SELECT *, row_number() OVER () AS place FROM "
            f"(SELECT {keys}, {flags[0]} AS undone, {flags[1]} AS wrong FROM {shape.sql}{_where(ahead)} "
            f"ORDER BY {shape.order} LIMIT {rows}) AS next) AS numbered"
        )

    def wrong(self, tenant: Tenant, within: Range, skipped: Sequence[Key]) -> str:
        """The first key of a range that is not as it should be."""
        return bound(self.shape, [*self._rows(tenant, within, skipped), self._is_wrong or "false"], 1)

    def spoilt(self, tenant: Tenant, skipped: Sequence[Key]) -> str:
        """How many of the rows that were left out are there and not as they should be."""
        where = _where([*self.shape.of(tenant), self._among(skipped), *self._covered(), self._is_wrong or "true"])
        return f"SELECT count(*) FROM {self.shape.sql}{where}"

    def _rows(self, tenant: Tenant, within: Range, skipped: Sequence[Key]) -> list[str]:
        return [*self.shape.between(tenant, within), *self._mine(skipped)]

    def _mine(self, skipped: Sequence[Key]) -> list[str]:
        """What is true of the rows that the job has."""
        return [*self._covered(), *([f"NOT {self._among(skipped)}"] if skipped else [])]

    def _covered(self) -> list[str]:
        return [f"({self.cover}\n)"] if self.cover else []

    def _among(self, keys: Sequence[Key]) -> str:
        listed = ", ".join(self.shape.literal(key) for key in keys)
        return f"({self.shape.row} IN ({listed}))" if keys else "false"

    @property
    def _is_todo(self) -> str | None:
        return f"(({self.todo}\n) IS TRUE)" if self.todo else None

    @property
    def _is_wrong(self) -> str | None:
        return f"(({self.verify}\n) IS NOT TRUE)" if self.verify else None

    def _undone(self, *, mend: bool) -> str | None:
        parts = [part for part in (self._is_todo, self._is_wrong if mend else None) if part]
        return f"({' OR '.join(parts)})" if parts else None


def bound(shape: Shape, conditions: Sequence[str], rows: int) -> str:
    """The key of the row at that place, counted from 1."""
    return f"SELECT {shape.texts} FROM {shape.sql}{_where(conditions)} ORDER BY {shape.order} OFFSET {rows - 1} LIMIT 1"


def _count(condition: str | None) -> str:
    return f"count(*) FILTER (WHERE {condition})" if condition else "0"


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def index_for(shape: Shape, *, unique: bool) -> str:
    """The statement that makes the index which is missing."""
    columns = ", ".join(column.sql for column in ([shape.tenant] if shape.tenant else [])) or ""
    listed = f"{columns}, {shape.keys}" if columns else shape.keys
    return f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY ON {shape.sql} ({listed})"
