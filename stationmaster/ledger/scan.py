"""The whole ledger in one pass, for questions about all of it: each entry with its leaf hash; personal data in bulk.

The bytes are checked against the hashes, and whoever makes the root from the hashes has it over what was read. The
columns beside the bytes are not asked, which makes a pass three times as fast; `Ledger.audit` compares them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine, select

from stationmaster.domain.entries import Entry
from stationmaster.domain.merkle import leaf
from stationmaster.ledger.connection import reading
from stationmaster.ledger.faults import LedgerTamperedError
from stationmaster.ledger.log import size
from stationmaster.ledger.rows import unseal
from stationmaster.ledger.tables import entries, payloads

_BATCH = 5000  # rows a transaction; a server ends one that lasts
_e, _p = entries.c, payloads.c


def scan(engine: Engine) -> Iterator[tuple[Entry, bytes]]:
    """Each entry and its leaf hash, in order, as many as there are now: none is changed or taken away while others are
    added, so the batches are of one ledger.

    Raises:
        LedgerTamperedError: an entry is missing, or its bytes are not what was appended.
    """
    with reading(engine) as connection:
        end = size(connection)
    for start in range(0, end, _BATCH):
        yield from _batch(engine, range(start, min(start + _BATCH, end)))


def personals(engine: Engine, found: Sequence[Entry]) -> dict[int, dict[str, Any] | None]:
    """Index to personal data of these entries, or to None where what is there is not what was recorded; those without
    any, or whose data was erased, are not in it. Whoever may erase may leave something else: it takes no other away.
    """
    known: dict[int, dict[str, Any] | None] = {}
    sealed = {entry.index: entry for entry in found if entry.payload}
    indexes = sorted(sealed)
    for start in range(0, len(indexes), _BATCH):
        part = indexes[start : start + _BATCH]
        query = select(_p.index, _p.content).where(_p.index >= part[0], _p.index <= part[-1])
        with reading(engine) as connection:
            rows = connection.execute(query).all()
        known |= {index: _unsealed(sealed[index], content) for index, content in rows if index in sealed}
    return known


def _unsealed(entry: Entry, content: object) -> dict[str, Any] | None:
    try:
        return unseal(entry, content)
    except LedgerTamperedError:
        return None


def _batch(engine: Engine, indexes: range) -> Iterator[tuple[Entry, bytes]]:
    query = select(_e.index, _e.canonical, _e.leaf).where(_e.index >= indexes.start, _e.index < indexes.stop)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(_e.index)).all()
    for number, index in enumerate(indexes):
        if number >= len(rows) or rows[number][0] != index:
            raise LedgerTamperedError(index, "it is missing")
        yield _entry(*rows[number]), rows[number][2]


def _entry(index: int, content: bytes, hashed: bytes) -> Entry:
    if leaf(content) != hashed:
        raise LedgerTamperedError(index, "its bytes do not have its hash")
    try:
        entry = Entry.model_validate(json.loads(content))
    except (ValueError, ValidationError) as error:
        raise LedgerTamperedError(index, "its bytes are no entry") from error
    if entry.index != index:
        raise LedgerTamperedError(index, "its bytes are those of another")
    return entry
