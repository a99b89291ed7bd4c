"""Starts the guest process that migrates, and makes of what it wrote values, or the error that fits.

`release` and `stationmaster migrations run` come through here. The address goes by the environment, never by a command
line, which everybody on a machine can read.
"""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stationmaster.blocks.guest import GuestFailedError, run, tail
from stationmaster.blocks.migration_following import following
from stationmaster.blocks.passwords import passwords, without_passwords
from stationmaster.blocks.postgres import CONNECT, DatabaseUnreachableError
from stationmaster.domain.errors import Exit, InputError, OutsideError, RefusedError, StationmasterError
from stationmaster.domain.masking import Mask
from stationmaster.domain.migration_tenants import TenantSchemasError


class RevisionUnknownError(RefusedError):
    """A database is at a revision that the commit does not have."""

    code = "revision_unknown"


class MigrationFailedError(RefusedError):
    """A revision raised; PostgreSQL rolled its transaction back."""

    code = "migration_failed"


class MigrationBusyError(OutsideError):
    """Another runner migrates this database, or its locks were never free long enough."""

    code = "migration_busy"


class MigrationInterruptedError(RefusedError):
    """A run ended in the middle of a revision, and nobody but a person can tell how to go on."""

    code = "migration_interrupted"


class MigrationPooledError(RefusedError):
    """A statement needs a session of its own, and a pooler gives each transaction another one."""

    code = "migration_pooled"


class MigrationBehindError(InputError):
    """The database is past the target."""

    code = "migration_behind"


class MigrationTargetError(MigrationFailedError):
    """The target is no revision, or Alembic cannot find a way to it."""

    code = "migration_target"
    exit = Exit.INPUT


_ERRORS: dict[str, tuple[type[StationmasterError], str]] = {
    "busy": (MigrationBusyError, "wait until it ends or end it, then start the same again"),
    "unknown": (RevisionUnknownError, "run a commit that has it; nothing was changed"),
    "interrupted": (MigrationInterruptedError, "nothing was changed by this run"),
    "pooled": (MigrationPooledError, "everything before it is recorded; the same command goes on there"),
    "behind": (MigrationBehindError, "give a target ahead, or --down to run downgrades"),
    "target": (MigrationTargetError, "name a revision of the folder, or a branch as expand@head"),
    "tenants": (TenantSchemasError, "nothing was changed"),
    "unreachable": (DatabaseUnreachableError, "check the address and that PostgreSQL runs"),
}
_WORDS = {"message", "sql", "query", "application", "user"}  # what of a line may quote an address


@dataclass(frozen=True)
class Guest:
    """What the guest is given beside the folder of revisions: where it works, and how long it may take."""

    scripts: Path
    target: str
    cwd: Path
    home: Path
    timeout: float = float("inf")
    options: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        return self.home / "migrations-upgrade.log"

    @property
    def out(self) -> Path:
        return self.home / "migrations-upgrade.jsonl"


@dataclass(frozen=True)
class Ran:
    """What a run did to one database. `statements` and `blocked_by` are as `--json` has them."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    statements: tuple[dict[str, Any], ...] = ()
    blocked_by: tuple[dict[str, Any], ...] = ()
    failure: tuple[str, str] | None = field(default=None)  # code and message


def migrate(guest: Guest, url: str, follow: Callable[[str], None] | None = None) -> Ran:
    """Run the revisions on one database.

    Raises:
        GuestFailedError, GuestTimeoutError: the process ended without a word, or did not end in its time.
    """
    lines = start(guest, url, follow)
    if not lines:
        raise MigrationFailedError("the runner ended without a word", hint=f"the whole log: {guest.log}")
    return ran(lines[-1])


def start(guest: Guest, url: str, follow: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
    """What the guest wrote, without passwords. It is at work until it ended, or until this process did. `follow` is
    told each line that it says meanwhile.
    """
    guest.home.mkdir(parents=True, exist_ok=True)
    guest.out.unlink(missing_ok=True)
    guest.log.unlink(missing_ok=True)
    env = {"DATABASE_URL": url, "PGCONNECT_TIMEOUT": str(CONNECT)}
    where = ("--scripts", str(guest.scripts), "--to", guest.target, "--out", str(guest.out))
    command = (sys.executable, "-P", "-m", "stationmaster.blocks.migrations", "upgrade", *where, *guest.options)
    try:
        with following(guest.log, lambda line: follow(without_passwords(line, env))) if follow else nullcontext():
            run(command, cwd=guest.cwd, home=guest.home, log=guest.log, timeout=guest.timeout, env=env)
    except GuestFailedError:
        if not guest.out.exists() or not guest.out.read_text(encoding="utf-8").endswith("\n"):
            raise
    mask = passwords(env)
    return [_masked(json.loads(line), mask) for line in guest.out.read_text(encoding="utf-8").splitlines()]


def _masked(value: Any, mask: Mask, key: str = "") -> Any:  # noqa: ANN401 - JSON
    """Where somebody else's words stand; a password may well be a word of ours."""
    if isinstance(value, dict):
        return {name: _masked(one, mask, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_masked(one, mask, key) for one in value]
    return mask.text(value) if key in _WORDS and isinstance(value, str) else value


def ran(line: Mapping[str, Any]) -> Ran:
    """One database's line of what the guest wrote."""
    failure = (str(line["code"]), str(line["message"])) if line.get("code") else None
    return Ran(
        tuple(line.get("from") or ()), tuple(line.get("to") or ()), tuple(line.get("statements", ())),
        tuple(line.get("blocked_by", ())), failure,
    )  # fmt: skip


def error_of(failure: tuple[str, str], name: str, log: Path, url: str) -> StationmasterError:
    """What a failure is for people; `name` is how they call the database, whose password is not repeated."""
    code, message = failure
    if code in _ERRORS:
        kind, hint = _ERRORS[code]
        return kind(message if code in {"unknown", "target", "tenants"} else f"database {name!r}: {message}", hint=hint)
    return MigrationFailedError(
        f"a revision failed on database {name!r}; what its transaction did was rolled back:\n"
        f"{without_passwords(tail(log), {'': url})}",
        hint="mend the revision and run it again",
    )
