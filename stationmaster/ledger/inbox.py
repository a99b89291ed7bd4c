"""The inbox: merged changes as their hosts told them, each once, on disk before anybody is told that it was accepted.

It has the ledger's schema history and may lie in the ledger's own database; it is a working table, never evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from sqlalchemy import Connection, Engine, RowMapping, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from stationmaster.domain.deliveries import MergedChange
from stationmaster.domain.duration import instant
from stationmaster.ledger.connection import alone, engine_for, place, reading
from stationmaster.ledger.faults import LedgerUnreachableError, naming
from stationmaster.ledger.schema import migrate
from stationmaster.ledger.tables import inbox, inbox_counts, inbox_notes

_LOCK = 0x57A7105  # writers of one PostgreSQL inbox take turns, or two that bring the same changes could deadlock

# accepted: it is new, and there. duplicate: it was there. reused: the delivery was there, with another change.
Outcome = Literal["accepted", "duplicate", "reused"]
Counts = Mapping[tuple[str, str], int]  # hook and outcome to a number of deliveries


@dataclass(frozen=True, slots=True)
class Delivery:
    """A merged change, and what its host calls the message that told it."""

    hook: str
    id: str
    change: MergedChange


@dataclass(frozen=True, slots=True)
class Arrival:
    """A change in the inbox, as it came there first."""

    id: int
    hook: str
    delivery: str
    accepted_at: str
    boarded_at: str | None
    change: MergedChange

    def record(self) -> dict[str, Any]:
        """As `inbox list --json` shows it."""
        change = {**self.change.model_dump(mode="json"), "merged_at": instant(self.change.merged_at)}
        known = {name: getattr(self, name) for name in ("id", "hook", "delivery", "accepted_at", "boarded_at")}
        return {"change": self.change.key, **known, **change}


@dataclass(frozen=True)
class Inbox:
    """The merged changes of any number of products; several processes may write at once."""

    engine: Engine

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:  # noqa: ANN401 - SQLAlchemy's own options, for tests
        """The inbox at `url`, created or brought up to date if need be.

        Raises LedgerAddressError, LedgerSchemaError, LedgerUnreachableError.
        """
        opened = cls(engine_for(url, **options))
        try:
            migrate(opened.engine)
        except BaseException:
            opened.close()
            raise
        return opened

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def accept(self, deliveries: Sequence[Delivery], at: datetime) -> list[Outcome]:
        """Keeps the changes that are new, all in one transaction, and says of each delivery what became of it. They are
        on disk when it returns; when it raises, none may be acknowledged. Safe to repeat, so a broken connection is
        tried once more.
        """
        try:
            return self._accept(deliveries, at)
        except LedgerUnreachableError:  # the commit may or may not have arrived: the keys tell
            return self._accept(deliveries, at)

    def count(self, counts: Counts, at: datetime) -> None:
        """Adds to how often deliveries to a hook were ignored or refused."""
        with naming(place(self.engine)), alone(self.engine) as connection:
            for (hook, outcome), number in sorted(counts.items()):
                new = self._insert()(inbox_counts).values(hook=hook, outcome=outcome, count=number, last_at=instant(at))
                more = {"count": inbox_counts.c.count + new.excluded.count, "last_at": new.excluded.last_at}
                connection.execute(new.on_conflict_do_update(index_elements=["hook", "outcome"], set_=more))

    def changes(self) -> list[Arrival]:
        """Everything in the inbox, in the order in which it came."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(inbox).order_by(inbox.c.id)).all()
        return [_arrival(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it

    def waiting(self) -> list[Arrival]:
        """What is neither boarded nor refused by a rule, in the order in which it came."""
        refused = select(inbox_notes.c.id).where(inbox_notes.c.change == inbox.c.id, inbox_notes.c.kind == "refused")
        wanted = select(inbox).where(inbox.c.boarded_at.is_(None), ~refused.exists()).order_by(inbox.c.id)
        with reading(self.engine) as connection:
            rows = connection.execute(wanted).all()
        return [_arrival(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it

    def change(self, product: str, merge_commit: str) -> Arrival | None:
        """What came of a product by that commit, if it was told."""
        wanted = select(inbox).where(inbox.c.product == product, inbox.c.merge_commit == merge_commit)
        with reading(self.engine) as connection:
            row = connection.execute(wanted).first()
        return _arrival(row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's public name for it

    def board(self, change: int, at: datetime) -> None:
        """The change, by its id in the inbox, is aboard a train or started a hotfix. Safe to repeat."""
        mine = (inbox.c.id == change, inbox.c.boarded_at.is_(None))
        with naming(place(self.engine)), alone(self.engine) as connection:
            connection.execute(update(inbox).where(*mine).values(boarded_at=instant(at)))

    def counts(self) -> list[dict[str, Any]]:
        """How often deliveries were ignored or refused: hook, outcome, count, and when last."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(inbox_counts).order_by(inbox_counts.c.hook, inbox_counts.c.outcome)).all()
        return [dict(row._mapping) for row in rows]  # noqa: SLF001 - as above

    def ask(self) -> None:
        """Raises what keeps the inbox from answering, if anything does."""
        with reading(self.engine) as connection:
            connection.execute(select(inbox.c.id).limit(1)).all()

    def _accept(self, deliveries: Sequence[Delivery], at: datetime) -> list[Outcome]:
        with naming(place(self.engine)), alone(self.engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            return [self._keep(connection, each, instant(at)) for each in deliveries]

    def _keep(self, connection: Connection, delivery: Delivery, at: str) -> Outcome:
        change = delivery.change
        key = {"product": change.product, "merge_commit": change.merge_commit}
        told = {"hook": delivery.hook, "delivery": delivery.id, "change": change.model_dump_json().encode()}
        new = self._insert()(inbox).on_conflict_do_nothing().returning(inbox.c.id)
        if connection.execute(new, {**key, **told, "accepted_at": at}).first() is not None:
            return "accepted"
        known = select(inbox.c.id).where(*(inbox.c[name] == value for name, value in key.items()))
        return "reused" if connection.execute(known).first() is None else "duplicate"

    def _insert(self) -> Any:  # noqa: ANN401 - either dialect's insert; they share no type that knows of conflicts
        return postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert


def _arrival(row: RowMapping) -> Arrival:
    named = {name: row[name] for name in ("id", "hook", "delivery", "accepted_at", "boarded_at")}
    return Arrival(**named, change=MergedChange.model_validate_json(row["change"]))
