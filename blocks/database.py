"""The product's databases: which revision each is at, and bringing one to the expanded schema. Each has the name that
`domain/homes.py` gives it: that of its instance, or of a tenant's own schema or database there.

Revisions run in the guest process (`blocks/migrations.py`), each statement with the timeouts of its kind. What a
revision may contain is `domain/migrations.py`'s.
"""

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, SecretStr

from stationmaster.blocks import backfilling, database_copy, database_looks, migration_tenants
from stationmaster.blocks.guest import GuestFailedError, run
from stationmaster.blocks.migration_dump import Given
from stationmaster.blocks.migration_journal import TABLE
from stationmaster.blocks.migration_rehearsal import Planned, Try, rehearse
from stationmaster.blocks.migration_rows import Asked
from stationmaster.blocks.migration_running import (
    Guest,
    MigrationFailedError,
    Ran,
    RevisionUnknownError,
    error_of,
    migrate,
)
from stationmaster.blocks.migration_versions import heads_of
from stationmaster.blocks.postgres import Connection, connected, has_tables, started, temporary
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.errors import InputError, OutsideError, RefusedError, StationmasterError, nearest
from stationmaster.domain.homes import HOLE, place_of
from stationmaster.domain.migration_rehearsal import Estimate
from stationmaster.domain.product import Database

_PATIENCE = 60.0  # seconds that a revision's locks are tried for, and that another runner is waited for
_RECOVERY = 30.0  # seconds that a killed server is given to come back
_UNKNOWN = 65  # exit code of blocks/migrations.py


class DatabaseUnknownError(InputError):
    """The database block names no database for an instance."""

    code = "database_unknown"


class DatabaseUnversionedError(RefusedError):
    """A database has tables, but Alembic's table does not say at which revision they are."""

    code = "database_unversioned"


class DatabaseRestartedError(OutsideError):
    """PostgreSQL went away while something was done with it, so nobody knows whose fault it was that it failed."""

    code = "database_restarted"

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"PostgreSQL restarted on {name} in the middle: {what}", hint="start it again")


@dataclass(frozen=True)
class Migrated:
    """A database before and after: its current heads; what the revisions printed, as the path of a log; and each
    statement with its time and its lock, and who was in the way, as `migrations run --json` has them.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    log: str = field(default="", compare=False)
    statements: tuple[dict[str, Any], ...] = field(default=(), compare=False)
    blocked_by: tuple[dict[str, Any], ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Revisions:
    """The product's revisions at a commit: what the file says, the clean export, a home for the guest."""

    database: Database
    export: Path
    home: Path
    rehearsed: Mapping[str, float] = field(default_factory=dict)  # milliseconds by digest, as `--rehearsed` has them
    known: dict[Any, Any] = field(
        default_factory=dict, compare=False
    )  # what they answered: many databases ask the same


