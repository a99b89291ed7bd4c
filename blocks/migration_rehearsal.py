"""Rehearses a schema change on a copy that is made for it: up, down and up again, timed, and compared at each end.

The copy is a database of our own on a server where databases may be made. One that a killed rehearsal left is replaced.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from stationmaster.blocks.guest import GuestFailedError, run
from stationmaster.blocks.migration_dump import Given, described, restore
from stationmaster.blocks.migration_rows import Asked, counts, fill
from stationmaster.blocks.migration_running import (
    Guest,
    MigrationFailedError,
    MigrationTargetError,
    Ran,
    error_of,
    migrate,
)
from stationmaster.blocks.migration_schema import content, schema
from stationmaster.blocks.migration_tenants import address
from stationmaster.blocks.migration_versions import heads_of
from stationmaster.blocks.migration_ways_back import TARGET
from stationmaster.blocks.postgres import Connection, connected, temporary
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.migration_rehearsal import (
    Content,
    Dump,
    Estimate,
    Finding,
    Smoke,
    Trial,
    findings_of_again,
    findings_of_heads,
    findings_of_rows,
    findings_of_schema,
    findings_of_versions,
    statement,
)
from stationmaster.domain.migration_ways_back import Step, WayBack, way_back

_UNLIMITED = 24 * 3600 * 1000  # ms: a rehearsal measures how long a statement takes, however long that is
_NAME = "the copy"  # how messages call the database

Told = Callable[[str], None]
Try = Callable[[str], Iterable[Trial]]  # the URL of a copy on the new schema to what was tried there


class RehearsalBusyError(OutsideError):
    """Another rehearsal uses the copy."""

    code = "rehearsal_busy"


class NothingToRehearseError(InputError):
    """The copy is at the target before anything ran."""

    code = "nothing_to_rehearse"


@dataclass(frozen=True)
class Planned:
    """What is rehearsed: a folder of revisions and a target; `before` are the heads from which, None for where the dump
    is, or for one revision before the target; `rows` or a `dump`; commands that must pass on the new schema (`smoke`).
    With `env` the product's env.py is imported.
    """

    scripts: Path
    target: str
    cwd: Path
    home: Path
    before: tuple[str, ...] | None = None
    rows: Asked | None = None
    dump: Given | None = None
    smoke: tuple[tuple[str, ...], ...] = ()
    env: bool = False
    timeout: float = 3600
    schema: str | None = None  # the one in the dump that is rehearsed on, if it is not the address's own

    def guest(self, target: str, *options: str) -> Guest:
        env = ("--env",) if self.env else ()
        limits = ("--least-ms", str(_UNLIMITED))
        return Guest(self.scripts, target, self.cwd, self.home, self.timeout, (*limits, *env, *options))


@dataclass(frozen=True)
class State:
    """A copy as it is at one moment: its heads, its schema as lines, and what its rows come to."""

    heads: tuple[str, ...]
    schema: frozenset[str]
    content: Content


def rehearse(
    server: str, name: str, planned: Planned, at: datetime, told: Told = lambda _: None, *, versions: Try = lambda _: ()
) -> Estimate:
    """Make the copy, fill it, and try the change on it, then `versions`. What does not hold is in the estimate's
    `findings`.

    Raises:
        MigrationFailedError: the upgrade itself fails; production would fail too.
        RowsNotMadeError, RowsUnknownError, DumpNotReadableError and the like: no copy can be made.
        RehearsalBusyError: another rehearsal is at it.
    """
    with _alone(server, name), temporary(server, name) as url:
        copy = Copy(address(url, planned.schema) if planned.schema else url, planned, told, versions)
        dump = copy.begun(at)
        steps = copy.steps()
        rows = copy.filled()
        return copy.tried(Estimate(before=copy.heads(), after=(), at=instant(at), rows=rows, dump=dump), steps)


@dataclass(frozen=True)
class Copy:
    """A copy and what is rehearsed on it."""

    url: str
    planned: Planned
    told: Told
    versions: Try = lambda _: ()

    def begun(self, at: datetime) -> Dump | None:
        """The copy is at the revision from which the change starts."""
        planned, dump = self.planned, None
        planned.home.mkdir(parents=True, exist_ok=True)
        if planned.dump:
            dump = described(planned.dump, at)
            self.told(f"restoring {dump.file}, taken at {dump.taken}, {dump.anonymised}")
            restore(self.url, planned.dump, planned.home)
        wanted = self._wanted()
        for head in wanted:
            if self.heads() != wanted:
                self.told(f"bringing the copy to {head}")
                self._run(planned.guest(head))
        return dump

    def filled(self) -> dict[str, int]:
        """The copy has the rows; how many, by table."""
        with self._connected() as connection:
            if asked := self.planned.rows:
                self.told("making rows: " + ", ".join(f"{number:,} of {name}" for name, number in asked.rows.items()))
                fill(connection, asked, self._progress)
            connection.execute("ANALYZE")
            return {name: number for name, number in counts(connection).items() if number}

    def steps(self) -> list[Step]:
        """The revisions that are rehearsed."""
        heads = self.heads()
        found = self._steps(heads)
        if not found:
            raise NothingToRehearseError(
                f"there is nothing to rehearse: {', '.join(heads)} is at {self.planned.target or 'the target'} already",
                hint="say from which revision with --from",
            )
        return found

    def _wanted(self) -> tuple[str, ...]:
        """The heads from which the change starts."""
        if self.planned.before is not None:
            return tuple(sorted(self.planned.before))
        if self.planned.dump:
            return self.heads()
        steps = self._steps(())
        return steps[-1].after if steps else ()

    def tried(self, estimate: Estimate, steps: list[Step]) -> Estimate:
        """Up, and down and up again as far as there is a way back."""
        way = way_back(steps)
        base = self.state()
        done: list[Ran] = []
        if way.to:
            done.append(self._up(way.to))
            base = self.state()
        done.append(self._up(self.planned.target))
        first = self.state()
        statements = tuple(statement(one) for ran in done for one in ran.statements)
        estimate = estimate.model_copy(
            update={
                "after": first.heads, "statements": statements, "up_ms": round(sum(one.ms for one in statements), 1),
                "no_down": way.no_down, "findings": way.findings,
            }
        )  # fmt: skip
        return self._used(self._smoked(self._back_and_again(estimate, way, base, first) if way.undone else estimate))

    def _back_and_again(self, estimate: Estimate, way: WayBack, base: State, first: State) -> Estimate:
        self.told(f"down over {', '.join(way.undone)}")
        down = list(self._down(base.heads, len(way.undone)))
        if down and (failure := down[-1].failure):
            told = f"the downgrade of {', '.join(way.undone)} fails"
            return _found(estimate, _failed("downgrade_failed", told, failure[1]))
        back = self.state()
        estimate = _found(
            estimate,
            *findings_of_heads(base.heads, back.heads),
            *findings_of_schema(base.schema, back.schema, way.undone),
            *findings_of_rows(base.content, back.content, way.undone),
        )
        self.told("up again")
        again = migrate(self.planned.guest(self.planned.target), self.url)
        if again.failure:
            return _found(
                estimate, _failed("again_failed", "upgraded again after the downgrade, it fails", again.failure[1])
            )
        return _found(estimate, *findings_of_again(first.schema, self.state().schema)).model_copy(
            update={"undone": way.undone, "down_ms": _ms(down), "again_ms": _ms([again])}
        )

    def _down(self, base: tuple[str, ...], undone: int) -> Iterator[Ran]:
        """Back to each head that was there. Where that is not enough, a branch began since, or another was depended on:
        back by one of whatever should not be there.
        """
        goals = [*base] or ["base"]
        for _ in range(undone + len(goals)):
            heads = self.heads()
            missing = [goal for goal in goals if goal not in heads]
            strange = [f"{head}@-1" for head in heads if head not in base]
            if heads == base or not (missing or strange):
                return
            goal = (missing or strange)[0]
            goals = [one for one in goals if one != goal]
            done = migrate(self.planned.guest(goal, "--down"), self.url)
            if done.failure and done.failure[0] == "target" and missing:
                continue  # Alembic sees no way to what is only depended on
            yield done
            if done.failure:
                return

    def _smoked(self, estimate: Estimate) -> Estimate:
        """What runs on the new schema, last of all: a command may write."""
        passed, findings = [], []
        for number, command in enumerate(self.planned.smoke):
            log = self.planned.home / f"smoke-{number}.log"
            told = " ".join(command)
            self.told(f"smoke test: {told}")
            try:
                ended = run(
                    command, cwd=self.planned.cwd, home=self.planned.home, log=log, timeout=self.planned.timeout,
                    env={"DATABASE_URL": self.url},
                )  # fmt: skip
                passed.append(Smoke(command=told, seconds=ended.seconds))
            except GuestFailedError as error:
                findings.append(_failed("smoke_failed", f"on the new schema `{told}` fails", error.said.strip()))
        return _found(estimate, *findings).model_copy(update={"smoke": tuple(passed)})

    def _used(self, estimate: Estimate) -> Estimate:
        """By the versions of the product, unless the copy is not what production would become."""
        if estimate.findings:
            return estimate
        tried = tuple(self.versions(self.url))
        return _found(estimate.model_copy(update={"versions": tried}), *findings_of_versions(tried))

    def state(self) -> State:
        with self._connected() as connection:
            return State(self.heads(), schema(connection), content(connection))

    def heads(self) -> tuple[str, ...]:
        with self._connected() as connection:
            return heads_of(connection)

    def _up(self, target: str) -> Ran:
        self.told(f"up to {target or 'the head'}")
        return self._run(self.planned.guest(target))

    def _run(self, guest: Guest) -> Ran:
        done = migrate(guest, self.url)
        if done.failure:
            raise error_of(done.failure, _NAME, guest.log, self.url)
        return done

    def _steps(self, before: tuple[str, ...]) -> list[Step]:
        planned, out = self.planned, self.planned.home / "ways-back.json"
        where = ("--scripts", str(planned.scripts), "--to", planned.target, "--out", str(out))
        heads = [part for head in before for part in ("--from", head)]
        command = (sys.executable, "-P", "-m", "stationmaster.blocks.migration_ways_back", *where, *heads)
        try:
            run(
                command, cwd=planned.cwd, home=planned.home, log=planned.home / "ways-back.log", timeout=planned.timeout
            )
        except GuestFailedError as error:
            if error.returncode == TARGET:
                raise MigrationTargetError(
                    error.said.strip(), hint="name a revision, or a branch as expand@head"
                ) from None
            raise MigrationFailedError(f"the revisions cannot be read:\n{error.said}", hint=error.hint) from None
        return [Step.read(one) for one in json.loads(out.read_text(encoding="utf-8"))["steps"]]

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with connected(self.url, _NAME) as connection:
            connection.execute(f"SET statement_timeout = {int(self.planned.timeout * 1000)}")
            yield connection

    def _progress(self, table: str, there: int, wanted: int) -> None:
        self.told(f"  {table}: {there:,} of {wanted:,} rows")


def _found(estimate: Estimate, *findings: Finding) -> Estimate:
    return estimate.model_copy(update={"findings": (*estimate.findings, *findings)})


_FIXES: Mapping[str, str] = {
    "downgrade_failed": 'mend downgrade(), or say why there is no way back: no_down = "reason"',
    "again_failed": "make downgrade() undo exactly what upgrade() does",
    "smoke_failed": "mend what reads the schema, or keep the schema as it needs it until nobody does",
}


def _failed(rule: Literal["downgrade_failed", "again_failed", "smoke_failed"], what: str, why: str) -> Finding:
    return Finding(rule=rule, message=f"{what}: {why}", fix=_FIXES[rule])


def _ms(runs: list[Ran]) -> float:
    return round(sum(float(one["ms"]) for ran in runs for one in ran.statements), 1)


@contextmanager
def _alone(server: str, name: str) -> Iterator[None]:
    """Holds the copy's name on the server: the lock ends with this process, however that ends."""
    with connected(server, "scratch") as lock:
        taken = lock.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone()
        if taken != (True,):
            raise RehearsalBusyError(
                f"another rehearsal works on the database {name} of this server", hint="wait until it ends"
            )
        yield
