"""How long others stall while a revision waits for its lock: ours beside plain `alembic upgrade`, taken in turns.

A report reads the table in one long transaction; 50 clients read single rows; then a column is added. What a client
waits is measured from its own query to its answer. `python -m benchmarks migration_locks`.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._migration_world import BIN, connect, revisions, server
from tests.conftest import Postgres

CLIENTS = 50
BLOCKED = 4.0  # seconds
ROUNDS = 2
ALLOWED_MS = 50 + 20  # the lock timeout, and what the machine may add
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
    with connect(url) as connection:
        connection.execute("INSERT INTO orders SELECT n FROM generate_series(1, 10000) n")
    over, longest = threading.Event(), [0.0] * clients
    threads = [threading.Thread(target=_client, args=(url, over, longest, n)) for n in range(clients)]
    for thread in threads:
        thread.start()
    try:
        with connect(url) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM orders")
            time.sleep(0.3)
            longest[:] = [0.0] * clients
            with _migrating(way, scripts, url):
                time.sleep(blocked)
                reader.execute("COMMIT")
        time.sleep(0.2)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    with connect(url) as connection:
        done = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if way is not None and done != ("e2",):
            raise RuntimeError(f"{way} did not come to its end")
    return max(longest) * 1000


def _client(url: str, over: threading.Event, longest: list[float], number: int) -> None:
    with connect(url) as connection:
        while not over.wait(0.05):
            began = time.perf_counter()
            connection.execute("SELECT id FROM orders WHERE id = %s", (number + 1,))
            longest[number] = max(longest[number], time.perf_counter() - began)


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
