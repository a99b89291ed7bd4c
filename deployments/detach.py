"""How a process leaves its terminal and parent, and how it becomes the parent of what its children leave behind.

It also starts the supervisor that way. It owns no processes itself.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stationmaster.blocks.supervisor import SOCKET, Supervisor
from stationmaster.domain.errors import OutsideError

_PR_SET_CHILD_SUBREAPER = 36
_START = 30.0  # seconds


class SupervisorDidNotStartError(OutsideError):
    """The supervisor ended before it served."""

    code = "supervisor_did_not_start"


def start_supervisor(run_dir: Path, port: int = 0) -> Supervisor:
    """Start a detached supervisor over `run_dir`, with the front socket on `port` (0: a free one).

    Raises:
        SupervisorDidNotStartError: the port is taken, or another supervisor owns the directory; it says which.
    """
    command = (sys.executable, "-m", "stationmaster.deployments.supervisor", str(run_dir), "--port", str(port))
    done = subprocess.run((*command, "--detach"), capture_output=True, text=True, timeout=_START, check=False)
    if done.returncode != 0:
        raise SupervisorDidNotStartError(
            done.stderr.strip() or f"the supervisor ended with exit code {done.returncode}",
            hint="choose another port, or end the other one: `stationmaster down`",
        )
    return Supervisor(socket=str(run_dir.resolve() / SOCKET))


def detach(log: Path) -> Callable[[], None]:
    """Go on in a child with a session of its own, output in `log`. Returns what the child calls when it is ready.

    The parent waits for that and exits 0, or exits 1 when the child ended before; the child keeps the parent's
    standard error until it is ready, so that its reason is read by whoever started us.
    """
    reading, writing = os.pipe()
    if os.fork() > 0:
        os.close(writing)
        os._exit(0 if os.read(reading, 1) else 1)
    os.close(reading)
    os.setsid()
    os.chdir("/")

    def ready() -> None:
        _redirect(log)
        os.write(writing, b"1")
        os.close(writing)

    return ready


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends below us (Linux), so that none escapes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


async def end_orphans(within: float = 5) -> None:
    """Kill every child of this process, and their children as they are adopted. Called when all units have ended."""
    for _ in range(int(within / 0.02)):
        children = _children()
        if not children:
            return
        for pid in children:
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        await asyncio.sleep(0.02)


def _children() -> list[int]:
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in listing.read_text().split()] if listing.exists() else []


def _redirect(log: Path) -> None:
    with Path(os.devnull).open("rb") as nothing, log.open("ab") as out:
        os.dup2(nothing.fileno(), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
