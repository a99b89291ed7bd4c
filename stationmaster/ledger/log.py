"""The ledger as a log: the leaf hashes of its entries in order, and every place where the table is not what was
appended. The tree over the hashes is `domain/merkle.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from stationmaster.domain.merkle import HASH_BYTES
from stationmaster.ledger.connection import reading
from stationmaster.ledger.faults import LedgerShortError, LedgerTamperedError
from stationmaster.ledger.rows import to_entry, unseal
from stationmaster.ledger.tables import entries, head, payloads

_BATCH = 1000  # rows between two transactions of an audit; a server ends one that lasts
_e = entries.c


def size(connection: Connection) -> int:
    """How many entries there are."""
    found: int = connection.execute(select(head.c.size).where(head.c.id == 1)).scalar_one()
    return found


def leaves(connection: Connection, wanted: int | None = None, start: int = 0) -> bytes:
    """The leaf hashes from index `start` up to size `wanted`, 32 bytes each, one behind the other. They are taken as
    they are stored: whether an entry has its hash, `audit` says.

    Raises:
        LedgerShortError: there are not so many entries.
        LedgerTamperedError: one is missing, or has no hash.
    """
    there = size(connection)
    end = there if wanted is None else wanted
    if end > there:
        raise LedgerShortError(there, end)
    query = select(_e.index, _e.leaf).where(_e.index >= start, _e.index < end).order_by(_e.index)
    return b"".join(_dense(((row[0], row[1]) for row in connection.execute(query)), start, end))


def audit(engine: Engine) -> Iterator[LedgerTamperedError]:
    """Each entry that is not what was appended: gone, changed, beyond the end, or with personal data of another. In
    order of their indexes, those outside the ledger first. Reads everything; entries added meanwhile are left out.
    """
    with reading(engine) as connection:
        end, outside = size(connection), _outside(connection)
    yield from outside
    for start in range(0, end, _BATCH):
        yield from _flaws(engine, range(start, min(start + _BATCH, end)))


def _dense(rows: Iterable[tuple[int, object]], start: int, end: int) -> Iterator[bytes]:
    expected = count(start)
    for index, leaf in rows:
        if index != (wanted := next(expected)):
            raise LedgerTamperedError(wanted, "it is missing")
        if not isinstance(leaf, bytes) or len(leaf) != HASH_BYTES:
            raise LedgerTamperedError(index, "its hash is none")
        yield leaf
    if (wanted := next(expected)) < end:
        raise LedgerTamperedError(wanted, "it is missing")


def _outside(connection: Connection) -> list[LedgerTamperedError]:
    """In one statement, so that an entry that is appended now is not taken for one."""
    total = select(head.c.size).where(head.c.id == 1).scalar_subquery()
    found = select(_e.index).where((_e.index < 0) | (_e.index >= total)).order_by(_e.index)
    return [LedgerTamperedError(index, "it is outside the ledger") for index in connection.execute(found).scalars()]


def _flaws(engine: Engine, indexes: range) -> Iterator[LedgerTamperedError]:
    with reading(engine) as connection:
        among = (_e.index >= indexes.start, _e.index < indexes.stop)
        rows = {row[0]: row for row in connection.execute(select(entries).where(*among))}
        sealed = select(payloads).where(payloads.c.index >= indexes.start, payloads.c.index < indexes.stop)
        contents = {row[0]: row[1] for row in connection.execute(sealed)}
    for index in indexes:
        try:
            _check(index, rows, contents)
        except LedgerTamperedError as flaw:
            yield flaw


def _check(index: int, rows: Mapping[int, Row[Any]], contents: Mapping[int, object]) -> None:
    if index not in rows:
        raise LedgerTamperedError(index, "it is missing")
    entry = to_entry(rows[index])
    if index in contents:
        unseal(entry, contents[index])
