"""Stands between a revision and PostgreSQL: each statement gets its timeouts, is watched, and written down.

It listens to SQLAlchemy's events, so that it sees what `op`, a helper, `op.get_bind()` and the product's env.py send
alike. How a statement may run is `domain/migration_class.py`'s; what runs when, and again, is `migration_runner.py`'s.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, event

from stationmaster.blocks.migration_alone import Alone
from stationmaster.blocks.migration_blockers import Blocker, holders
from stationmaster.blocks.migration_journal import Ask, Journal, literal
from stationmaster.blocks.migration_session import APPLICATION, Session
from stationmaster.blocks.migration_stop import NotNow, StopRun
from stationmaster.blocks.migration_watchdog import Watchdog
from stationmaster.domain.migration_class import LEAST_LIMIT_MS, LOCK_TIMEOUT_MS, Classed, classed
from stationmaster.domain.migration_rule import ROWS, Scope
from stationmaster.domain.migration_taken import Taken, conflicting

NO_LOCK = ("55P03", "40P01")  # lock not available in time, deadlock: rolled back, and worth another try
_NOTHING = "DO $$BEGIN END$$"  # in place of a statement that is there already
_WRITES = r"\s*(CREATE TABLE|INSERT INTO|UPDATE|DELETE FROM)\s+(\"?[^\s\"]+\"?\.)?\"?{}\"?[\s(]"


@dataclass(frozen=True)
class Options:
    """How statements run. `rehearsed` maps digests to milliseconds; `schemas` is the search path, a tenant's first."""

    lock_ms: int = LOCK_TIMEOUT_MS
    least_ms: int = LEAST_LIMIT_MS
    look: bool = True
    rehearsed: Mapping[str, float] = field(default_factory=dict)
    schemas: tuple[str, ...] = ()


@dataclass
class Sent:
    """One statement of a revision, as it is written down."""

    revision: str
    statement: Classed
    attempts: int
    ms: float = 0.0
    held_ms: float = 0.0
    begun: float = 0.0

    def record(self) -> dict[str, Any]:
        return {
            "revision": self.revision, "sql": self.statement.sql, "ms": round(self.ms, 1), "lock": self.statement.lock,
            "attempts": self.attempts, "kind": self.statement.kind, "held_ms": round(self.held_ms, 1),
        }  # fmt: skip