class ProductDatabase(BaseModel):
    """The PostgreSQL databases of a product, by instance."""

    databases: dict[str, SecretStr] = Field(
        description="Instance to connection URL; {tenant} in it where each tenant has a database of its own.",
        examples=[{"cloud": "postgresql://app@db/orderdesk"}],
    )
    scratch: SecretStr = Field(description="Connection URL of a server on which checks may create databases.")

    def url(self, name: str) -> str:
        """The address of a database; of a tenant's own schema one that sees nothing else.

        Raises:
            DatabaseUnknownError: the block names none, with the nearest name; or each tenant there has its own.
        """
        instance, own = place_of(name)
        if instance not in self.databases:
            raise DatabaseUnknownError(
                f"the database block names no database for instance {instance!r}",
                hint=nearest(instance, self.databases),
            )
        given = self.databases[instance].get_secret_value()
        if own is None and HOLE in given:
            raise DatabaseUnknownError(
                f"{instance!r} is no database: its address in the database block has {HOLE} in it",
                hint="say `database.tenancy: database` in stationmaster.yaml, or mend the block",
            )
        return given if own is None else migration_tenants.address(given, own)

    def revision(self, name: str) -> tuple[str, ...]:
        """The current heads of a database, sorted; empty for an empty database.

        Raises:
            SchemaMissingError: a tenant's own schema is not there.
            DatabaseUnversionedError: it is not empty, yet has no heads: nobody knows what old code needs of it.
        """
        with connected(self.url(name), name) as connection:
            if place_of(name)[1]:
                migration_tenants.require_schema(connection, name)
            heads = heads_of(connection)
            if not heads and has_tables(connection, alone=self._is_schema(name)) and not _interrupted(connection):
                raise DatabaseUnversionedError(
                    f"database {name!r} has tables, but alembic_version says no revision",
                    hint="mark what is there: `alembic stamp REVISION`",
                )
        return heads

    def render(self, current: tuple[str, ...], revisions: Revisions) -> str:
        """The SQL that expand would run on a database at `current`, as PostgreSQL would get it.

        Raises:
            RevisionUnknownError: the commit does not have one of `current`.
            MigrationFailedError: a revision cannot be rendered.
        """
        if current in revisions.known:
            return str(revisions.known[current])
        rendered = revisions.home / "expand.sql"
        try:
            _guest("render", revisions, current, ("--out", str(rendered)), {})
        except GuestFailedError as error:
            raise _named(error, f"the revisions cannot be rendered from {', '.join(current) or 'nothing'}") from None
        return str(revisions.known.setdefault(current, rendered.read_text(encoding="utf-8")))

    def target(self, revisions: Revisions) -> tuple[str, ...]:
        """The revisions at which a database is expanded for this commit.

        Raises:
            MigrationFailedError: the commit's revisions cannot be read.
        """
        if "target" in revisions.known:
            return tuple(revisions.known["target"])
        named = revisions.home / "target.txt"
        try:
            _guest("target", revisions, (), ("--out", str(named)), {})
        except GuestFailedError as error:
            raise _named(error, "the revisions cannot be read") from None
        return tuple(revisions.known.setdefault("target", named.read_text(encoding="utf-8").split()))

    def expand(self, instance: str, revisions: Revisions) -> Migrated:
        """Bring the database of an instance to the expanded schema; one that is there already is left alone.

        Raises:
            RevisionUnknownError: the database is ahead of the commit. Nothing was run.
            MigrationFailedError: a revision raised. Nothing of it stays.
            MigrationBusyError: locks were busy throughout, or another runner is at work.
        """
        with self.steady(instance):
            before = self.revision(instance)
            guest = _runner(revisions)
            ran = self._migrate(instance, guest)
            return Migrated(before, self.revision(instance), str(guest.log), ran.statements, ran.blocked_by)

    def expand_each(self, names: Sequence[str], revisions: Revisions) -> dict[str, Migrated | StationmasterError]:
        """The same with tenants' own schemas or databases of one instance, several at a time: what became of each that
        was begun. After one that failed no other is begun.

        Raises:
            StationmasterError: as `expand`, when nothing ran at all.
        """
        instance, before = place_of(names[0])[0], {name: self.revision(name) for name in names}
        guest, url = _runner(revisions), self.databases[instance].get_secret_value()
        with self.steady(names[0]):
            found = migration_tenants.run_each(guest, url, names, revisions.database.parallel)
        return {
            name: Migrated(before[name], self.revision(name), str(guest.log), ended.statements, ended.blocked_by)
            if isinstance(ended, Ran)
            else ended
            for name, ended in found.items()
        }

    def sessions(self, instance: str) -> tuple[str, ...]:
        """What everybody who is connected to a database calls itself, sorted."""
        return database_looks.sessions(self.url(instance), instance)

    def unverified(self, instance: str, table: str, verify: str, seconds: int) -> int:
        """How many rows of a table are not as an expression of the product says."""
        return database_looks.unverified(self.url(instance), instance, table, verify, seconds)

    def knows(self, revision: str, revisions: Revisions) -> bool:
        """Whether the commit has a revision.

        Raises:
            MigrationFailedError: the commit's revisions cannot be read.
        """
        self.target(revisions)
        try:
            self.render((revision,), revisions)
        except RevisionUnknownError:
            return False
        except MigrationFailedError:  # it is there; what comes after it cannot be rendered from it alone
            return True
        return True

    def backfill(self, name: str, one: Backfill, options: backfilling.Options) -> backfilling.Ended:
        """Fill in one database until nothing is left on which this run may work, or it is stopped. Raises what
        `backfilling.run` does.
        """
        return backfilling.run(self.url(name), one, options)

    def backfills(self, name: str) -> tuple[backfilling.Progress, ...]:
        """Every backfill that ever began in a database, or in a tenant's own schema."""
        found, own = backfilling.status(self.url(name)), f"{place_of(name)[1]}."
        return tuple(one for one in found if one.table.startswith(own)) if self._is_schema(name) else found

    def pause_backfill(self, name: str, backfill: str, tenant: str | None, reason: str) -> None:
        """No batch of it begins until it is resumed; of one tenant, or of all."""
        backfilling.pause(self.url(name), backfill, tenant, reason)

    def resume_backfill(self, name: str, backfill: str, tenant: str | None) -> None:
        """Whoever runs it may go on."""
        backfilling.resume(self.url(name), backfill, tenant)

    def lose_backfill(self, name: str, backfill: str, tenants: Collection[str], reason: str) -> None:
        """What was verified of these tenants may be stale: the next run verifies anew and fills what is. Nothing where
        it never began.
        """
        if any(one.name == backfill for one in self.backfills(name)):  # else it would be that of another schema
            backfilling.lose(self.url(name), backfill, tenants, reason)

    def keep_copy(self, instance: str) -> None:
        """A copy of stage's database, to be put back when a contract fails there. Raises NoCopyError."""
        database_copy.keep(self.url(instance), instance)

    def put_back(self, instance: str) -> bool:
        """Whether that copy took the database's place; it does not when there is none."""
        return database_copy.put_back(self.url(instance), instance)

    def mend_copy(self, instance: str) -> None:
        """Bring back a database that does not answer because one of these acts was killed."""
        database_copy.mend(self.url(instance), instance)

    def drop_copy(self, instance: str) -> None:
        """That copy is not needed any more."""
        database_copy.drop(self.url(instance), instance)

    def rehearse(
        self, revisions: Revisions, before: tuple[str, ...], name: str, at: datetime, versions: Try = lambda _: ()
    ) -> Estimate:
        """Try what expand would run on a database at `before`, on a copy of that name beside the scratch database, and
        `versions` on the new schema. The file says on which data. What does not hold is in the estimate's findings.

        Raises:
            MigrationFailedError: a revision raised.
            RowsNotMadeError, DumpTooOldError and the like: there is nothing to rehearse on.
            DatabaseRestartedError: something did not hold, and PostgreSQL restarted meanwhile.
        """
        server = self.scratch.get_secret_value()
        began = started(server, "scratch")
        with self.steady():
            found = rehearse(server, name, _planned(revisions, before), at, versions=versions)
        wrong = [one.message for one in found.findings] + [why for one in found.versions for why in one.failed]
        if wrong and started(server, "scratch", _RECOVERY) != began:
            raise DatabaseRestartedError("scratch", wrong[0])
        return found

    def scratch_database(self, name: str) -> AbstractContextManager[str]:
        """An empty database of that name for as long as the block lasts; one left by a killed run is replaced."""
        return temporary(self.scratch.get_secret_value(), name)

    @contextmanager
    def steady(self, instance: str | None = None) -> Iterator[None]:
        """Around what needs the database of an instance, or the scratch one: what fails while PostgreSQL restarts says
        nothing about the product.

        Raises:
            DatabaseRestartedError: something was refused in the block, and PostgreSQL restarted meanwhile.
        """
        url, name = (self.url(instance), instance) if instance else (self.scratch.get_secret_value(), "scratch")
        began = started(url, name)
        try:
            yield
        except RefusedError as error:
            if started(url, name, _RECOVERY) != began:
                raise DatabaseRestartedError(name, error.message) from error
            raise

    def _is_schema(self, name: str) -> bool:
        instance, own = place_of(name)
        return own is not None and HOLE not in self.databases[instance].get_secret_value()

    def _migrate(self, instance: str, guest: Guest) -> Ran:
        try:
            ran = migrate(guest, self.url(instance))
        except GuestFailedError as error:  # it ended before it could say why
            raise _named(error, f"a revision failed on database {instance!r}") from None
        if ran.failure:
            raise error_of(ran.failure, instance, guest.log, self.url(instance))
        return ran


