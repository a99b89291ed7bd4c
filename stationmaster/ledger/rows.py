"""An entry as a row and back. What is read is checked: the bytes against their hash, the columns against the bytes."""

import json
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row

from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.merkle import leaf
from stationmaster.ledger.faults import LedgerTamperedError

_COLUMNS = ("index", "release", "step", "subject", "attempt", "inputs")


def to_row(entry: Entry) -> dict[str, Any]:
    content = entry.canonical()
    return {**{name: getattr(entry, name) for name in _COLUMNS}, "canonical": content, "leaf": leaf(content)}


def to_entry(row: Row[Any]) -> Entry:
    """Raises LedgerTamperedError when the row is not as `to_row` made it."""
    stored = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    content = stored["canonical"]
    if not isinstance(content, bytes) or leaf(content) != stored["leaf"]:  # SQLite keeps text in a column of bytes
        raise LedgerTamperedError(stored["index"], "its bytes do not have its hash")
    try:
        entry, said = Entry.model_validate(json.loads(content)), _said(content)
    except (ValueError, ValidationError, RecursionError) as error:
        raise LedgerTamperedError(stored["index"], "its bytes are no entry") from error
    if said != content or any(getattr(entry, name) != stored[name] for name in _COLUMNS):
        raise LedgerTamperedError(stored["index"], "its columns do not repeat its bytes")
    return entry


@lru_cache(maxsize=1 << 13)  # the same bytes always say the same, and a leg reads its release's entries again and again
def _said(content: bytes) -> bytes:
    """The canonical bytes of the entry that these bytes say."""
    return Entry.model_validate(json.loads(content)).canonical()


def seal(personal: dict[str, Any], salt: str) -> bytes:
    """Personal data as it is stored. The salt inside keeps a name from being guessed from the digest."""
    return canonical({"personal": personal, "salt": salt})


def unseal(entry: Entry, content: object) -> dict[str, Any]:
    if not isinstance(content, bytes) or digest(content) != entry.payload:
        raise LedgerTamperedError(entry.index, "its personal data does not have its digest")
    personal: dict[str, Any] = json.loads(content)["personal"]
    return personal