def asker(connection: Connection) -> Ask:
    """Sends on the connection of the revision itself, past these events and past parameters."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            cursor.close()

    return ask


class Statements:
    """Of one process. `done` has the statements of what was recorded, in order; `blocked_by` who was in the way."""

    def __init__(self, session: Session, options: Options, say: Callable[[str], None]) -> None:
        self._say = say
        self.book = "alembic_version"
        self._pid = 0
        self._alone = Alone(self)
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

    def say(self, text: str) -> None:
        """To whoever follows."""
        self._say(f"{self._prefix}{text}")

    def listen(self) -> None:
        """Every engine of this process, whoever makes it."""
        event.listen(Engine, "connect", self._connect)
        event.listen(Engine, "begin", self._begin)
        event.listen(Engine, "before_cursor_execute", self._before, retval=True)
        event.listen(Engine, "after_cursor_execute", self._after)
        event.listen(Engine, "handle_error", self._error)
        event.listen(Engine, "commit", self._commit)
        event.listen(Engine, "rollback", lambda _: self._rolled_back())

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
        self._sent = []
        self._open: list[tuple[int, Sent]] = []  # of the transaction that is open
        self._current: tuple[int, Sent] | None = None
        self._dog: Watchdog | None = None
        self._wrapped = self._reading = self._booked = self._recorded = False
        self._set: tuple[int, int] | None = None
        self.failed = self.missed = None

    # Events

    def _connect(self, dbapi: Any, _record: object) -> None:  # noqa: ANN401 - of any driver
        if self._session.pooled:
            return
        with suppress(Exception):  # a driver of another database, which the product opens too
            cursor = dbapi.cursor()
            cursor.execute(f"SET application_name = '{APPLICATION}'")
            cursor.close()
            dbapi.commit()

    def _begin(self, connection: Connection) -> None:
        if _is_postgres(connection) and not _is_autocommit(connection):
            self._limit(asker(connection), self.options.lock_ms, 0)

    def _limit(self, ask: Ask, lock_ms: int, statement_ms: int) -> None:
        """For the transaction that is open, so that nothing of it stays in a session that others get."""
        settings = {
            "lock_timeout": str(lock_ms), "statement_timeout": str(statement_ms), "application_name": APPLICATION,
            **self._lasting(),
        }  # fmt: skip
        parts = ", ".join(f"set_config('{name}', {literal(value)}, true)" for name, value in settings.items())
        self._pid = ask(f"SELECT pg_backend_pid(), {parts}")[0][0]
        self._set = (lock_ms, statement_ms)

    def _lasting(self) -> dict[str, str]:
        checked = {"client_connection_check_interval": "1000"} if self._session.checks else {}
        path = ", ".join('"' + schema.replace('"', '""') + '"' for schema in self.options.schemas)
        return {**checked, **({"search_path": path} if path else {})}

    def _before(
        self, connection: Connection, _cursor: Any, sql: str, given: Any, _context: Any, _many: bool  # noqa: ANN401, FBT001
    ) -> tuple[str, Any]:  # fmt: skip
        if not _is_postgres(connection) or self._is_book(sql):
            return sql, given
        one, ask = classed(sql, self._scope), asker(connection)
        if one.ends:
            raise StopRun(
                "failed", f"revision {self._revision} sends {one.ends} itself, so that nobody knows what of it stays: "
                "write `with op.get_context().autocommit_block():` around what cannot run in a transaction",
            )  # fmt: skip
        if one.kind == "read":
            self._read(one, connection, ask)
            return sql, given
        number, sent = self._next(one)
        if self._journal_of(ask).is_done(number, one) or not self._prepare(number, one, connection, ask):
            self._current = None
            self.say(f"is there already: {one.sql}")
            return _NOTHING, type(given)()
        sent.begun = time.monotonic()
        return sql, given

    def _read(self, one: Classed, connection: Connection, ask: Ask) -> None:
        if not _is_autocommit(connection):
            if self._set != (self.options.lock_ms, 0):
                self._limit(ask, self.options.lock_ms, 0)
        elif self.options.schemas:  # it must see its tenant's tables, and the next one must not
            ask("BEGIN")
            self._limit(ask, self.options.lock_ms, 0)
            self._reading = True
        if one.sql[:6].upper() != "SELECT" or "set_config" in one.sql:
            self._set = None  # the revision's own SET holds for its reads, and for nothing else

    def _next(self, one: Classed) -> tuple[int, Sent]:
        self._count += 1
        key = (self._revision, self._count)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        self._current = (self._count, Sent(self._revision, one, self._attempts[key]))
        return self._current

    def _journal_of(self, ask: Ask) -> Journal:
        if self._journal is None:
            self._journal = Journal.read(self._revision, ask, next(iter(self.options.schemas), ""))
        return self._journal

    def _prepare(self, number: int, one: Classed, connection: Connection, ask: Ask) -> bool:
        """Whether the statement is still to be sent; all it needs is then set."""
        autocommit = _is_autocommit(connection)
        if one.alone:
            self._alone.require_possible(one, self._session.pooled, autocommit=autocommit)
            self._pid = ask("SELECT pg_backend_pid()")[0][0]
            return self._alone.prepare(number, one, ask, self._journal_of(ask), self._lasting())
        self._look(one.taken, one.kind == "watched" and not self._holds())
        if autocommit:  # one statement that is a transaction: made one, so that it is noted in it
            ask("BEGIN")
            self._wrapped, self._set = True, None
        lock_ms, limit = self._timeouts(one)
        if self._set != (lock_ms, limit):
            self._limit(ask, lock_ms, limit)
        if one.kind == "watched":
            self.watch()
        return True

    def _timeouts(self, one: Classed) -> tuple[int, int]:
        if one.kind == "watched" and not self._holds():
            return 0, 0
        rehearsed = self.options.rehearsed.get(one.digest)
        limited = one if one.kind != "watched" else Classed(one.sql, "long")  # others wait for what is held meanwhile
        return self.options.lock_ms, limited.limit_ms(rehearsed, self.options.least_ms)

    def _holds(self) -> bool:
        """Whether this transaction has something that writers wait for."""
        return any(ROWS in conflicting(mode) for _, sent in self._open for _, mode in sent.statement.taken)

    def _look(self, taken: tuple[Taken, ...], may_wait: bool) -> None:  # noqa: FBT001
        if not self.options.look or may_wait:
            return
        found = holders(self._session.look, self.resolved(taken), self._pid, self.options.lock_ms)
        for one in found:
            self.note(one)
        if found:
            self.missed = NotNow(taken)
            raise self.missed

    def resolved(self, taken: tuple[Taken, ...]) -> tuple[Taken, ...]:
        """As a session with another search path finds them. Names with a schema stay as they are."""
        if not self.options.schemas:
            return taken
        own = '"' + self.options.schemas[0].replace('"', '""') + '"'
        return tuple((name if name.count('"') > 2 else f"{own}.{name}", mode) for name, mode in taken)  # noqa: PLR2004

    def note(self, blocker: Blocker) -> None:
        """For the record of who was in the way; the last that was seen of each counts."""
        if blocker.key not in self.blocked_by:
            self.say(f"{self._revision}: in the way: {blocker}")
        self.blocked_by[blocker.key] = {"revision": self._revision, **blocker.record()}

    def watch(self) -> None:
        self._dog = Watchdog(self._pid, lambda: self._session.connect("stationmaster-look"), self.say, self.note)
        self._dog.__enter__()

    def unwatch(self) -> None:
        if self._dog is not None:
            self._dog.__exit__(None, None, None)
            self._dog = None

    def _after(
        self, connection: Connection, _cursor: Any, _sql: str, _given: Any, _context: Any, _many: bool  # noqa: ANN401, FBT001
    ) -> None:  # fmt: skip
        if self._reading:
            asker(connection)("COMMIT")
            self._reading, self._set = False, None
        if self._current is None or not _is_postgres(connection):
            return
        (number, sent), ask = self._current, asker(connection)
        self._current = None
        self.unwatch()
        sent.ms = (time.monotonic() - sent.begun) * 1000
        if sent.statement.alone:
            sent.ms += self._alone.complete(number, sent.statement, ask, self._journal_of(ask))
        elif self._wrapped:
            self._journal_of(ask).note(number, sent.statement, ask, done=True)
            ask("COMMIT")
            self._wrapped, self._set = False, None
        else:
            self._open.append((number, sent))
        sent.held_ms = sent.ms
        self._sent.append(sent)

    def write(self, sql: str, ms: float) -> None:
        """A statement of ours beside the revision's."""
        self._sent.append(Sent(self._revision, Classed(sql, "watched"), 1, ms, ms))

    def _error(self, context: ExceptionContext) -> None:
        connection = context.connection
        if connection is not None and self._reading:
            with suppress(Exception):  # as below
                asker(connection)("ROLLBACK")
            self._reading, self._set = False, None
        if connection is None or self._current is None or not _is_postgres(connection):
            return
        one, self._current = self._current[1].statement, None
        self.unwatch()
        self.failed = (one, self._timeouts(one)[1])
        if sqlstate(context.original_exception) in NO_LOCK:
            self.missed = NotNow(one.taken)
        with suppress(Exception):  # the connection may be gone; what we are here for is the first error
            if one.alone:
                self._alone.clean(one, asker(connection))
            elif self._wrapped:
                asker(connection)("ROLLBACK")
        self._wrapped, self._set = False, None

    def _commit(self, connection: Connection) -> None:
        if not _is_postgres(connection):
            return
        if self.missed is not None:  # the revision caught the error and went on: it must not be recorded
            raise self.missed
        ask = asker(connection)
        if self._booked:
            self._journal_of(ask).close(ask)
            self._recorded, self._booked = True, False
        else:
            for number, sent in self._open:
                self._journal_of(ask).note(number, sent.statement, ask, done=True)
        for _, sent in self._open:
            sent.held_ms = (time.monotonic() - sent.begun) * 1000
        self._open, self._set = [], None

    def _rolled_back(self) -> None:
        gone = [sent for _, sent in self._open]
        self._sent = [sent for sent in self._sent if sent not in gone]
        self._open, self._set, self._booked = [], None, False

    def _is_book(self, sql: str) -> bool:
        """Whether it is Alembic's own record."""
        found = re.match(_WRITES.format(re.escape(self.book)), sql, re.IGNORECASE)
        if found and not found[1].upper().startswith("CREATE"):
            self._booked = True
        return found is not None


def sqlstate(error: BaseException | None) -> str | None:
    """PostgreSQL's code, as either driver has it."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _is_autocommit(connection: Connection) -> bool:
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))
