"""How the rows of a range get their new values: PostgreSQL computes them, or a function of the product does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stationmaster.blocks.backfill_function import Function, FunctionFailedError
from stationmaster.blocks.backfill_sessions import Connection
from stationmaster.blocks.backfill_table import Table
from stationmaster.blocks.backfill_walk import IDLE_S, Filler, RowRefused
from stationmaster.domain.backfill_statements import Column, Filling, Key, Range, Tenant
from stationmaster.domain.backfills import Backfill


@contextmanager
def filler(spec: Backfill, table: Table, filling: Filling, folder: Path | None) -> Iterator[Filler]:
    """One for each worker."""
    if spec.function is None:
        yield BySql(filling)
        return
    with function_of(spec, table, folder) as function:
        yield ByFunction(filling, spec, table, function)


def function_of(spec: Backfill, table: Table, folder: Path | None) -> Function:
    """Not started yet. It has less time than PostgreSQL gives a transaction that does nothing."""
    reads, writes = ([(name, table.columns[name][0]) for name in names] for names in (spec.reads, spec.writes))
    return Function(spec.function or "", reads, writes, folder or Path.cwd(), batch=IDLE_S - 2)


class BySql:
    """One UPDATE of the range. What was filled before is asked whether it is done now."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling

    def __call__(
        self, connection: Connection, tenant: Tenant, within: Range, skipped: list[Key], *, again: bool, mend: bool
    ) -> tuple[int, int]:
        if not again:
            return connection.execute(self._filling.fill(tenant, within, skipped).encode()).rowcount, 0
        row = connection.execute(self._filling.fill_again(tenant, within, skipped, mend=mend).encode()).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)


class ByFunction:
    """Read and locked, computed outside, written by key."""

    def __init__(self, filling: Filling, spec: Backfill, table: Table, function: Function) -> None:
        self._filling, self._spec, self._function = filling, spec, function
        self._writes = [Column(name, table.columns[name][0]) for name in spec.writes]

    def __call__(
        self, connection: Connection, tenant: Tenant, within: Range, skipped: list[Key], *, again: bool, mend: bool
    ) -> tuple[int, int]:
        del again  # what it made is looked at in any case
        read = self._filling.read(tenant, within, skipped, self._spec.reads, mend=mend)
        row = connection.execute(read.encode()).fetchone()
        if row is None or row[0] is None:
            return 0, 0
        keys = len(self._filling.shape.key)
        try:
            made = self._function.compute(row[keys:])
        except FunctionFailedError as error:
            raise RowRefused(error.message) from None
        write = self._filling.write(tenant, within, self._writes, mend=mend)
        changed = connection.execute(write.encode(), [*row[:keys], *made]).fetchone()
        return (int(changed[0]), int(changed[1])) if changed else (0, 0)