def _runner(revisions: Revisions) -> Guest:
    database = revisions.database
    options = ("--patience", str(_PATIENCE), "--least-ms", str(round(database.statement_limit * 1000)))
    behind = tuple(part for name in database.with_schemas for part in ("--with-schema", name))
    return Guest(
        revisions.export / database.migrations, database.expand, revisions.export, revisions.home, database.timeout,
        (*options, *_rehearsed(revisions), *(("--env",) if database.env else ()), *behind),
    )  # fmt: skip


def _planned(revisions: Revisions, before: tuple[str, ...]) -> Planned:
    database, export, asked = revisions.database, revisions.export, revisions.database.rehearsal
    if asked is None:
        raise InputError("nothing says on what to rehearse", hint="declare database.rehearsal in stationmaster.yaml")
    scrub = export / asked.scrub if asked.scrub else None
    dump = Given(Path(asked.dump), asked.anonymised, scrub, asked.max_age, asked.timeout) if asked.dump else None
    return Planned(
        scripts=export / database.migrations, target=database.expand, cwd=export, home=revisions.home, before=before,
        rows=Asked(asked.rows, asked.columns) if asked.rows else None, dump=dump, smoke=asked.smoke, env=database.env,
        timeout=asked.timeout, schema=asked.dump_schema,
    )  # fmt: skip


