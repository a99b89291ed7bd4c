"""The one process that owns all others: `python -m stationmaster.deployments.supervisor RUNDIR [--port N] [--detach]`.

It holds the front socket, starts and restarts what it is told to, and ends everything when it ends, however it ends.
It decides nothing about releases: wanted state comes in over a unix socket (`blocks/supervisor.py`).
"""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any

from stationmaster.blocks.supervisor import SOCKET, Fence, SupervisorFailedError, Unit
from stationmaster.deployments.children import Child
from stationmaster.deployments.detach import adopt_orphans, detach, end_orphans
from stationmaster.deployments.fences import Fences
from stationmaster.deployments.routing import Router
from stationmaster.deployments.wanted import Wanted
from stationmaster.domain.errors import StationmasterError

PROXY = "proxy"  # the unit that routes and modes are set in
_LINE = 1 << 20  # bytes of the longest request
_GRACE = 10.0  # seconds a unit has to stop when it is replaced or all end
_log = logging.getLogger("stationmaster.supervisor")


class Server:
    """Answers requests, one JSON object a line, on the main thread's event loop."""

    def __init__(self, run_dir: Path, front: socket.socket) -> None:
        self._run_dir, self._front = run_dir, front
        self._children: dict[str, Child] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._fences = Fences(run_dir / "fences.json")
        self._wanted = Wanted(run_dir)
        self._router = Router(run_dir, expected=lambda: PROXY in self._children)
        self._ending = False
        self.ended = asyncio.Event()
        self._ops: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "ping": self._ping,
            "ensure": self._ensure,
            "end": self._end,
            "units": self._units,
            "route": self._route,
            "routes": self._routes,
            "set_modes": self._set_modes,
            "modes": self._modes,
            "shutdown": self._shutdown,
        }

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one connection."""
        try:
            reply = await self._perform(json.loads(await reader.readline()))
        except StationmasterError as error:
            reply = {"ok": False, **error.record()}
        except Exception as error:  # noqa: BLE001 - one bad request must not end everything
            _log.exception("a request failed")
            reply = {"ok": False, "code": "internal", "message": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(reply).encode() + b"\n")
        writer.close()

    def reap(self) -> None:
        """Collect every process that ended, ours or adopted."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in [child for child in self._children.values() if child.pid == pid]:
                child.ended(os.waitstatus_to_exitcode(status))

    async def end_all(self) -> None:
        """Stop all units, the last started first, then whatever they left to us."""
        self._ending = True
        for name in reversed(list(self._children)):
            async with self._locks[name]:
                await self._forget(name, _GRACE)
        await end_orphans()
        self.ended.set()

    async def _perform(self, request: dict[str, Any]) -> dict[str, Any]:
        op = request.get("op")
        if op not in self._ops:
            raise SupervisorFailedError(f"no such operation: {op!r}")
        if fence := request.get("fence"):
            self._fences.admit(Fence.model_validate(fence))
        return {"ok": True, **await self._ops[op](request)}

    async def _ping(self, _: dict[str, Any]) -> dict[str, Any]:
        port = self._front.getsockname()[1]
        return {"pid": os.getpid(), "front_port": port, "run_dir": str(self._run_dir)}

    async def _ensure(self, request: dict[str, Any]) -> dict[str, Any]:
        unit = Unit.model_validate(request["unit"])
        async with self._locks[unit.name]:
            if self._ending:
                raise SupervisorFailedError("the supervisor is shutting down")
            child = self._children.get(unit.name)
            if child is not None and child.unit != unit:
                await self._forget(unit.name, _GRACE)
                child = None
            if child is None:
                child = self._children[unit.name] = Child(unit, self._front.fileno())
            self._wanted.add(unit)
            if not child.alive:
                child.start()
            return {"unit": child.status().model_dump()}

    async def _end(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._locks[request["name"]]:
            self._wanted.drop(request["name"])
            await self._forget(request["name"], request["grace"])
        return {}

    async def _forget(self, name: str, grace: float) -> None:
        if child := self._children.get(name):
            await child.stop(grace)
            self._children.pop(name, None)

    async def _units(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"units": [child.status().model_dump() for child in self._children.values()]}

    async def _route(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._router.route(request["routes"])
        return {}

    async def _routes(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"routes": self._router.routes()}

    async def _set_modes(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._router.set_modes(request["modes"])
        return {}

    async def _modes(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"modes": self._router.modes()}

    async def _shutdown(self, _: dict[str, Any]) -> dict[str, Any]:
        await self.end_all()
        return {}


async def serve(run_dir: Path, front: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until asked to shut down, by request or by SIGTERM."""
    server, loop, path = Server(run_dir, front), asyncio.get_running_loop(), run_dir / SOCKET
    stopping: list[asyncio.Task[None]] = []
    loop.add_signal_handler(signal.SIGCHLD, server.reap)
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, lambda: stopping.append(loop.create_task(server.end_all())))
    path.unlink(missing_ok=True)  # a killed predecessor's; the lock says that it is gone
    listener = await asyncio.start_unix_server(server.answer, path, limit=_LINE)
    ready()
    await server.ended.wait()
    listener.close()
    path.unlink(missing_ok=True)
    await asyncio.sleep(0.05)  # the answer to `shutdown` is still to be written


def own(run_dir: Path) -> IO[str]:
    """The lock that makes this the only supervisor of the run directory, held while the file is open."""
    lock = (run_dir / "supervisor.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another supervisor owns {run_dir}")
    return lock


def listen(port: int) -> socket.socket:
    """The front socket; a taken port ends us with a sentence."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=1024)
    except OSError as error:
        sys.exit(f"cannot listen on 127.0.0.1:{port}: {error.strerror}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="stationmaster.deployments.supervisor")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--detach", action="store_true", help="return when it serves; it goes on by itself")
    args = parser.parse_args()
    run_dir = args.run_dir.resolve()
    os.umask(0o077)
    ready = detach(run_dir / "supervisor.log") if args.detach else lambda: None
    with own(run_dir), listen(args.port) as front:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        adopt_orphans()
        asyncio.run(serve(run_dir, front, ready))


if __name__ == "__main__":
    main()
