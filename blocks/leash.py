"""Runs a command that dies with its parent, and with it every process that the command started.

`python -I -S leash.py PARENT COMMAND…` stays above the command and hands on its exit code (128 + n for signal n).
Linux only (PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER); elsewhere the command's process group is ended with it.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_NOT_EXECUTABLE = 126  # as a shell says it
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # a command expects to be ended by them


def die_with_parent(signum: int = signal.SIGKILL) -> None:
    """Ask the kernel to send `signum` to this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signum)


def main() -> NoReturn:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    die_with_parent(signal.SIGTERM)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the command orphans becomes our child, so that nothing escapes
    if os.getppid() != parent:  # the parent ended before the kernel knew: nobody waits for us
        os._exit(1)
    leash, child = os.getpid(), os.fork()
    if child == 0:
        _become(command, leash)
    try:
        code = os.waitstatus_to_exitcode(_end_of(child))
    finally:
        _end_all(child)
    sys.exit(code if code >= 0 else 128 - code)


def _become(command: list[str], leash: int) -> NoReturn:
    os.setpgid(0, 0)
    for signum in (signal.SIGTERM, *_IGNORED_BY_PYTHON):
        signal.signal(signum, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != leash:
        os._exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the product's own, see guest.py
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
        os._exit(_NOT_EXECUTABLE)


def _end_of(child: int) -> int:
    """The child's status; orphans that end meanwhile are buried."""
    pid, status = os.wait()
    while pid != child:
        pid, status = os.wait()
    return status


def _end_all(child: int) -> None:
    """Kill and bury until no descendant is left: whoever loses its parent becomes our child."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.wait()


def _children() -> list[int]:
    return [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == os.getpid()]


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return None  # it has ended


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)


if __name__ == "__main__":
    main()
