"""Hears each statement of one revision, and says on which of its lines that was. It runs in the guest process.

Alembic renders `op.*` as for `alembic upgrade --sql`, yet the revision is told that it runs on a database, since that
is the branch production takes; what it does with `op.get_bind()` goes to `migration_offline.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from alembic.operations import Operations
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from stationmaster.blocks import migration_offline
from stationmaster.blocks.migration_literals import rendered

_REPLAY = "stationmaster_replay"
_RECORDERS = __file__.removesuffix("operations.py")  # these modules, when it is our own history that is recorded


class OwnConnectionError(Exception):
    """The revision connects to a database by itself. It may be a real one: nothing is done there."""


@dataclass(frozen=True)
class Place:
    """A line of the revision, and of the helper module that it called, if it did."""

    line: int
    helper: str | None = None
    helper_line: int | None = None


class Recorder:
    """What one run of one revision's `upgrade()` does."""

    def __init__(self, file: Path, own: Path) -> None:
        self.file, self.own = str(file), f"{own}/"
        self.operations: list[dict[str, Any]] = []
        self.questions: list[dict[str, Any]] = []
        self.blocks: list[int] = []
        self.sessions: list[int] = []
        self.autocommit = False
        self.replayed: Place | None = None

    def executed(self, sql: str, *, autocommit: bool, reads: bool) -> None:
        """From a connection."""
        self._add(sql, "read" if reads else "bind", self.autocommit or autocommit)

    def rendered(self, sql: str) -> None:
        """From Alembic."""
        self._add(sql, "operation", self.autocommit)

    def asked(self, what: str) -> None:
        """A question about the schema."""
        self.questions.append({**asdict(self.place()), "what": what})

    def _add(self, sql: str, kind: str, autocommit: bool) -> None:  # noqa: FBT001
        self.operations.append({**asdict(self.place()), "sql": sql, "kind": kind, "autocommit": autocommit})

    def place(self) -> Place:
        """Of the innermost frame that is the revision's; a helper counts when the revision called it."""
        if self.replayed is not None:
            return self.replayed
        helper: tuple[str, int] | None = None
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no other way to a caller
        while frame is not None and frame.f_code.co_filename != self.file:
            if helper is None and self._is_own(frame.f_code.co_filename):
                helper = (frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        line = frame.f_lineno if frame is not None else 1
        return Place(line, helper[0].removeprefix(self.own), helper[1]) if helper else Place(line)

    def _is_own(self, file: str) -> bool:
        inside = file.startswith(self.own) and "site-packages" not in file[len(self.own) :]
        return inside and not file.startswith(_RECORDERS)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Around what may use the ORM, or connect by itself. Our own server is not reached through a dialect."""

        def began(_session: object, _transaction: object, _connection: object) -> None:
            self.sessions.append(self.place().line)

        event.listen(Session, "after_begin", began)
        event.listen(Engine, "do_connect", _refuse)
        try:
            yield
        finally:
            event.remove(Engine, "do_connect", _refuse)
            event.remove(Session, "after_begin", began)


def _refuse(dialect: Any, _record: object, _positional: object, _named: object) -> None:  # noqa: ANN401 - SQLAlchemy's
    raise OwnConnectionError(f"connects to a {dialect.name} database by itself; only op.get_bind() is recorded")


@contextmanager
def operating(recorder: Recorder, environment: EnvironmentContext, names: tuple[str, ...]) -> Iterator[None]:
    """While it lasts `alembic.op` and `alembic.context` work, and tell `recorder`."""
    engine = migration_offline.engine(recorder, names)
    with engine.connect() as connection, recorder.listening():
        connection.begin()  # as Alembic has; a session that commits is inside of it
        context = MigrationContext(
            connection.dialect, None, {"as_sql": True, "target_metadata": None}, environment_context=environment
        )
        context.connection = context.impl.connection = connection
        context.autocommit_block = lambda: _block(recorder)  # type: ignore[method-assign]
        environment._migration_context = context  # noqa: SLF001 - what env.py's configure() sets
        _tell(context.impl, recorder)
        with Operations.context(context), _lines_of_batches(recorder):
            yield


@contextmanager
def _block(recorder: Recorder) -> Iterator[None]:
    recorder.blocks.append(recorder.place().line)
    recorder.autocommit, before = True, recorder.autocommit
    try:
        yield
    finally:
        recorder.autocommit = before


def _tell(impl: Any, recorder: Recorder) -> None:  # noqa: ANN401 - Alembic's DefaultImpl
    def execute(construct: Any, *_options: Any, **_more: Any) -> None:  # noqa: ANN401
        recorder.rendered(rendered(construct, impl.dialect))

    def bulk_insert(table: Any, rows: list[dict[str, Any]], **_options: Any) -> None:  # noqa: ANN401
        for row in rows:
            execute(table.insert().inline().values(**row))

    def replay(place: Place, name: str, positional: tuple[Any, ...], /, **named: Any) -> None:  # noqa: ANN401
        recorder.replayed = place
        try:
            getattr(impl, name)(*positional, **named)
        finally:
            recorder.replayed = None

    impl._exec, impl.bulk_insert = execute, bulk_insert  # noqa: SLF001 - each operation ends there
    setattr(impl, _REPLAY, replay)


@contextmanager
def _lines_of_batches(recorder: Recorder) -> Iterator[None]:
    """What a batch gathers is rendered when it ends, on the line of its `with`: here each entry keeps its own place."""
    (owner,) = [kind for kind in Operations.__mro__ if "invoke" in vars(kind)][:1]
    invoke = vars(owner)["invoke"]

    def invoked(operations: Any, operation: Any) -> Any:  # noqa: ANN401
        impl = operations.impl
        gathered = impl.batch if isinstance(impl, BatchOperationsImpl) and not impl._should_recreate() else []  # noqa: SLF001
        before = len(gathered)
        result = invoke(operations, operation)
        place = recorder.place() if len(gathered) > before else None
        gathered[before:] = [(_REPLAY, (place, name, given), named) for name, given, named in gathered[before:]]
        return result

    owner.invoke = invoked  # type: ignore[attr-defined]
    try:
        yield
    finally:
        owner.invoke = invoke  # type: ignore[attr-defined]
