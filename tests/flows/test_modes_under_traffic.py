"""A table is written anew in read-only mode under traffic: a real PostgreSQL with Alembic's own revisions, and a real
HAProxy before a product that reads and writes that table. How versions are started and watched is in memory.
"""

import hashlib
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from stationmaster.blocks.database import ProductDatabase
from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.haproxy import STATS
from stationmaster.blocks.instances import Instance
from stationmaster.blocks.supervisor import Fence
from stationmaster.deployments.sandbox import proxy
from stationmaster.domain.modes import Mode
from tests.blocks.target_conformance import FENCE
from tests.conftest import Postgres
from tests.fake_target import FakeTarget
from tests.flows.test_contract_on_postgresql import files
from tests.revisions import Scripts
from tests.shop import PRODUCT
from tests.stack import COMMAND, Stack, Traffic, ask, eventually, stack
from tests.world import Wired, World
from tests.world import world as made

pytestmark = pytest.mark.slow

ROWS = 150_000
TENANTS = ("acme", "birch")
SAYS = PRODUCT.replace("version: /about}", "version: /about, modes: {read_only: router}}").replace(
    "{migrations: migrations}", "{migrations: migrations, statement_limit: 2m}"
)
REWRITE = "ALTER TABLE orders ADD doubled int GENERATED ALWAYS AS (id * 2) STORED"
APP = """
import hashlib, json, os, sys
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer
import psycopg
DIGEST = "sha256:" + hashlib.sha256(open(__file__, "rb").read()).hexdigest()
class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer("SELECT id FROM orders WHERE id = 7" if self.path == "/" else None)
    def do_POST(self):
        self.answer("INSERT INTO orders (id) SELECT max(id) + 1 FROM orders ON CONFLICT DO NOTHING")
    def answer(self, statement):
        if statement:
            with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(statement)
        body = json.dumps({"version": "1", "digest": DIGEST}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
class Server(ThreadingUnixStreamServer):
    daemon_threads, request_queue_size = True, 64
Server(sys.argv[1], Shop).serve_forever()
"""


@dataclass
class Limiting(FakeTarget):
    """Versions in memory, modes in a real proxy."""

    real: SandboxTarget | None = None

    def set_mode(self, tenants: Sequence[str], mode: Mode | None, fence: Fence | None = None) -> None:
        assert self.real is not None
        super().set_mode(tenants, mode, fence)
        self.real.set_mode(tenants, mode, fence)


@dataclass
class Users(Traffic):
    """The same, told by method and moment."""

    asked: list[tuple[float, str, str]] = field(default_factory=list)  # when it was answered, method, status

    async def _ask(self, reader: StreamReader, writer: StreamWriter, tenant: str, method: str) -> str:
        status = await super()._ask(reader, writer, tenant, method)
        self.asked.append((time.monotonic(), method, status))
        return status


@pytest.fixture
def running() -> Iterator[Stack]:
    with stack() as started:
        yield started


@pytest.fixture
def world(postgres: Postgres, running: Stack, tmp_path: Path) -> Iterator[World]:
    """Version 1 serves the cloud's tenants from a table of many rows; version 2 would write that table anew."""
    names = ("stage", "cloud", "cedar")
    database = ProductDatabase(
        databases={name: SecretStr(postgres.create()) for name in names}, scratch=SecretStr(postgres.url("postgres"))
    )
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    scripts = Scripts.begin(tmp_path / "one" / "expand")
    for name in names:
        database.expand(name, scripts.revisions())
        with psycopg.connect(database.url(name).replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"INSERT INTO orders SELECT generate_series(1, {ROWS})".encode())
    with made() as one:
        target = Limiting(one.target.instances, one.target.runs, one.target.told, one.target.where)
        target.real = _serving(running, database.url("cloud"))
        one.target = target
        one.metrics.target = target
        wired: dict[str, Any] = {"database": database, "target": target}
        one.tools = replace(one.tools, **{name: Wired(name, tool, one.power) for name, tool in wired.items()})  # type: ignore[arg-type]
        more = files(tmp_path / "two" / "scripts", second=False)
        name, text = _rewriting(tmp_path / "two")
        one.commit("v2", product=SAYS, more={**more, name: text})
        yield one


def _rewriting(root: Path) -> tuple[str, str]:
    scripts = Scripts.begin(root / "more")
    scripts.add("e2", "e1", REWRITE)
    name = "migrations/versions/expand/e2.py"
    return name, (root / "more" / "export" / name).read_text()


def _serving(running: Stack, url: str) -> SandboxTarget:
    """The product before the release, behind the proxy."""
    running.supervisor.ensure(proxy.prepare(running.run_dir, ["cloud"]))
    place = {"supervisor": running.supervisor.socket, "stats": str(running.run_dir / STATS)}
    instances = {"cloud": Instance(environment="production", database=SecretStr(url))}
    target = SandboxTarget(**place, run_dir=str(running.run_dir), instances=instances)
    path, digest = _artifact(running)
    colour = target.start("cloud", path, digest, COMMAND, fence=FENCE, timeout=60)
    target.shift(TENANTS, "cloud", colour, FENCE)
    port = running.supervisor.ping().front_port
    eventually(lambda: ask(port, "acme")[0] == 200, within=30)
    return target


def _artifact(running: Stack) -> tuple[str, str]:
    path, _ = running.artifact("shop")
    path.write_text(APP)
    return str(path), f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_a_table_is_written_anew_while_everybody_reads_and_nobody_writes(world: World, running: Stack) -> None:
    world.start()
    world.approve()
    with Users(running.supervisor.ping().front_port, TENANTS, rate=40, connections=8) as users:
        time.sleep(1)
        assert world.start().name == "Released"
        over = time.monotonic()
        time.sleep(2)
    ways = {(method, status) for _, method, status in users.asked}
    assert ways == {("GET", "200"), ("POST", "200"), ("POST", "403")}, users.answers
    refused = [at for at, _, status in users.asked if status == "403"]
    wrote = [at for at, method, status in users.asked if (method, status) == ("POST", "200")]
    assert min(wrote) < min(refused)
    assert max(refused) < over < max(wrote)
    assert set(users.answers) <= {(tenant, status) for tenant in TENANTS for status in ("200", "403")}
    assert world.target.in_mode == {}
