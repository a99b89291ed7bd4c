"""1,000 tenant schemas: one fan-out against a loop of `alembic upgrade`, one process for each schema, and its memory.

Each schema gets two revisions. The loop runs over a sample of schemas, before and after the fan-out, and is
extrapolated from what one of them takes. `python -m benchmarks migration_tenants`.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks._migration_world import BIN, connect, revisions, server

TENANTS, FEW, SAMPLE, PARALLEL = 1_000, 100, 15, 4
_STATEMENTS = {"e2": "ALTER TABLE orders ADD note text", "e3": "CREATE INDEX by_note ON orders (note)"}
_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine, make_url
schema = os.environ["TENANT"]
url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
with create_engine(url).connect() as connection:
    connection.exec_driver_sql(f'SET search_path TO "{schema}"')
    connection.commit()
    context.configure(connection=connection, version_table_schema=schema, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def main(tenants: int = TENANTS, few: int = FEW, sample: int = SAMPLE) -> dict[str, Any]:
    with server() as postgres, tempfile.TemporaryDirectory() as folder:
        url, scripts = postgres.create(), revisions(Path(folder) / "product", _STATEMENTS, _ENV)
        _schemas(url, "loop", sample)
        _schemas(url, "few", few)
        _schemas(url, "many", tenants)
        first = _loop(url, scripts, 0, sample // 2)
        small, _, rss_few = _fan_out(url, scripts, Path(folder), "few", few)
        many, already, rss_many = _fan_out(url, scripts, Path(folder), "many", tenants)
        second = _loop(url, scripts, sample // 2, sample)
    loop = (first + second) / sample
    return {
        "tenants": tenants, "parallel": PARALLEL, "sampled_of_loop": sample,
        "loop_s_per_tenant": round(loop, 3), "fan_out_s_per_tenant": round(many / tenants, 4),
        "loop_s_extrapolated": round(loop * tenants, 1), "fan_out_s": round(many, 1),
        "fan_out_again_s": round(already, 1), "fan_out_of_few_s": round(small, 1),
        "loop_vs_fan_out": round(loop * tenants / many, 1),
        "rss_mb_of_all_processes_few": round(rss_few, 1), "rss_mb_of_all_processes_many": round(rss_many, 1),
        "rss_many_vs_few": round(rss_many / rss_few, 3),
    }  # fmt: skip


def _schemas(url: str, prefix: str, count: int) -> None:
    with connect(url) as connection:
        for n in range(count):
            connection.execute(f"CREATE SCHEMA {prefix}_{n:04}".encode())


def _loop(url: str, scripts: Path, begin: int, end: int) -> float:
    """Seconds of `alembic upgrade` for some schemas, one process each."""
    began = time.perf_counter()
    for n in range(begin, end):
        env = {**os.environ, "DATABASE_URL": url, "TENANT": f"loop_{n:04}", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(BIN / "alembic"), "-c", str(scripts / "alembic.ini"), "upgrade", "expand@head"]
        subprocess.run(command, cwd=scripts, env=env, check=True, timeout=120, capture_output=True)
    return time.perf_counter() - began


def _fan_out(url: str, scripts: Path, folder: Path, prefix: str, count: int) -> tuple[float, float, float]:
    """Seconds of all, of all again when nothing is left, and megabytes of its processes at their highest."""
    command = [sys.executable, "-m", "stationmaster.cli.main", "migrations", "run", "--path", str(scripts), "--json",
               "--tenancy", "schema", "--schema", f"{prefix}_*", "--parallel", str(PARALLEL)]  # fmt: skip
    env = {**os.environ, "DATABASE_URL": url, "STATIONMASTER_HOME": str(folder / "home")}
    took, highest = [], 0.0
    for state in ("done", "already"):
        began = time.perf_counter()
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as one:
            rss, over = [0.0], threading.Event()
            watch = threading.Thread(target=_watch, args=(one.pid, rss, over))
            watch.start()
            answer = json.loads(one.communicate(timeout=900)[0])
            over.set()
            watch.join()
        took.append(time.perf_counter() - began)
        highest = max(highest, rss[0])
        if answer[state] != count:
            raise RuntimeError(f"not every schema is {state}: {answer}")
    return took[0], took[1], highest


def _watch(pid: int, highest: list[float], over: threading.Event) -> None:
    """What the processes below `pid` hold together. Shared pages count once (Pss)."""
    while not over.wait(0.2):
        highest[0] = max(highest[0], sum(_megabytes(one) for one in _below(pid)))


def _below(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def _megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
