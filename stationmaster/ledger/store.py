"""The ledger: append once, read what stands, lend a release to one process at a time.

It knows what undoes what (`domain/entries.py`) and nothing of stages. Retries nothing but what may be repeated.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import Connection, Engine, insert, select, update

from stationmaster.domain.entries import OBSERVED, RUNS, Draft, Entry, attempt, compose, digest, inputs_digest, standing
from stationmaster.domain.merkle import Tree, split
from stationmaster.ledger import leases, log, queries, scan
from stationmaster.ledger.connection import engine_for, reading, writing
from stationmaster.ledger.faults import LedgerTamperedError, LedgerUnreachableError
from stationmaster.ledger.leases import Lease
from stationmaster.ledger.rows import seal, to_row, unseal
from stationmaster.ledger.schema import migrate
from stationmaster.ledger.tables import entries, head, payloads

_TRIED = 1 << 14  # bytes of an entry that is tried and taken back; the longest are some 10 KiB
_BACK = 16  # entries that are read at once when one goes back


@dataclass(frozen=True)
class Ledger:
    """One append-only table in SQLite or PostgreSQL, safe with several writing processes."""

    engine: Engine

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:  # noqa: ANN401 - SQLAlchemy's own options, for tests
        """The ledger at `url` (sqlite:///… or postgresql+psycopg://…), created or brought up to date if need be.

        `sqlite://` is one in memory. Raises LedgerAddressError, LedgerSchemaError, LedgerUnreachableError.
        """
        ledger = cls(engine_for(url, **options))
        try:
            migrate(ledger.engine)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, draft: Draft, at: datetime, lease: Lease | None = None) -> Entry:
        """Records a fact once: the entry that stands for the same release, step, subject and inputs is returned if
        there is one. With a lease, only while it is the newest (LeaseLostError). Safe to repeat, so a broken
        connection is tried once more.
        """
        if draft.step in OBSERVED:
            raise ValueError(f"{draft.step!r} is observed, not appended")
        try:
            return self._append(draft, at, lease)
        except LedgerUnreachableError:  # the commit may or may not have arrived: the key tells
            return self._append(draft, at, lease)

    def observe(self, draft: Draft, at: datetime, lease: Lease | None = None) -> Entry:
        """Records what was seen, each time. Not repeated when the connection breaks: it might be there twice."""
        if draft.step not in OBSERVED:
            raise ValueError(f"{draft.step!r} is appended, not observed")
        return self._append(draft, at, lease)

    def recorded(self, release: str, step: str, subject: str, inputs: dict[str, Any]) -> Entry | None:
        """The entry that answers for the step, or None if it must be done. Observations are never answered."""
        with reading(self.engine) as connection:
            found = queries.about(connection, release, step, subject)
        return standing(found, release, step, subject, inputs_digest(inputs))

    def entries(self, release: str | None = None, after: int = -1) -> list[Entry]:
        """In order, those of one release or all, from index `after` + 1 on."""
        with reading(self.engine) as connection:
            return queries.of_release(connection, release, after)

    def personal(self, entry: Entry) -> dict[str, Any] | None:
        """The personal data of an entry; None when there was none or it was erased."""
        content = self.sealed(entry)
        return None if content is None else unseal(entry, content)

    def sealed(self, entry: Entry) -> bytes | None:
        """The same as it is stored, with the salt: the bytes whose digest the entry has as its payload."""
        with reading(self.engine) as connection:
            query = select(payloads.c.content).where(payloads.c.index == entry.index)
            content: bytes | None = connection.execute(query).scalar()
        return content

    def size(self) -> int:
        """How many entries there are."""
        with reading(self.engine) as connection:
            return log.size(connection)

    def leaves(self, size: int | None = None, start: int = 0) -> bytes:
        """The leaf hashes from index `start` up to a size, 32 bytes each, as they are stored.

        Raises LedgerTamperedError, LedgerShortError.
        """
        with reading(self.engine) as connection:
            return log.leaves(connection, size, start)

    def tree(self, size: int | None = None) -> Tree:
        """The Merkle tree over the first `size` entries, or all. Errors as `leaves`."""
        return Tree(split(self.leaves(size)))

    def audit(self) -> Iterator[LedgerTamperedError]:
        """Reads everything, and tells each entry that is not what was appended."""
        return log.audit(self.engine)

    def scan(self) -> Iterator[tuple[Entry, bytes]]:
        """Every entry with its leaf hash, in order, in a pass faster than `entries`. Raises LedgerTamperedError."""
        return scan.scan(self.engine)

    def personals(self, found: Sequence[Entry]) -> dict[int, dict[str, Any] | None]:
        """The personal data of entries by their index, as far as they had any that was not erased; None where it is not
        what was recorded.
        """
        return scan.personals(self.engine, found)

    def about(self, release: str, steps: Iterable[str]) -> list[Entry]:
        """The last entry of each of the steps about the release itself, in order."""
        with reading(self.engine) as connection:
            return queries.last_of_each(connection, release, steps)

    def releases(self) -> list[str]:
        """Every release that was ever started, oldest first."""
        with reading(self.engine) as connection:
            return queries.begun(connection)

    def running(self, without: str | None = None) -> dict[str, Entry]:
        """Tenant to the entry that says what it runs now; or what it would run `without` a release."""
        with reading(self.engine) as connection:
            return queries.latest(connection, RUNS, without)

    def latest(self, steps: Iterable[str]) -> dict[str, Entry]:
        """Subject to the last entry of any of the steps about it."""
        with reading(self.engine) as connection:
            return queries.latest(connection, steps)

    def every(self, step: str) -> list[Entry]:
        """Every entry of a step, in order, whatever it is about."""
        with reading(self.engine) as connection:
            return queries.history(connection, step)

    def history(self, step: str, subject: str) -> list[Entry]:
        """Every entry of a step about a subject, in order, whatever release wrote it."""
        with reading(self.engine) as connection:
            return queries.history(connection, step, subject)

    def backwards(self, step: str, subject: str, before: int | None = None) -> Iterator[Entry]:
        """The same with the newest first, those before an index if one is given; read as far as they are asked for."""
        while True:
            with reading(self.engine) as connection:
                part = queries.newest(connection, step, subject, before, _BACK)
            yield from part
            if len(part) < _BACK:
                return
            before = part[-1].index

    def must_have_room(self) -> None:
        """Return if an entry of some size could be appended now; none is. Raises what `append` would."""
        with writing(self.engine) as (connection, size):
            connection.execute(update(head).where(head.c.id == 1).values(size=size))  # SQLite finds out when it commits
            with connection.begin_nested() as tried:  # PostgreSQL when it makes the table longer
                row = {"release": "", "step": "", "subject": "", "attempt": 0, "inputs": "", "leaf": b""}
                connection.execute(insert(entries).values(index=-1, canonical=secrets.token_bytes(_TRIED), **row))
                tried.rollback()

    def take_lease(
        self, release: str, holder: str, at: datetime, seconds: int = 30, instead_of: str | None = None
    ) -> Lease:
        """Raises LeaseHeldError while another holder's lease lasts. `holder` must name one process; `instead_of` one
        that is known to be gone.
        """
        with writing(self.engine) as (connection, _):
            return leases.take(connection, release, holder, at, seconds=seconds, instead_of=instead_of)

    def holder(self, release: str, at: datetime) -> Lease | None:
        """The lease that somebody holds at `at`."""
        with reading(self.engine) as connection:
            return leases.held(connection, release, at)

    def under_way(self, at: datetime) -> list[str]:
        """The releases that somebody works on at an aware instant, sorted."""
        with reading(self.engine) as connection:
            return leases.lasting(connection, at)

    def renew(self, lease: Lease, at: datetime) -> Lease:
        """Raises LeaseLostError when somebody took the release meanwhile."""
        with writing(self.engine) as (connection, _):
            return leases.extend(connection, lease, at + timedelta(seconds=lease.seconds))

    def give_back(self, lease: Lease) -> None:
        """Ends the lease now. Nothing happens to one that was lost before."""
        with writing(self.engine) as (connection, _):
            leases.end(connection, lease)

    def _append(self, draft: Draft, at: datetime, lease: Lease | None) -> Entry:
        about = (draft.release, draft.step, draft.subject)
        with writing(self.engine) as (connection, size):
            if lease is not None:
                leases.check(connection, lease)
            found = queries.about(connection, *about)
            stands = standing(found, *about, inputs_digest(draft.inputs))
            return stands or _insert(connection, draft, at, size, attempt(found, *about))


def _insert(connection: Connection, draft: Draft, at: datetime, index: int, number: int) -> Entry:
    """The caller holds the head row's lock, so `index` is nobody else's."""
    content = None if draft.personal is None else seal(draft.personal, secrets.token_hex(16))
    sealed = None if content is None else digest(content)
    entry = compose(draft, index=index, at=at, attempt=number, salt=secrets.token_hex(16), payload=sealed)
    connection.execute(entries.insert(), to_row(entry))
    if content is not None:
        connection.execute(payloads.insert(), {"index": index, "content": content})
    connection.execute(update(head).values(size=index + 1))
    return entry
