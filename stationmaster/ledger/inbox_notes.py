"""Beside each change of the inbox: what its worker learnt of it and decided, and how far the hosts were asked.

Notes are only added. They hold personal data, which stays here.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Engine, RowMapping, select
from sqlalchemy.dialects import postgresql, sqlite

from stationmaster.domain.duration import instant
from stationmaster.ledger.connection import alone, place, reading
from stationmaster.ledger.faults import naming
from stationmaster.ledger.tables import inbox_cursors, inbox_notes

# enriched: what the code host said. decided: what follows. postponed: it could not be done yet. refused: it never can.
Kind = Literal["enriched", "decided", "postponed", "refused"]


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that the worker learnt or decided; `at` is RFC 3339 UTC, `content` plain JSON."""

    kind: Kind
    at: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Notes:
    """The notes of an inbox, over its engine."""

    engine: Engine

    def write(self, change: int, kind: Kind, content: dict[str, Any], at: datetime) -> None:
        """One more note about a change, which is named by its id in the inbox."""
        row = {"change": change, "kind": kind, "at": instant(at), "content": json.dumps(content).encode()}
        with naming(place(self.engine)), alone(self.engine) as connection:
            connection.execute(inbox_notes.insert(), row)

    def of(self, change: int) -> list[Note]:
        """The notes about a change, oldest first."""
        with reading(self.engine) as connection:
            wanted = select(inbox_notes).where(inbox_notes.c.change == change).order_by(inbox_notes.c.id)
            rows = connection.execute(wanted).all()
        return [_note(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it

    def every(self) -> dict[int, list[Note]]:
        """Change to its notes, oldest first."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(inbox_notes).order_by(inbox_notes.c.id)).all()
        found: dict[int, list[Note]] = {}
        for row in rows:
            found.setdefault(row.change, []).append(_note(row._mapping))  # noqa: SLF001 - as above
        return found

    def cursor(self, hook: str) -> datetime | None:
        """From when on the hook's host is to be asked; None when it never was."""
        with reading(self.engine) as connection:
            found = connection.execute(select(inbox_cursors.c.cursor).where(inbox_cursors.c.hook == hook)).scalar()
        return None if found is None else datetime.fromisoformat(found)

    def advance(self, hook: str, cursor: datetime) -> None:
        """Ask from this instant on next time, unless that is already later."""
        insert: Any = postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert
        new = insert(inbox_cursors).values(hook=hook, cursor=instant(cursor))
        later = new.on_conflict_do_update(
            index_elements=["hook"],
            set_={"cursor": new.excluded.cursor},
            where=inbox_cursors.c.cursor < new.excluded.cursor,
        )
        with naming(place(self.engine)), alone(self.engine) as connection:
            connection.execute(later)


def _note(row: RowMapping) -> Note:
    return Note(row["kind"], row["at"], json.loads(row["content"]))
