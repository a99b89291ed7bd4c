"""An entry as a row and back. What is read is checked: the bytes against their hash, the columns against the bytes."""

import hashlib
import json
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row

from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.ledger.faults import LedgerTamperedError

_COLUMNS = ("index", "release", "step", "subject", "attempt", "inputs")


def leaf(content: bytes) -> bytes:
    """The leaf hash of RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x00" + content).digest()


def to_row(entry: Entry) -> dict[str, Any]:
    content = entry.canonical()
    return {**{name: getattr(entry, name) for name in _COLUMNS}, "canonical": content, "leaf": leaf(content)}


def to_entry(row: Row[Any]) -> Entry:
    """Raises LedgerTamperedError when the row is not as `to_row` made it."""
    stored = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    if leaf(stored["canonical"]) != stored["leaf"]:
        raise LedgerTamperedError(stored["index"], "its bytes do not have its hash")
    try:
        entry = Entry.model_validate(json.loads(stored["canonical"]))
    except (ValueError, ValidationError) as error:
        raise LedgerTamperedError(stored["index"], "its bytes are no entry") from error
    if to_row(entry) != dict(stored):
        raise LedgerTamperedError(stored["index"], "its columns do not repeat its bytes")
    return entry


def seal(personal: dict[str, Any], salt: str) -> bytes:
    """Personal data as it is stored. The salt inside keeps a name from being guessed from the digest."""
    return canonical({"personal": personal, "salt": salt})


def unseal(entry: Entry, content: bytes) -> dict[str, Any]:
    if digest(content) != entry.payload:
        raise LedgerTamperedError(entry.index, "its personal data does not have its digest")
    personal: dict[str, Any] = json.loads(content)["personal"]
    return personal
