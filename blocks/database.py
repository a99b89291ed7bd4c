"""The product's databases, one per instance: which revision each is at, and bringing one to the expanded schema.

Revisions run in the guest process (`blocks/migrations.py`) with a short lock timeout, so that a revision waits for a
lock only as long as requests can wait for the revision. What a revision may contain is `domain/migrations.py`'s.
"""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, SecretStr

from stationmaster.blocks.guest import GuestFailedError, run
from stationmaster.blocks.postgres import CONNECT, connected, has_tables, oldest_transaction, started, temporary
from stationmaster.domain.errors import InputError, OutsideError, RefusedError, nearest
from stationmaster.domain.product import Database

_LOCK_TIMEOUT_MS = 50  # others stall for 58 ms at most behind a waiting revision (design: migrations)
_LOCK_TRIES = 40
_RECOVERY = 30.0  # seconds that a killed server is given to come back
_BUSY, _UNKNOWN = 75, 65  # exit codes of blocks/migrations.py
_ADVISORY = 0x57_41_54_4E  # one runner per database
_HEADS = "SELECT version_num FROM alembic_version ORDER BY 1"


class DatabaseUnknownError(InputError):
    """The database block names no database for an instance."""

    code = "database_unknown"


class DatabaseUnversionedError(RefusedError):
    """A database has tables, but Alembic's table does not say at which revision they are."""

    code = "database_unversioned"


class RevisionUnknownError(RefusedError):
    """A database is at a revision that the commit does not have."""

    code = "revision_unknown"


class MigrationFailedError(RefusedError):
    """A revision raised; PostgreSQL rolled its transaction back."""

    code = "migration_failed"


class MigrationBusyError(OutsideError):
    """Another runner migrates this database, or its locks were never free long enough."""

    code = "migration_busy"


class DatabaseRestartedError(OutsideError):
    """PostgreSQL went away while something was done with it, so nobody knows whose fault it was that it failed."""

    code = "database_restarted"

    def __init__(self, name: str, error: RefusedError) -> None:
        super().__init__(f"PostgreSQL restarted on {name} in the middle: {error.message}", hint="start it again")


@dataclass(frozen=True)
class Migrated:
    """A database before and after: its current heads."""

    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Revisions:
    """The product's revisions at a commit: what the file says, the clean export, a home for the guest."""

    database: Database
    export: Path
    home: Path


