"""Runs the product's own commands: a child process with a scrubbed environment, a time limit and a log file.

Product code is a guest: it never runs beside block secrets or signing keys, and it dies with us.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from stationmaster.blocks import space
from stationmaster.blocks.passwords import without_passwords
from stationmaster.domain.errors import InputError, OutsideError, RefusedError

_LEASH = str(Path(__file__).with_name("leash.py"))  # run as a file: what lies in an export must not replace it
_TAIL = 12  # lines of the log that an error shows
_TAIL_BYTES = 1 << 16
_GRACE = 5.0  # seconds the leash has to end everything
_SIGNALLED = 128  # a shell's way to say that a signal ended a command


@dataclass(frozen=True)
class Finished:
    """A guest that ended well: how long it took, and the path of its log."""

    seconds: float
    log: str


class GuestFailedError(RefusedError):
    """The product's command ended with an exit code other than 0."""

    code = "guest_failed"

    def __init__(self, command: str, returncode: int, log: Path, said: str) -> None:
        super().__init__(
            f"`{command}` ended with exit code {returncode}{_cause(returncode)}\n{said}",
            hint=f"the whole log: {log}",
        )
        self.returncode = returncode
        self.said = said


class GuestTimeoutError(OutsideError):
    """The product's command did not end in its time."""

    code = "guest_timeout"


class CommandNotFoundError(InputError):
    """The program does not exist on the guest's PATH."""

    code = "command_not_found"


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """What a guest sees: PATH with our Python first, a home of its own, and what its step gives it."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        **extra,
    }


def run(
    command: tuple[str, ...], *, cwd: Path, home: Path, log: Path, timeout: float, env: Mapping[str, str] | None = None
) -> Finished:
    """Run `command` to its end. Passwords that `env` gives it are not repeated in errors.

    Raises:
        GuestFailedError: exit code other than 0; the message ends with the last lines of the log.
        GuestTimeoutError: not done after `timeout` seconds; everything it started is killed.
        CommandNotFoundError: no such program.
        NoSpaceError: the disk is full, for its files or for its log.
    """
    seen = environment(home, env or {})
    started = time.monotonic()
    code = _call(command, cwd, seen, log, timeout)
    if code != 0:
        raise _failed(_shown(command, seen), code, log, without_passwords(tail(log), seen))
    return Finished(round(time.monotonic() - started, 3), str(log))


def _failed(command: str, code: int, log: Path, said: str) -> GuestFailedError | space.NoSpaceError:
    """A full disk is not the product's fault, and may have taken its words too."""
    if space.was_short(log.parent, said):
        return space.no_space(f"what `{command}` writes", log.parent, said=said)
    return GuestFailedError(command, code, log, said)


def tail(log: Path, lines: int = _TAIL) -> str:
    """The last lines of a log, indented."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace").rstrip().splitlines()
    return "\n".join(f"    {_printable(line[:300])}" for line in text[-lines:])


def _printable(line: str) -> str:
    """Without what would turn a terminal's text around, or what a database refuses to store, NUL above all."""
    return "".join(sign if sign.isprintable() or sign == "\t" else "·" for sign in line)


@contextmanager
def alongside(
    command: tuple[str, ...], *, cwd: Path, seen: Mapping[str, str], log: Path, fds: tuple[int, ...] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """`command` runs for as long as the block lasts, in the environment `seen`; with it ends all that it started. It
    gets the file descriptors `fds` and no others of ours.

    Raises:
        CommandNotFoundError: no such program.
    """
    _must_exist(command[0], seen["PATH"], cwd)
    leashed = (sys.executable, "-I", "-S", _LEASH, str(os.getpid()), *command)
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as out,
        subprocess.Popen(
            leashed,
            cwd=cwd,
            env=seen,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            pass_fds=fds,
        ) as child,  # fmt: skip
    ):
        try:
            yield child
        finally:
            _end(child)


def _call(command: tuple[str, ...], cwd: Path, seen: dict[str, str], log: Path, timeout: float) -> int:
    with alongside(command, cwd=cwd, seen=seen, log=log) as child:
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise GuestTimeoutError(
                f"`{_shown(command, seen)}` did not end within {timeout:.0f} s\n{without_passwords(tail(log), seen)}",
                hint="raise `timeout` in stationmaster.yaml, or see the log",
                file=str(log),
            ) from None


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ask the leash to end what it holds; it does so by itself when the command ends."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()


def _shown(command: tuple[str, ...], seen: Mapping[str, str]) -> str:
    return without_passwords(" ".join(command), seen)


def _cause(returncode: int) -> str:
    try:
        return f" ({signal.Signals(returncode - _SIGNALLED).name})" if returncode > _SIGNALLED else ""
    except ValueError:
        return ""


def _must_exist(program: str, path: str, cwd: Path) -> None:
    places = [(cwd / program).parent] if os.sep in program else [Path(place) for place in path.split(os.pathsep)]
    name = Path(program).name
    if not any((place / name).is_file() and os.access(place / name, os.X_OK) for place in places):
        known = {entry.name for place in places if place.is_dir() for entry in place.iterdir()}
        where = f"in {cwd}" if os.sep in program else f"on {path}"
        raise CommandNotFoundError(
            f"the product's command {program!r} is no executable file {where}", hint=_near(name, known)
        )


def _near(name: str, known: set[str]) -> str:
    if name in known:
        return f"make it executable: git update-index --chmod=+x {name}"
    close = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"install {name!r}, or mend the command in stationmaster.yaml"
