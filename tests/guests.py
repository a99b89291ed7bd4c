"""Guests of our own modules, forked off this process: what starting a Python costs is paid where that is the subject.

Everything but the start is as in `blocks/guest.py`: a process of its own with the environment that a guest has, its
folder, its log, its time limit and its exit code.
"""

import importlib
import os
import runpy
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from stationmaster.blocks import guest

_OURS = "stationmaster."
_EVERY = 0.005  # seconds


def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, for one test."""
    started = guest._call

    def call(command: tuple[str, ...], cwd: Path, seen: dict[str, str], log: Path, timeout: float) -> int:
        if not _is_ours(command):
            return started(command, cwd, seen, log, timeout)
        log.parent.mkdir(parents=True, exist_ok=True)
        child = os.fork()
        if child == 0:
            _become(command, cwd, seen, log)
        return _code(child, time.monotonic() + timeout)

    # What a child imports by itself it would import each time.
    for name in ("migrations", "migration_fanout", "migration_upgrade", "migration_ways_back", "migration_recording"):
        importlib.import_module(f"{_OURS}blocks.{name}")
    monkeypatch.setattr(guest, "_call", call)


def _is_ours(command: tuple[str, ...]) -> bool:
    return command[0] == sys.executable and (command[1] == "-I" or command[3].startswith(_OURS))


def _code(child: int, end: float) -> int:
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise guest.GuestTimeoutError("it did not end in its time")
        time.sleep(_EVERY)


def _become(command: tuple[str, ...], cwd: Path, seen: dict[str, str], log: Path) -> NoReturn:
    code = 1
    try:
        os.setsid()
        _streams(log)
        os.environ.clear()
        os.environ.update(seen)
        os.chdir(cwd)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        _run(command)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else bool(ended.code)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:  # noqa: BLE001 - as Python itself would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _streams(log: Path) -> None:
    out, nothing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), os.open(os.devnull, os.O_RDONLY)
    for number, place in enumerate((nothing, out, out)):
        os.dup2(place, number)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115


def _run(command: tuple[str, ...]) -> None:
    if command[2] == "-m":
        sys.argv = list(command[3:])
        importlib.import_module(command[3]).main()
        return
    sys.argv = ["-c", *command[4:]]
    sys.modules.pop(f"{_OURS}blocks.migration_recording", None)  # as a process of its own has it: not yet imported
    exec(command[3], {"__name__": "__main__", "runpy": runpy, "types": ModuleType})  # noqa: S102 - our own text
