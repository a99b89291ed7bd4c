"""How long others stall while a revision waits for its lock: ours beside plain `alembic upgrade`, taken in turns.

A report reads the table in one long transaction; 50 clients read single rows; then a column is added. The clients are
pgbench's, since 50 threads of Python would wait for each other; what one waits is measured from its own query to its
answer. `python -m benchmarks migration_locks`.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._migration_world import BIN, PGBENCH, connect, revisions, server
from tests.conftest import Postgres

CLIENTS = 50
BLOCKED = 4.0  # seconds
ROUNDS = 2
ALLOWED_MS = 50 + 20  # the lock timeout, and what the machine may add
_SETTLED = 1.0  # seconds until all clients ask
_NAMES = ("plain-alembic", "stationmaster-migrations")
_CONNECTED = f"SELECT count(*) FROM pg_stat_activity WHERE application_name IN {_NAMES}"  # noqa: S608 - of constants
WAYS = ("ours", "ours_without_looking", "alembic_upgrade")


def main(rounds: int = ROUNDS, blocked: float = BLOCKED, clients: int = CLIENTS) -> dict[str, Any]:
    with server() as postgres, tempfile.TemporaryDirectory() as folder:
        stalls: dict[str, list[float]] = {"nobody": [], **{way: [] for way in WAYS}}
        for number in range(rounds):
            stalls["nobody"].append(_round(postgres, Path(folder) / f"n{number}", None, blocked, clients))
            for way in WAYS:
                stalls[way].append(_round(postgres, Path(folder) / f"{way}{number}", way, blocked, clients))
    worst = {f"{way}_longest_stall_ms": round(max(found), 1) for way, found in stalls.items()}
    extra = {way: max(found) - max(stalls["nobody"]) for way, found in stalls.items() if way != "nobody"}
    return {
        "clients": clients, "blocked_s": blocked, "rounds": rounds, **worst,
        "allowed_ms": ALLOWED_MS,
        **{f"{way}_above_nobody_ms": round(found, 1) for way, found in extra.items()},
        "alembic_vs_ours_without_looking": round(worst_of(stalls, "alembic_upgrade", "ours_without_looking"), 1),
    }  # fmt: skip


def worst_of(stalls: dict[str, list[float]], one: str, other: str) -> float:
    return max(stalls[one]) / max(stalls[other])


def _round(postgres: Postgres, root: Path, way: str | None, blocked: float, clients: int) -> float:
    """The longest that any query of a client took, in milliseconds."""
    url = postgres.create()
    scripts = revisions(root, {"e2": "ALTER TABLE orders ADD note text"})
    with connect(url) as connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('e1')")
        connection.execute("INSERT INTO orders SELECT n FROM generate_series(1, 10000) n")
    with _clients(url, root, clients):
        with connect(url) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM orders")
            time.sleep(_SETTLED)
            began = time.time()
            with _migrating(way, scripts, url):
                time.sleep(blocked)
                reader.execute("COMMIT")
        time.sleep(0.2)
    with connect(url) as connection:
        done = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if way is not None and done != ("e2",):
            raise RuntimeError(f"{way} did not come to its end")
    return _longest(root, began)


@contextmanager
def _clients(url: str, root: Path, clients: int) -> Iterator[None]:
    """Each asks for a row twenty times a second, until the table is gone: only then pgbench ends with its log whole."""
    script = root / "ask.sql"
    script.write_text("\\set n random(1, 10000)\nSELECT id FROM orders WHERE id = :n;\n")
    command = [
        str(PGBENCH), "-n", "-c", str(clients), "-j", "2", "-R", str(clients * 20), "-T", "600", "-f", str(script),
        "-l", f"--log-prefix={root / 'asked'}", url.replace("+psycopg", ""),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as asking:
        try:
            yield
        finally:
            with connect(url) as connection:
                connection.execute("DROP TABLE orders")
            asking.wait(60)


def _longest(root: Path, since: float) -> float:
    """Of the queries that were answered after an instant. pgbench's time is from when a query was due, so that what it
    was late counts as its client's and is taken off.
    """
    longest = 0.0
    for log in root.glob("asked*"):
        for line in log.read_text().splitlines():
            _client, _number, took, _script, second, micro, late = map(int, line.split())
            if second + micro / 1e6 >= since:
                longest = max(longest, (took - late) / 1000)
    if not longest:
        raise RuntimeError("nobody asked")
    return longest


@contextmanager
def _migrating(way: str | None, scripts: Path, url: str) -> Iterator[None]:
    """From when it is connected, until it is done."""
    if way is None:
        yield
        return
    env = {**os.environ, "DATABASE_URL": url, "PGAPPNAME": _NAMES[0], "PYTHONDONTWRITEBYTECODE": "1"}
    guest = [sys.executable, "-P", "-m", "stationmaster.blocks.migrations", "upgrade", "--scripts", str(scripts),
             "--to", "expand@head", "--out", str(scripts / "out")]  # fmt: skip
    commands = {
        "ours": guest,
        "ours_without_looking": [*guest, "--blind"],
        "alembic_upgrade": [str(BIN / "alembic"), "-c", str(scripts / "alembic.ini"), "upgrade", "expand@head"],
    }
    with subprocess.Popen(
        commands[way], cwd=scripts, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as one:
        with connect(url) as looking:
            while looking.execute(_CONNECTED).fetchone() == (0,):
                time.sleep(0.02)
        yield
        if one.wait(120) != 0:
            raise RuntimeError(f"{way} failed")
