"""One child process of the supervisor: started on a leash, kept alive with growing pauses, stopped with its group.

Single-threaded on purpose: the kernel's leash (PR_SET_PDEATHSIG) snaps when the *thread* that spawned a child ends,
so everything here runs on the supervisor's main thread. It does not know what the processes are for.
"""

import asyncio
import contextlib
import logging
import os
import pwd
import signal
import subprocess
from pathlib import Path
from typing import IO, Any

from stationmaster.blocks.leash import die_with_parent
from stationmaster.blocks.supervisor import Unit, UnitStatus

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds; PostgreSQL needs some 2 s until its dead children let go of memory
_STEADY = 10.0  # seconds after which an end counts as a first one again
_TAIL = 4096  # bytes of the log that a status shows
_NOT_STARTED = 127  # as a shell says it
_log = logging.getLogger("stationmaster.supervisor")


class Child:
    """A unit and its process, if it has one."""

    def __init__(self, unit: Unit, front: int) -> None:
        self.unit = unit
        self.pid: int | None = None
        self._front = front
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = self._failures = self._log_start = self._tail_start = 0
        self._last_exit: int | None = None
        self._started = 0.0
        self._wanted = True
        self._retry: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether a process runs and is meant to."""
        return self.pid is not None and self._wanted

    def start(self) -> None:
        """Spawn the process; one that cannot be spawned counts as ended with exit code 127."""
        self._drop_retry()
        self._ended.clear()
        self._wanted = True
        self._started = asyncio.get_running_loop().time()
        with _log_of(self.unit) as log:
            self._log_start, self._tail_start = log.tell(), self._log_start if self._restarts else log.tell()
            try:
                self._process = spawn(self.unit, log, self._front)
                self.pid = self._process.pid
                _log.info("%s (%d) started", self.unit.name, self.pid)
            except (OSError, KeyError, subprocess.SubprocessError) as error:
                with contextlib.suppress(OSError):  # no room for it; the exit code says it too
                    log.write(f"cannot start {self.unit.argv[0]}: {error}\n".encode())
                self.ended(_NOT_STARTED)

    def ended(self, code: int) -> None:
        """The process is gone. What it left in its group goes too, unless a stop gives that its own time."""
        _log.info("%s (%s) ended: %d", self.unit.name, self.pid, code)
        if self._process is not None:
            self._process.returncode = code  # it was reaped by the supervisor, not through Popen
        if self.pid is not None and self._wanted:
            _signal_group(self.pid, signal.SIGKILL)
        self.pid, self._process, self._last_exit = None, None, code
        self._ended.set()
        if self._wanted and self.unit.restart:
            self._start_later()

    async def stop(self, grace: float) -> None:
        """Ask the whole group to stop, kill what is left of it after `grace` seconds, return when it is gone."""
        self._wanted = False
        self._drop_retry()
        group = self.pid
        if group is None:
            return
        _signal_group(group, signal.Signals[self.unit.stop_signal])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._ended.wait()
                while _signal_group(group, 0):  # noqa: ASYNC110 - nobody tells when a group is empty
                    await asyncio.sleep(0.02)
        _signal_group(group, signal.SIGKILL)
        await self._ended.wait()

    def status(self) -> UnitStatus:
        """What is known of it now."""
        return UnitStatus(
            name=self.unit.name,
            label=self.unit.label,
            state=self._state(),
            pid=self.pid,
            restarts=self._restarts,
            last_exit=self._last_exit,
            tail=self._tail(),
            began=self._log_start,
        )

    def _state(self) -> Any:  # noqa: ANN401 - UnitStatus checks the word
        if self.pid is not None:
            return "running" if self._wanted else "stopping"
        return "waiting" if self._retry is not None else "exited"

    def _start_later(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._started > _STEADY:
            self._failures = 0
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        self._retry = loop.call_later(pause, self._restart)

    def _restart(self) -> None:
        self._restarts += 1
        self.start()

    def _drop_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _tail(self) -> str:
        try:
            with Path(self.unit.log).open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._tail_start, end - _TAIL))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""


def _log_of(unit: Unit) -> IO[bytes]:
    """Its log file; nowhere when that cannot be opened, because a process without a log serves and none does not."""
    path = Path(unit.log)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab", buffering=0)
    except OSError as error:
        _log.warning("%s goes on without its log %s: %s", unit.name, path, error.strerror)
        return Path(os.devnull).open("ab", buffering=0)


def spawn(unit: Unit, log: IO[bytes], front: int) -> "subprocess.Popen[bytes]":
    """Start the unit's process in a session of its own; the kernel stops it when this thread ends."""
    env = {name: os.environ[name] for name in unit.inherit if name in os.environ} | unit.env
    if unit.pass_front:
        env["FRONT_FD"] = str(front)
    return subprocess.Popen(
        unit.argv,
        env=env,
        cwd=unit.cwd,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        pass_fds=(front,) if unit.pass_front else (),
        preexec_fn=_leash(signal.Signals[unit.stop_signal]),  # noqa: PLW1509 - safe: we have one thread
        **_identity(unit.user),
    )


def _leash(signum: signal.Signals) -> Any:  # noqa: ANN401 - what Popen takes
    supervisor = os.getpid()

    def in_child() -> None:
        die_with_parent(signum)  # after setuid, which would clear it
        if os.getppid() != supervisor:  # it died before the kernel knew of the leash
            os._exit(1)

    return in_child


def _identity(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _signal_group(group: int, signum: int) -> bool:
    """Whether the group still had a process."""
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return False
    return True
