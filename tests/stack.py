"""What tests of running processes share: a supervisor over a short directory, a small application, and traffic.

The application is one standard-library file, so that an instance starts in a fraction of a second.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from stationmaster.blocks.supervisor import Supervisor, SupervisorGoneError, Unit
from stationmaster.deployments.detach import start_supervisor

COMMAND = (sys.executable, "{artifact}", "{socket}")
_APP = """
import asyncio, hashlib, json, os, sys
VERSION = "@VERSION@"
DIGEST = "sha256:" + hashlib.sha256(open(__file__, "rb").read()).hexdigest()
@BEFORE@
async def serve(reader, writer):
    while line := await reader.readline():
        method, path, _ = line.decode().split(" ")
        length = 0
        while (header := await reader.readline()) != b"\\r\\n":
            name, _, value = header.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
        await reader.readexactly(length)
        if path == "/drop":
            break
        if method == "POST" or path == "/slow":
            await asyncio.sleep(0.02 if method == "POST" else 0.6)
        status = "500 Oops" if path == "/boom" else "200 OK"
        body = json.dumps({"version": VERSION, "digest": DIGEST, "pid": os.getpid()}).encode()
        writer.write(f"HTTP/1.1 {status}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n".encode() + body)
        await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_unix_server(serve, sys.argv[1])
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass(frozen=True)
class Stack:
    """A run directory with its supervisor."""

    run_dir: Path
    supervisor: Supervisor

    def shell(self, name: str, script: str, **more: object) -> Unit:
        """A unit that runs a shell script."""
        values = {"env": {"PATH": os.defpath}, "log": str(self.run_dir / "logs" / f"{name}.log"), **more}
        return Unit.model_validate({"name": name, "argv": ("sh", "-c", script), **values})

    def artifact(self, version: str, before: str = "") -> tuple[Path, str]:
        """An application of that version: its file and its digest. `before` is run before it listens."""
        path = self.run_dir / f"app-{version}.py"
        path.write_text(_APP.replace("@VERSION@", version).replace("@BEFORE@", before))
        return path, f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@contextlib.contextmanager
def stack(port: int = 0) -> Iterator[Stack]:
    """A fresh supervisor, gone with everything it owns when the block ends."""
    run_dir = Path(tempfile.mkdtemp(dir="/tmp", prefix="stm-"))  # short: a socket's path has 97 characters
    try:
        supervisor = start_supervisor(run_dir, port)
        try:
            yield Stack(run_dir, supervisor)
        finally:
            with contextlib.suppress(SupervisorGoneError):
                supervisor.shutdown()
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


def eventually(true: Callable[[], object], within: float = 10) -> None:
    """Wait until `true()` is so."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"not so within {within} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> set[int]:
    """All processes below `pid`."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


@dataclass
class Traffic:
    """Constant keep-alive traffic on the front port, three requests in ten a POST, until the block ends.

    `answers` counts (tenant, what came back): a status, or the name of the error where nothing came.
    """

    port: int
    tenants: tuple[str, ...]
    rate: float = 100
    connections: int = 10
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)  # version: when it answered last
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def failed(self) -> dict[tuple[str, str], int]:
        return {key: count for key, count in self.answers.items() if key[1] != "200"}

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(self.connections)))

    async def _one(self, number: int) -> None:
        pause, turn = self.connections / self.rate, 0
        await asyncio.sleep(pause * number / self.connections)
        streams = None
        while not self._stop.is_set():
            tenant = self.tenants[(number + turn) % len(self.tenants)]
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                word = await self._ask(*streams, tenant, "POST" if turn % 10 < 3 else "GET")
            except (OSError, asyncio.IncompleteReadError) as error:
                if streams:
                    streams[1].close()
                word, streams = type(error).__name__, None
            self.answers[tenant, word] += 1
            turn += 1
            await asyncio.sleep(pause)
        if streams:
            streams[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tenant: str, method: str) -> str:
        writer.write(f"{method} / HTTP/1.1\r\nHost: x\r\nX-Tenant: {tenant}\r\nContent-Length: 0\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        if b'"version": "' in body:
            self.last[body.decode().partition('"version": "')[2].partition('"')[0]] = time.monotonic()
        return head.split(" ")[1]


async def _raw(port: int, tenant: str, path: str, method: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        line = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Tenant: {tenant}\r\nContent-Length: 0\r\n"
        writer.write(f"{line}Connection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    finally:
        writer.close()
    return (int(head.split(" ")[1]), body) if head else (0, "")


def ask(port: int, tenant: str, path: str = "/", method: str = "GET") -> tuple[int, str]:
    """Status and body of one request through the front port; 0 when it was closed without an answer."""
    return asyncio.run(_raw(port, tenant, path, method))
