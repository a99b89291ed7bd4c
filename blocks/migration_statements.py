"""Stands between a revision and PostgreSQL: each statement gets its timeouts, is watched, and written down.

It listens to SQLAlchemy's events, so that it sees what `op`, a helper, `op.get_bind()` and the product's env.py send
alike. How a statement may run is `domain/migration_class.py`'s; what a connection has open is `migration_wire.py`'s;
what runs when, and again, is `migration_runner.py`'s.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, event

from stationmaster.blocks.migration_blockers import Blocker, holders
from stationmaster.blocks.migration_journal import Journal
from stationmaster.blocks.migration_sent import Options, Sent, mark_of
from stationmaster.blocks.migration_session import APPLICATION, Session
from stationmaster.blocks.migration_stop import NO_LOCK, NotNow, StopRun, sqlstate
from stationmaster.blocks.migration_wire import Wire, ask_of, wire_of
from stationmaster.domain.migration_class import LOCK_TIMEOUT_MS, Classed, classed, written
from stationmaster.domain.migration_rule import Scope
from stationmaster.domain.migration_taken import Taken, in_schema

_NOTHING = "DO $$BEGIN END$$"  # in place of a statement that is there already


class Statements:
    """Of one process. `done` has the statements of what was recorded, in order; `blocked_by` who was in the way."""

    def __init__(self, session: Session, options: Options, say: Callable[[str], None]) -> None:
        self._say = say
        self.book = "alembic_version"
        self._sent: list[Sent] = []
        self._recorded = False
        self.move(session, options)

    def move(self, session: Session, options: Options, prefix: str = "") -> None:
        """From here on it is another schema or database; nothing of the one before is kept."""
        self._session, self.options = session, options
        self._prefix = prefix
        self.done: list[Sent] = []
        self.blocked_by: dict[tuple[object, ...], dict[str, Any]] = {}
        self.failed: tuple[Classed, int] | None = None  # the statement that PostgreSQL refused, and its limit
        self.missed: NotNow | None = None  # a lock that was not there, also when the revision went on as if it were
        self._attempts: dict[tuple[str, int], int] = {}
        self._revision = ""
        self._fresh()

    @property
    def events(self) -> tuple[tuple[str, Callable[..., Any]], ...]:
        """What is listened to, by the names that SQLAlchemy has for it."""
        return (
            ("connect", self._connect), ("begin", self._begin), ("before_cursor_execute", self._before),
            ("after_cursor_execute", self._after), ("handle_error", self._error), ("commit", self._commit),
            ("rollback", self._rolled_back),
        )  # fmt: skip

    def listen(self) -> None:
        """Every engine of this process, whoever makes it."""
        for name, heard in self.events:
            event.listen(Engine, name, heard, **({"retval": True} if name == "before_cursor_execute" else {}))

    # The run says where it is

    def start(self, revision: str) -> None:
        """What comes now is of this revision. What came before is recorded."""
        self.finish()
        self._revision = revision
        self._fresh()

    def finish(self) -> None:
        if self._recorded:
            self.done += self._sent
            self._sent, self._recorded = [], False

    def _fresh(self) -> None:
        self._scope, self._count = Scope(transaction=True), 0
        self._journal: Journal | None = None
        self._sent, self._recorded = [], False
        self._turn = object()  # what was kept of any connection counts no more
        self.failed = self.missed = None

    # What is told of it

    def say(self, text: str) -> None:
        """To whoever follows."""
        self._say(f"{self._prefix}{text}")

    def note(self, blocker: Blocker) -> None:
        """For the record of who was in the way; the last that was seen of each counts."""
        if blocker.key not in self.blocked_by:
            self.say(f"{self._revision}: in the way: {blocker}")
        self.blocked_by[blocker.key] = {"revision": self._revision, **blocker.record()}

    def in_the_way(self, taken: tuple[Taken, ...], ours: int = 0) -> list[Blocker]:
        """Whoever holds what such locks would wait for, noted."""
        within = next(iter(self.options.schemas), "")
        found = holders(self._session.look, in_schema(taken, within), ours, LOCK_TIMEOUT_MS)
        for one in found:
            self.note(one)
        return found

    def write(self, sql: str, ms: float) -> None:
        """A statement of ours beside the revision's."""
        self._sent.append(Sent(self._revision, Classed(sql, "watched"), ms=ms, held_ms=ms))

    # Events

    def _connect(self, dbapi: Any, _record: object) -> None:  # noqa: ANN401 - of any driver
        if self._session.pooled:
            return
        with suppress(Exception):  # a driver of another database, which the product opens too
            ask_of(dbapi, f"SET application_name = '{APPLICATION}'")
            dbapi.commit()

    def _begin(self, connection: Connection) -> None:
        if (wire := self._wire(connection)) and not wire.autocommit:
            wire.unlimit()
            wire.limit()

    def _before(
        self, connection: Connection, _cursor: Any, sql: str, given: Any, _context: Any, _many: bool  # noqa: ANN401, FBT001
    ) -> tuple[str, Any]:  # fmt: skip
        wire = self._wire(connection)
        if wire is None or self._is_book(wire, sql):
            return sql, given
        one = classed(sql, self._scope)
        if one.ends:
            raise StopRun(
                "failed", f"revision {self._revision} sends {one.ends} itself, so that nobody knows what of it stays: "
                "write `with op.get_context().autocommit_block():` around what cannot run in a transaction",
            )  # fmt: skip
        if one.savepoint:  # sent as it is: a transaction that failed takes nothing else
            self._forget(wire.savepoint(*one.savepoint))
            return sql, given
        if one.kind == "read":
            self._read(one, wire)
            return sql, given
        sent = self._next(one, given)
        if self._journal_of(wire).is_done(sent.number, sent.mark, one.sql) or not self._prepare(sent, wire):
            self.say(f"is there already: {one.sql}")
            return _NOTHING, type(given)()
        wire.current, sent.begun = sent, time.monotonic()
        return sql, given

    def _read(self, one: Classed, wire: Wire) -> None:
        if not wire.autocommit:
            wire.limit(wire.limits_of(one))
        elif self.options.schemas:  # it must see its tenant's tables, and the next one must not
            wire.begin()
            wire.limit()
        if one.sql[:6].upper() != "SELECT" or "set_config" in one.sql:
            wire.unlimit()

    def _next(self, one: Classed, given: object) -> Sent:
        self._count += 1
        key = (self._revision, self._count)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        return Sent(self._revision, one, self._count, mark_of(one, given), self._attempts[key])

    def _prepare(self, sent: Sent, wire: Wire) -> bool:
        """Whether the statement is still to be sent; all it needs is then set."""
        one = sent.statement
        if one.alone:
            wire.alone.require_possible(one, self._session.pooled, autocommit=wire.autocommit)
            wire.identify()
            return wire.alone.prepare(sent, wire.ask, self._journal_of(wire), wire.lasting())
        if self.options.look and not wire.may_wait(one) and self.in_the_way(one.taken, wire.pid):
            self.missed = NotNow(one.taken)
            raise self.missed
        if wire.autocommit:  # one statement that is a transaction: made one, so that it is noted in it
            wire.begin()
        wire.limit(wire.limits_of(one))
        if one.kind == "watched":
            wire.watch()
        return True

    def _after(
        self, connection: Connection, _cursor: Any, _sql: str, _given: Any, _context: Any, _many: bool  # noqa: ANN401, FBT001
    ) -> None:  # fmt: skip
        wire = self._wire(connection)
        if wire is None:
            return
        sent, wire.current = wire.current, None
        if sent is None:
            wire.end("COMMIT")  # of a read
            return
        wire.unwatch()
        sent.ms = (time.monotonic() - sent.begun) * 1000
        if sent.statement.alone:
            sent.ms += wire.alone.complete(sent, wire.ask, self._journal_of(wire))
        elif wire.own:
            self._journal_of(wire).note(sent.number, sent.mark, wire.ask, done=True)
            wire.end("COMMIT")
        else:
            wire.open.append(sent)
        sent.held_ms = sent.ms
        self._sent.append(sent)

    def _error(self, context: ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:  # values may be anybody's, and what is printed is kept
            context.sqlalchemy_exception.hide_parameters = True
        wire = self._wire(context.connection) if context.connection is not None else None
        if wire is None:
            return
        sent, wire.current = wire.current, None
        wire.unwatch()
        if sent is not None:
            self.failed = (sent.statement, wire.limits_of(sent.statement)[1])
            if sqlstate(context.original_exception) in NO_LOCK:
                self.missed = NotNow(sent.statement.taken)
        with suppress(Exception):  # the connection may be gone; what we are here for is the first error
            if sent is not None and sent.statement.alone:
                wire.alone.clean(sent.statement, wire.ask)
            wire.end("ROLLBACK")
        wire.unlimit()

    def _commit(self, connection: Connection) -> None:
        wire = self._wire(connection)
        if wire is None:
            return
        if self.missed is not None:  # the revision caught the error and went on: it must not be recorded
            raise self.missed
        if wire.booked:
            self._journal_of(wire).close(wire.ask)
            self._recorded = True
        else:
            for sent in wire.open:
                self._journal_of(wire).note(sent.number, sent.mark, wire.ask, done=True)
        for sent in wire.ended():
            sent.held_ms = (time.monotonic() - sent.begun) * 1000

    def _rolled_back(self, connection: Connection) -> None:
        if wire := self._wire(connection):
            self._forget(wire.ended())

    def _forget(self, gone: list[Sent]) -> None:
        self._sent = [sent for sent in self._sent if not any(sent is one for one in gone)]

    # What it stands between

    def _wire(self, connection: Connection) -> Wire | None:
        return wire_of(connection, self._session, self.options, self, self._turn)

    def _journal_of(self, wire: Wire) -> Journal:
        if self._journal is None:
            self._journal = Journal.read(self._revision, wire.ask, next(iter(self.options.schemas), ""))
        return self._journal

    def _is_book(self, wire: Wire, sql: str) -> bool:
        """Whether it is Alembic's own record."""
        act = written(sql) if self.book in sql else None
        if act is None or act[1] != self.book:
            return False
        wire.booked = wire.booked or act[0] != "CreateStmt"
        return True