class ProductDatabase(BaseModel):
    """The PostgreSQL databases of a product, by instance."""

    databases: dict[str, SecretStr] = Field(
        description="Instance to connection URL.", examples=[{"cloud": "postgresql://app@db/orderdesk"}]
    )
    scratch: SecretStr = Field(description="Connection URL of a server on which checks may create databases.")

    def url(self, instance: str) -> str:
        """Raises DatabaseUnknownError, with the nearest name."""
        if instance not in self.databases:
            raise DatabaseUnknownError(
                f"the database block names no database for instance {instance!r}",
                hint=nearest(instance, self.databases),
            )
        return self.databases[instance].get_secret_value()

    def revision(self, instance: str) -> tuple[str, ...]:
        """The current heads of a database, sorted; empty for an empty database.

        Raises:
            DatabaseUnversionedError: it is not empty, yet has no heads: nobody knows what old code needs of it.
        """
        with connected(self.url(instance), instance) as connection:
            versioned = connection.execute("SELECT to_regclass('alembic_version')").fetchone() != (None,)
            heads = tuple(row[0] for row in connection.execute(_HEADS).fetchall()) if versioned else ()
            if not heads and has_tables(connection):
                raise DatabaseUnversionedError(
                    f"database {instance!r} has tables, but alembic_version says no revision",
                    hint="mark what is there: `alembic stamp REVISION`",
                )
        return heads

    def render(self, current: tuple[str, ...], revisions: Revisions) -> str:
        """The SQL that expand would run on a database at `current`, as PostgreSQL would get it.

        Raises:
            RevisionUnknownError: the commit does not have one of `current`.
            MigrationFailedError: a revision cannot be rendered.
        """
        rendered = revisions.home / "expand.sql"
        try:
            _guest("render", revisions, current, ("--out", str(rendered)), {})
        except GuestFailedError as error:
            raise _named(error, f"the revisions cannot be rendered from {', '.join(current) or 'nothing'}") from None
        return rendered.read_text(encoding="utf-8")

    def target(self, revisions: Revisions) -> tuple[str, ...]:
        """The revisions at which a database is expanded for this commit.

        Raises:
            MigrationFailedError: the commit's revisions cannot be read.
        """
        named = revisions.home / "target.txt"
        try:
            _guest("target", revisions, (), ("--out", str(named)), {})
        except GuestFailedError as error:
            raise _named(error, "the revisions cannot be read") from None
        return tuple(named.read_text(encoding="utf-8").split())

    def expand(self, instance: str, revisions: Revisions) -> Migrated:
        """Bring a database to the expanded schema; one that is there already is left alone.

        Raises:
            RevisionUnknownError: the database is ahead of the commit. Nothing was run.
            MigrationFailedError: a revision raised. Nothing of it stays.
            MigrationBusyError: locks were busy throughout, or another runner is at work.
        """
        with self.steady(instance), self._alone(instance):
            before = self.revision(instance)
            for attempt in range(_LOCK_TRIES):
                if self._upgrade(instance, revisions):
                    return Migrated(before, self.revision(instance))
                time.sleep(min(2.0, 0.1 * 1.3**attempt) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        raise MigrationBusyError(
            f"database {instance!r} gave no lock within {_LOCK_TIMEOUT_MS} ms in {_LOCK_TRIES} tries: "
            f"{self._holder(instance)}",
            hint="wait until it ends or end it, then start the release again",
        )

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
                raise DatabaseRestartedError(name, error) from error
            raise

    @contextmanager
    def _alone(self, instance: str) -> Iterator[None]:
        """Holds PostgreSQL's advisory lock, which ends with our connection and so with us."""
        with connected(self.url(instance), instance) as lock:
            if lock.execute("SELECT pg_try_advisory_lock(%s)", (_ADVISORY,)).fetchone() != (True,):
                raise MigrationBusyError(
                    f"another runner migrates database {instance!r}", hint="start the release again when it is done"
                )
            yield

    def _upgrade(self, instance: str, revisions: Revisions) -> bool:
        """Whether the upgrade got its locks."""
        env = {"DATABASE_URL": self.url(instance), "PGCONNECT_TIMEOUT": str(CONNECT)}
        try:
            timeout = ("--lock-timeout", str(_LOCK_TIMEOUT_MS))
            _guest("upgrade", revisions, self.revision(instance), timeout, env)
        except GuestFailedError as error:
            if error.returncode == _BUSY:
                return False
            raise _named(error, f"a revision failed on database {instance!r} and was rolled back") from None
        return True

    def _holder(self, instance: str) -> str:
        with connected(self.url(instance), instance) as connection:
            return oldest_transaction(connection)


def _guest(
    act: str, revisions: Revisions, current: tuple[str, ...], options: tuple[str, ...], env: dict[str, str]
) -> None:
    database, log = revisions.database, revisions.home / f"migrations-{act}.log"
    where = ("--scripts", str(revisions.export / database.migrations), "--to", database.expand)
    heads = [part for head in current for part in ("--from", head)]
    run(
        (sys.executable, "-P", "-m", "stationmaster.blocks.migrations", act, *where, *heads, *options),
        cwd=revisions.export, home=revisions.home, log=log, timeout=database.timeout, env=env,
    )  # fmt: skip


def _named(error: GuestFailedError, what: str) -> RefusedError:
    if error.returncode == _UNKNOWN:
        return RevisionUnknownError(error.said.strip(), hint="release a commit that has it; nothing was changed")
    return MigrationFailedError(
        f"{what}:\n{error.said or error.message}",
        hint="mend the revision and release again, or `stationmaster release abort`",
    )
