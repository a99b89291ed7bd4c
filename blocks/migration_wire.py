"""One connection of the driver's while a revision runs: which limits hold in its transaction, what is open there, and
back to where a savepoint leads. Of what another connection commits it knows nothing.
"""

from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Connection

from stationmaster.blocks.migration_alone import Alone
from stationmaster.blocks.migration_blockers import Blocker
from stationmaster.blocks.migration_journal import literal
from stationmaster.blocks.migration_sent import Options, Sent
from stationmaster.blocks.migration_session import APPLICATION, DATABASE, LOOK, Session
from stationmaster.blocks.migration_watchdog import Watchdog
from stationmaster.domain.migration_class import LOCK_TIMEOUT_MS, Classed
from stationmaster.domain.migration_rule import ROWS
from stationmaster.domain.migration_taken import conflicting, dotted

_WIRE, _OURS = "stationmaster.wire", "stationmaster.ours"  # in SQLAlchemy's notes of a driver's connection


class Told(Protocol):
    """Who is told what happens on a connection."""

    def say(self, text: str) -> None: ...
    def note(self, blocker: Blocker) -> None: ...
    def write(self, sql: str, ms: float) -> None: ...


class Wire:
    """From the start of a revision to its end. `open` is what its transaction has done, `current` what is on its way;
    `booked` says that Alembic's record is in the transaction, `own` that the transaction is ours, around one statement.
    """

    def __init__(self, driver: Any, session: Session, options: Options, told: Told) -> None:  # noqa: ANN401
        self._driver, self._session, self._options, self._told = driver, session, options, told
        self.say, self.write = told.say, told.write
        self.alone = Alone(self)
        self.open: list[Sent] = []
        self.current: Sent | None = None
        self.booked = self.own = False
        self.pid = 0
        self._savepoints: list[tuple[str, int]] = []
        self._limits: tuple[int, int] | None = None
        self._dog: Watchdog | None = None

    @property
    def autocommit(self) -> bool:
        return bool(getattr(self._driver, "autocommit", False))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Sends past SQLAlchemy's events and past parameters."""
        return ask_of(self._driver, sql)

    # Limits

    def limits_of(self, one: Classed) -> tuple[int, int]:
        """Milliseconds for its lock and for itself, 0 for as long as it needs. While a lock is held for which others
        wait, nothing may last: no read, and no statement on what only this revision knows.
        """
        held = self._holds()
        if one.kind == "watched" and not held:
            return 0, 0
        limited = replace(one, kind="long", limited=True) if held else one
        return LOCK_TIMEOUT_MS, limited.limit_ms(self._options.rehearsed.get(one.digest), self._options.least_ms)

    def limit(self, limits: tuple[int, int] = (LOCK_TIMEOUT_MS, 0)) -> None:
        """For the transaction that is open, so that nothing of it stays in a session that others get."""
        if self._limits == limits:
            return
        names = ("lock_timeout", "statement_timeout")
        settings = {name: str(ms) for name, ms in zip(names, limits, strict=True)}
        settings |= {"application_name": APPLICATION, **self.lasting()}
        parts = ", ".join(f"set_config('{name}', {literal(value)}, true)" for name, value in settings.items())
        self.pid = self.ask(f"SELECT pg_backend_pid(), {parts}")[0][0]
        self._limits = limits

    def unlimit(self) -> None:
        """The revision may have set them itself: they are set anew before the next statement."""
        self._limits = None

    def lasting(self) -> dict[str, str]:
        """Settings that every statement has."""
        checked = {"client_connection_check_interval": "1000"} if self._session.checks else {}
        path = ", ".join(dotted([schema]) for schema in self._options.schemas)
        return {**checked, **({"search_path": path} if path else {})}

    def _holds(self) -> bool:
        """Whether this transaction has something that writers wait for."""
        return any(ROWS in conflicting(mode) for sent in self.open for _, mode in sent.statement.taken)

    def may_wait(self, one: Classed) -> bool:
        return one.kind == "watched" and not self._holds()

    # Transactions

    def begin(self) -> None:
        """A transaction of ours, around one statement that would have been one by itself."""
        self.ask("BEGIN")
        self.own, self._limits = True, None

    def end(self, how: str) -> None:
        """Its COMMIT or ROLLBACK."""
        if self.own:
            self.own, self._limits = False, None
            self.ask(how)

    def ended(self) -> list[Sent]:
        """The revision's transaction is over: what was open in it."""
        found, self.open = self.open, []
        self._savepoints, self._limits, self.booked = [], None, False
        return found

    def savepoint(self, act: str, name: str) -> list[Sent]:
        """What a savepoint that is gone back to takes with it."""
        if act == "set":
            self._savepoints.append((name, len(self.open)))
            return []
        at = max((n for n, (known, _) in enumerate(self._savepoints) if known == name), default=None)
        if at is None:  # the server refuses it
            return []
        kept = self._savepoints[at][1]
        del self._savepoints[at + (act == "back") :]  # one that is gone back to is still there
        if act == "release":
            return []
        gone, self.open = self.open[kept:], self.open[:kept]
        self._limits = None  # the limits that were set since are gone too
        return gone

    # Watching

    def note(self, blocker: Blocker) -> None:
        self._told.note(blocker)

    def identify(self) -> None:
        """Which of the server's processes it is, outside of transactions."""
        self.pid = self.ask("SELECT pg_backend_pid()")[0][0]

    def watch(self) -> None:
        self._dog = Watchdog(self.pid, lambda: self._session.connect(LOOK), self.say, self.note)
        self._dog.__enter__()

    def unwatch(self) -> None:
        if self._dog is not None:
            self._dog.__exit__(None, None, None)
            self._dog = None


def wire_of(connection: Connection, session: Session, options: Options, told: Told, turn: object) -> Wire | None:
    """Of the driver's connection behind SQLAlchemy's, kept with it for one `turn`; None where that is to another
    database than the run's.
    """
    if connection.dialect.name != "postgresql" or connection.invalidated:
        return None
    kept, driver = connection.info, connection.connection.dbapi_connection
    if _OURS not in kept:
        kept[_OURS] = session.is_at(ask_of(driver, DATABASE)[0])
    if not kept[_OURS]:
        return None
    known, wire = kept.get(_WIRE, (None, None))
    if known is not turn:
        wire = Wire(driver, session, options, told)
        kept[_WIRE] = (turn, wire)
    return wire  # type: ignore[no-any-return]  # what SQLAlchemy keeps is of no type


def ask_of(driver: Any, sql: str) -> list[tuple[Any, ...]]:  # noqa: ANN401 - a connection of any driver
    cursor = driver.cursor()
    try:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        cursor.close()
