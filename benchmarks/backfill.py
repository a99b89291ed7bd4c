"""A backfill beside one `UPDATE` of the same rows: rows a second, and how long a writer of single rows waits meanwhile.

200 tenants whose sizes fall as 1/k share a table, their rows mixed as they would arrive. Every measurement has a fresh
copy of the same database, its rows and indexes in the same state, and is taken in turns with the others.
`make bench-backfill`; `LARGE=1` adds 20 million rows.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Numeric, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks._migration_world import PGBENCH, connect, server
from stationmaster.blocks import backfilling
from stationmaster.domain.backfills import Backfill
from tests.conftest import Postgres

ROWS, TENANTS, ROUNDS = 2_000_000, 200, 3
SAMPLE = 20_000  # rows of the ORM's loop
WRITES = 50  # a second
SETTINGS = "fsync=on listen_addresses= max_connections=50 shared_buffers=256MB max_wal_size=4GB autovacuum=off"
WAYS = ("update", "engine", "command", "python", "two_workers")
_SET = "total_minor = (total * 100)::bigint"
_TODO = "total_minor IS NULL"
_UPDATE, _RIGHT = f"UPDATE orders SET {_SET} WHERE {_TODO}", f"SELECT count(*) FROM orders WHERE {_SET}"  # noqa: S608
_FILL = "def fill(rows):\n    return [(int(total * 100),) for total, in rows]\n"
_TABLE = """
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, placed_at timestamptz NOT NULL,
    customer text NOT NULL, total numeric(12,2) NOT NULL, note text NOT NULL, total_minor bigint);
"""
# The place of a random number among the sums of 1/k is a tenant, the first one the largest.
_ROWS = """
WITH sums AS (SELECT array_agg(s::float8 ORDER BY k) AS s FROM (
    SELECT k, sum(1.0 / k) OVER (ORDER BY k) / sum(1.0 / k) OVER () AS s FROM generate_series(1, {tenants}) k) t)
INSERT INTO orders (tenant, placed_at, customer, total, note)
SELECT 'tenant-' || to_char(1 + width_bucket(random(), s), 'FM0000'),
    '2026-01-01'::timestamptz + n * interval '1 second', 'customer ' || n % 100000, (n % 1000000) / 100.0,
    repeat('n', 60)
FROM sums, generate_series(1, {rows}) n
"""
_READY = "CREATE INDEX ON orders (tenant, id); ANALYZE orders; CHECKPOINT"
_WRITE = "\\set n random(1, {rows})\nUPDATE orders SET note = note || '!' WHERE id = :n;\n"


class Base(DeclarativeBase):
    pass


class Order(Base):
    """The ORM's view of it."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    total: Mapped[Any] = mapped_column(Numeric)
    total_minor: Mapped[int | None] = mapped_column(BigInteger)


@dataclass
class Taken:
    """One measurement. `waits` are what the writer waited, in milliseconds."""

    rows: int
    seconds: float
    wal: int
    waits: list[float] = field(default_factory=list)
    rss_mb: float = 0.0

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


