"""Statements that cannot run in a transaction: on a session of their own, and so that a second time does no harm.

PostgreSQL cannot undo them. So each is noted before and after, an index that is not valid is dropped and built again,
and what a killed run had completed is left alone.
"""

import time
from typing import Protocol

from stationmaster.blocks.migration_indexes import Found, drop, find, left_by_reindex
from stationmaster.blocks.migration_journal import Ask, Journal, literal
from stationmaster.blocks.migration_sent import Sent
from stationmaster.blocks.migration_stop import StopRun
from stationmaster.domain.migration_class import Classed

_TRIES = 3
_POLL = 0.5  # seconds
_FREE = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
_PARTITION = "SELECT inhdetachpending FROM pg_inherits WHERE inhparent = to_regclass({}) AND inhrelid = to_regclass({})"


class Around(Protocol):
    """What is done around a statement: it is told, watched, and one of ours is written down."""

    def say(self, text: str) -> None: ...
    def watch(self) -> None: ...
    def unwatch(self) -> None: ...
    def write(self, sql: str, ms: float) -> None: ...


class Alone:
    """Of the statements of one connection."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._names: tuple[str, ...] = ()

    def require_possible(self, one: Classed, pooled: str | None, *, autocommit: bool) -> None:
        """Refuses what PostgreSQL would refuse, or what would end up in a session of somebody else."""
        if not autocommit:
            raise StopRun(
                "failed", f"{one.alone} cannot run inside a transaction: write `with "
                f"op.get_context().autocommit_block():` around it (`{one.sql}`)",
            )  # fmt: skip
        if pooled:
            raise StopRun(
                "pooled", f"{one.alone} needs a session of its own, and {pooled}: give the address of PostgreSQL "
                f"itself (`{one.sql}`)",
            )  # fmt: skip

    def prepare(self, sent: Sent, ask: Ask, journal: Journal, lasting: dict[str, str]) -> bool:
        """Whether it is still to be sent. The session then waits for as long as it needs."""
        one = sent.statement
        settings = {**dict.fromkeys(_FREE, "0"), **lasting}
        self._names = tuple(settings)
        parts = ", ".join(f"set_config('{name}', {literal(value)}, false)" for name, value in settings.items())
        ask(f"SELECT {parts}")
        if self._is_there(one, ask, begun=journal.was_begun(sent.number)):
            journal.note(sent.number, sent.mark, ask, done=True)
            self._reset(ask)
            return False
        self._repair(one, ask)
        journal.note(sent.number, sent.mark, ask, done=False)
        self._around.watch()
        return True

    def complete(self, sent: Sent, ask: Ask, journal: Journal) -> float:
        """After PostgreSQL said that it is done. Milliseconds that it took to make that true."""
        one = sent.statement
        spent = self._rebuild(one, ask) if one.index and one.index.act == "build" and one.index.name else 0.0
        journal.note(sent.number, sent.mark, ask, done=True)
        self._reset(ask)
        return spent

    def clean(self, one: Classed, ask: Ask) -> None:
        """After an error: an index that is not valid costs every write."""
        self._repair(one, ask)
        self._reset(ask)

    def _is_there(self, one: Classed, ask: Ask, *, begun: bool) -> bool:
        """Whether a run that was killed had completed it, or came so far that nothing but the end is left."""
        if one.alone == "DETACH PARTITION CONCURRENTLY":
            return self._is_detached(one, ask, begun=begun)
        if not begun:
            return False
        if one.index and one.index.act == "build":
            return bool(one.index.name) and any(valid for _, _, valid, _ in find(one.index, ask))
        return bool(one.index and one.index.act == "drop" and not find(one.index, ask))

    def _is_detached(self, one: Classed, ask: Ask, *, begun: bool) -> bool:
        """PostgreSQL refuses a second DETACH of what is half detached, whoever began it."""
        (parent, _), (part, _) = one.taken
        rows = ask(_PARTITION.format(literal(parent), literal(part)))
        if rows == [(True,)]:
            self._run(f"ALTER TABLE {parent} DETACH PARTITION {part} FINALIZE", ask)
            return True
        return begun and not rows

    def _repair(self, one: Classed, ask: Ask) -> None:
        """Drops what an earlier try left invalid, whoever's it was; not while somebody still builds it."""
        for found in self._left(one, ask):
            self._around.say(f"index {found[1]} is not valid: an earlier build did not end; it is dropped")
            self._run(drop(found), ask)

    def _left(self, one: Classed, ask: Ask) -> list[Found]:
        index = one.index
        if index is None or index.act == "drop" or (index.act == "build" and not index.name):
            return []
        told = False
        while True:
            every = find(index, ask) if index.act == "build" else left_by_reindex(index, ask)
            if not any(busy for _, _, _, busy in every):
                return [found for found in every if not found[2]]
            if not told:
                self._around.say(f"waits: somebody else builds index {every[0][1]} at this moment")
                told = True
            time.sleep(_POLL)

    def _rebuild(self, one: Classed, ask: Ask) -> float:
        began = time.monotonic()
        assert one.index is not None  # noqa: S101 - the caller asked
        for _ in range(_TRIES):
            found = find(one.index, ask)
            if not found:
                raise StopRun(
                    "failed", f"`{one.sql}` left no index {one.index.name} on {one.index.table}: something else has "
                    "its name",
                )  # fmt: skip
            if found[0][2]:
                return (time.monotonic() - began) * 1000
            self._repair(one, ask)
            self._run(one.sql, ask)
        raise StopRun("failed", f"`{one.sql}` left an invalid index {_TRIES} times")

    def _run(self, sql: str, ask: Ask) -> None:
        began = time.monotonic()
        self._around.watch()
        try:
            ask(sql)
        finally:
            self._around.unwatch()
        self._around.write(sql, (time.monotonic() - began) * 1000)

    def _reset(self, ask: Ask) -> None:
        for name in self._names:
            ask(f"RESET {name}")
        self._names = ()