def _rehearsed(revisions: Revisions) -> tuple[str, ...]:
    """How long its statements may take, as options of the runner."""
    if not revisions.rehearsed:
        return ()
    file = revisions.home / "rehearsed.json"
    file.write_text(json.dumps(dict(revisions.rehearsed)), encoding="utf-8")
    return ("--rehearsed", str(file))


def _interrupted(connection: Connection) -> bool:
    """Whether the first revision was killed after it had committed a part: the runner knows how to go on."""
    return connection.execute(f"SELECT to_regclass('{TABLE}')").fetchone() != (None,)


def _guest(
    act: str, revisions: Revisions, current: tuple[str, ...], options: tuple[str, ...], env: dict[str, str]
) -> None:
    database, log = revisions.database, _log(revisions, act)
    where: tuple[str, ...] = ("--scripts", str(revisions.export / database.migrations), "--to", database.expand)
    where = (*where, "--env") if database.env else where
    heads = [part for head in current for part in ("--from", head)]
    run(
        (sys.executable, "-P", "-m", "stationmaster.blocks.migrations", act, *where, *heads, *options),
        cwd=revisions.export, home=revisions.home, log=log, timeout=database.timeout, env=env,
    )  # fmt: skip


def _log(revisions: Revisions, act: str) -> Path:
    return revisions.home / f"migrations-{act}.log"


def _named(error: GuestFailedError, what: str) -> RefusedError:
    if error.returncode == _UNKNOWN:
        return RevisionUnknownError(error.said.strip(), hint="release a commit that has it; nothing was changed")
    return MigrationFailedError(
        f"{what}:\n{error.said or error.message}",
        hint="mend the revision and release again, or `stationmaster release abort`",
    )