def main(rows: int = ROWS, tenants: int = TENANTS, rounds: int = ROUNDS, sample: int = SAMPLE) -> dict[str, Any]:
    with server(SETTINGS) as postgres, tempfile.TemporaryDirectory() as folder:
        world = World(postgres, Path(folder), rows)
        world.make(tenants)
        taken: dict[str, list[Taken]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                taken[way].append(world.measured(way))
                print(f"  {way:<12} {taken[way][-1].rate:>10,.0f} rows/s")
        orm = world.measured("orm", min(sample, rows))
    growth = _growth(postgres_rows(rows), tenants)
    return _figures(rows, tenants, rounds, taken, orm) | growth


def postgres_rows(rows: int) -> list[int]:
    """The sizes at which growth is looked at."""
    return [rows // 10, rows, *([rows * 10] if os.environ.get("LARGE") else [])]


def _growth(sizes: list[int], tenants: int) -> dict[str, Any]:
    """The whole command on tables of each size: rows a second, and what it holds in memory."""
    found = []
    with server(SETTINGS) as postgres, tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            world = World(postgres, Path(folder), size)
            world.make(tenants)
            found.append(world.measured("command", template=True))
            world.drop()
    first = found[0]
    table = {
        f"{size:_}": {
            "rows_per_s": round(one.rate),
            "seconds_per_million": round(1e6 / one.rate, 2),
            "rss_mb": one.rss_mb,
        }
        for size, one in zip(sizes, found, strict=True)
    }
    last = found[-1]
    return {
        "growth": table,
        "growth_sizes": f"{sizes[0]:_} to {sizes[-1]:_} rows",
        "growth_seconds_a_row_last_vs_first": round(first.rate / last.rate, 3),
        "growth_rss_last_vs_first": round(last.rss_mb / first.rss_mb, 3),
    }


def _figures(rows: int, tenants: int, rounds: int, taken: dict[str, list[Taken]], orm: Taken) -> dict[str, Any]:
    median = {way: statistics.median(one.rate for one in found) for way, found in taken.items()} | {"orm": orm.rate}
    ratios = {
        f"{way}_vs_update": round(
            statistics.median(one.rate / update.rate for one, update in zip(taken[way], taken["update"], strict=True)),
            3,
        )
        for way in WAYS[1:]
    }
    table = {
        way: {
            "rows_per_s": [round(one.rate) for one in found],
            "wal_bytes_a_row": round(found[0].wal / found[0].rows),
            **_waits([wait for one in found for wait in one.waits]),
        }
        for way, found in {**taken, "orm": [orm]}.items()
    }
    return {
        "rows": rows, "tenants": tenants, "rounds": rounds, "load": [round(one, 1) for one in os.getloadavg()],
        **{f"{way}_rows_per_s": round(rate) for way, rate in median.items()},
        **ratios,
        "two_workers_vs_engine": round(median["two_workers"] / median["engine"], 3),
        "orm_rows_sampled": orm.rows,
        "orm_s_extrapolated": round(rows / orm.rate, 1),
        "orm_vs_update": round(orm.rate / median["update"], 4),
        **{f"{way}_writer_{name}": table[way][name] for way in WAYS for name in ("p50_ms", "p99_ms", "max_ms")},
        "command_rss_mb": max(one.rss_mb for one in taken["command"]),
        "ways": table,
    }  # fmt: skip


def _waits(waits: list[float]) -> dict[str, float]:
    if not waits:
        return {"writes": 0, "p50_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0}
    ordered = sorted(waits)
    return {
        "writes": len(ordered),
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "max_ms": round(ordered[-1], 1),
    }


class World:
    """A database that is copied for each measurement."""

    def __init__(self, postgres: Postgres, folder: Path, rows: int) -> None:
        self._postgres, self._folder, self._rows = postgres, folder, rows
        self._template = ""
        (folder / "fill.py").write_text(_FILL)
        (folder / "backfills.yaml").write_text(
            f'backfills:\n  - {{name: minor, table: orders, key: id, tenant: tenant, set: "{_SET}", todo: "{_TODO}"}}\n'
        )

    def make(self, tenants: int) -> None:
        self._template = f"rows_{self._rows}"
        self._admin(f"CREATE DATABASE {self._template}")
        with connect(self._postgres.url(self._template)) as connection:
            connection.execute(_TABLE + _ROWS.format(rows=self._rows, tenants=tenants))
            for statement in _READY.split("; "):
                connection.execute(statement.encode())

    def drop(self) -> None:
        self._admin(f"DROP DATABASE {self._template}")

    def measured(self, way: str, rows: int | None = None, *, template: bool = False) -> Taken:
        """One way on a copy of its own; on the template itself where that is not needed any more."""
        name = self._template if template else "copy"
        if not template:
            self._admin(f"CREATE DATABASE copy TEMPLATE {self._template} STRATEGY file_copy")
            self._admin("CHECKPOINT")
        url = self._postgres.url(name)
        act: Callable[[str, int], float] = getattr(self, f"_{way}")
        with self._writer(url) as waits:
            before, began = self._wal(), time.perf_counter()
            rss = act(url, rows or self._rows)
            taken = Taken(rows or self._rows, time.perf_counter() - began, self._wal() - before, rss_mb=rss)
        taken.waits = waits
        self._must_be_done(url, taken.rows)
        if not template:
            self._admin("DROP DATABASE copy")
        return taken

    # The ways. Each answers the megabytes that a process of its own held at most.

    def _update(self, url: str, _rows: int) -> float:
        with connect(url) as connection:
            connection.execute(_UPDATE.encode())
        return 0.0

    def _engine(self, url: str, rows: int, workers: int = 1) -> float:
        self._run(url, rows, Backfill(set=_SET, **_DECLARED), workers)
        return 0.0

    def _two_workers(self, url: str, rows: int) -> float:
        return self._engine(url, rows, 2)

    def _python(self, url: str, rows: int) -> float:
        verify = f"total_minor IS NOT DISTINCT FROM {_SET.partition(' = ')[2]}"
        spec = Backfill(function="fill:fill", reads=("total",), writes=("total_minor",), verify=verify, **_DECLARED)
        self._run(url, rows, spec, 1)
        return 0.0

    def _run(self, url: str, rows: int, spec: Backfill, workers: int) -> None:
        ended = backfilling.run(url, spec, backfilling.Options(workers=workers, folder=self._folder))
        if not ended.verified or ended.rows != rows:
            raise RuntimeError(f"it is not done: {ended}")

    def _command(self, url: str, rows: int) -> float:
        command = [sys.executable, "-m", "stationmaster.cli.main", "backfill", "run", "--database", url, "--spec",
                   str(self._folder / "backfills.yaml"), "--json"]  # fmt: skip
        env = {**os.environ, "STATIONMASTER_HOME": str(self._folder / "home")}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as one:
            assert one.stdout is not None  # noqa: S101 - it is a pipe
            said = one.stdout.read()
            _, status, usage = os.wait4(one.pid, 0)
            one.returncode = os.waitstatus_to_exitcode(status)
        if one.returncode != 0 or json.loads(said)["rows"] != rows:
            raise RuntimeError(f"it is not done: {said.decode()}")
        return round(usage.ru_maxrss / 1024, 1)

    def _orm(self, url: str, rows: int) -> float:
        """A loop as people write it: a thousand objects at a time, in the order of their keys."""
        engine = create_engine(url)
        last = 0
        while last < rows:
            with Session(engine) as session, session.begin():
                found = session.scalars(select(Order).where(Order.id > last).order_by(Order.id).limit(1000)).all()
                for one in found:
                    one.total_minor = int(one.total * 100)
                last = found[-1].id
        engine.dispose()
        return 0.0

    # What is around them

    def _admin(self, sql: str) -> None:
        with self._postgres.connect() as connection:
            connection.execute(sql.encode())

    def _wal(self) -> int:
        with self._postgres.connect() as connection:
            row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").fetchone()
        return int(row[0]) if row else 0

    def _must_be_done(self, url: str, rows: int) -> None:
        with connect(url) as connection:
            row = connection.execute(_RIGHT.encode()).fetchone()
        if row != (rows,):
            raise RuntimeError(f"{row} of {rows} rows are right")

    @contextmanager
    def _writer(self, url: str) -> Iterator[list[float]]:
        """One client that changes a random row some times a second; what it waited is there when the block is over. It
        ends, with its log whole, when the table has another name.
        """
        logs = Path(tempfile.mkdtemp(dir=self._folder))
        (logs / "write.sql").write_text(_WRITE.format(rows=self._rows))
        command = [str(PGBENCH), "-n", "-c", "1", "-R", str(WRITES), "-T", "36000", "-f", str(logs / "write.sql"), "-l",
                   f"--log-prefix={logs / 'log'}", url.replace("+psycopg", "")]  # fmt: skip
        waits: list[float] = []
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as writing:
            time.sleep(0.5)
            try:
                yield waits
            finally:
                with connect(url) as connection:
                    connection.execute("ALTER TABLE orders RENAME TO renamed")
                    writing.wait(60)
                    connection.execute("ALTER TABLE renamed RENAME TO orders")
        for log in logs.glob("log*"):
            for line in log.read_text().splitlines():
                _client, _number, took, _script, _second, _micro, late = map(int, line.split())
                waits.append((took - late) / 1000)
        shutil.rmtree(logs)


_DECLARED: dict[str, Any] = {"name": "minor", "table": "orders", "key": "id", "tenant": "tenant", "todo": _TODO}
