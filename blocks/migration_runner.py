"""Brings one database, or one schema of it, to a target: revision by revision, each rolled back and tried again as a
whole where a lock is not free, within a bound on the whole. It runs in the guest process, beside the product's code.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from stationmaster.blocks.migration_heads import require_ahead, require_known
from stationmaster.blocks.migration_statements import Statements
from stationmaster.blocks.migration_stop import NO_LOCK, NotNow, StopRun, sqlstate
from stationmaster.domain.migration_class import LOCK_TIMEOUT_MS

_FIRST, _GROWTH, _LONGEST = 0.1, 1.3, 2.0  # seconds between tries
_POLL = 0.1


@dataclass(frozen=True)
class Way:
    """Where to, and how. `engine` is None where the product's env.py opens the connection."""

    config: Any
    scripts: ScriptDirectory
    target: str
    engine: Engine | None
    down: bool = False
    strict: bool = False  # a target that lies behind is refused
    schema: str | None = None  # where alembic_version is
    patience: float = 60


class Runner:
    """One run. `before` and `after` are the heads; `where` is what runs now, for people."""

    def __init__(self, way: Way, statements: Statements | None, say: Callable[[str], None]) -> None:
        self._way, self._statements, self._say = way, statements, say
        self.before: tuple[str, ...] | None = None
        self.after: tuple[str, ...] = ()
        self.where = "env.py" if way.engine is None else "the database"
        self._tries, self._end, self._at = 0, 0.0, ""

    def run(self) -> None:
        """Raises:
        StopRun: `busy`, `unknown`, `behind` and others; what was not recorded is rolled back.
        """
        self._restart("")
        while True:
            try:
                self._attempt()
            except Exception as error:
                missed = self._missed(error)
                if missed is None:
                    raise
                self._wait(missed)
            else:
                if self._statements:
                    self._statements.finish()
                return

    def _attempt(self) -> None:
        way = self._way
        with EnvironmentContext(way.config, way.scripts, fn=self._steps, destination_rev=way.target) as context:
            if way.engine is None:
                self._impose(context)
                way.scripts.run_env()
                return
            with way.engine.connect() as connection:
                context.configure(
                    connection=connection, transaction_per_migration=True, version_table_schema=way.schema
                )
                with context.begin_transaction():
                    context.run_migrations()

    def _impose(self, context: EnvironmentContext) -> None:
        """What a revision is tried again by is its transaction, whatever env.py says."""
        configure = context.configure

        def imposed(*positional: Any, **options: Any) -> None:  # noqa: ANN401 - what env.py gives
            options["transaction_per_migration"] = True
            if self._way.schema:
                options["version_table_schema"] = self._way.schema
            if self._statements:
                self._statements.book = options.get("version_table") or "alembic_version"
            configure(*positional, **options)

        context.configure = imposed  # type: ignore[method-assign]  # a subclass would lose Alembic's proxy

    def _steps(self, heads: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401 - Alembic's own
        heads = tuple(sorted(heads))
        self.before = heads if self.before is None else self.before
        self.after = heads
        for step in self._planned(heads):
            name = step.revision.revision
            self.where = f"revision {name}"
            if self._at != name:
                self._restart(name)
                self._say(f"running {self.where}{' down' if self._way.down else ''}: {step.doc}")
            if self._statements:
                self._statements.start(name)
            yield step
            self._at = ""
            self.after = tuple(sorted(context.get_current_heads()))  # it is recorded: Alembic asks for the next one

    def _planned(self, heads: tuple[str, ...]) -> list[Any]:
        way = self._way
        require_known(way.scripts, heads)
        if way.down:
            return list(way.scripts._downgrade_revs(way.target, heads))  # type: ignore[arg-type]  # noqa: SLF001 - as `alembic downgrade`
        if way.strict:
            require_ahead(way.scripts, way.target, heads)
        return list(way.scripts._upgrade_revs(way.target, heads))  # type: ignore[arg-type]  # noqa: SLF001 - as `alembic upgrade`

    def _missed(self, error: Exception) -> NotNow | None:
        """The lock that was not there; None for every other error."""
        if self._statements and self._statements.missed:
            return self._statements.missed
        return NotNow(()) if sqlstate(error) in NO_LOCK else error if isinstance(error, NotNow) else None

    def _restart(self, revision: str) -> None:
        self._at, self._tries, self._end = revision, 0, time.monotonic() + self._way.patience

    def _wait(self, missed: NotNow) -> None:
        """Nothing is held meanwhile: the revision was rolled back."""
        self._tries += 1
        pause = min(_LONGEST, _FIRST * _GROWTH**self._tries) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        until = time.monotonic() + pause
        found = self._in_the_way(missed)
        if until > self._end:
            self._give_up(found)
        if self._tries == 1:
            self._say(
                f"{self.where} is rolled back and tried again: its lock was not free, or not within the lock timeout"
            )
        if not found:
            time.sleep(pause)
        while found and time.monotonic() < until:
            time.sleep(_POLL)
            found = self._in_the_way(missed)

    def _in_the_way(self, missed: NotNow) -> list[Any]:
        return list(self._statements.in_the_way(missed.taken)) if self._statements else []

    def _give_up(self, found: list[Any]) -> None:
        who = "; ".join(str(one) for one in found) or "nobody holds it for long, and it was never free"
        raise StopRun(
            "busy",
            f"gave no lock within {LOCK_TIMEOUT_MS} ms in {self._tries} tries for {self.where}, which is rolled back: "
            f"{who}",
        )
