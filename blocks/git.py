"""Runs git over one bare repository: no prompt, no hook, no setting that changes what git prints, a time limit.

What is asked of git is `source.py`'s. A password inside an address never comes back in a message.
"""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stationmaster.blocks import space
from stationmaster.domain.errors import OutsideError

TIMEOUT = 120  # seconds for one command
_SETTINGS = (
    "core.hooksPath=/dev/null", "core.autocrlf=false", "i18n.logOutputEncoding=UTF-8", "log.showSignature=false",
    "versionsort.suffix=-",  # 1.2.0 is newer than 1.2.0-rc1
    "gc.auto=0", "maintenance.auto=0",  # a commit that a tenant runs stays although its branch was deleted
)  # fmt: skip
_OPTIONS = tuple(part for setting in _SETTINGS for part in ("-c", setting))
_USER = re.compile(r"(?<=://)[^/@\s]*@")


class SourceUnreachableError(OutsideError):
    """git could not do what was asked."""

    code = "source_unreachable"


class SourceSlowError(SourceUnreachableError):
    """git did not end in time."""

    code = "source_slow"


@dataclass(frozen=True)
class Done:
    """What git answered."""

    code: int
    out: bytes
    said: str


@dataclass(frozen=True)
class Git:
    """git with `folder` as its repository, which need not exist yet. `name` is what messages call it."""

    folder: str
    name: str
    timeout: float = TIMEOUT

    def text(self, *arguments: str, **environment: str) -> str:
        """What git prints, as text. Errors as `content`."""
        return self.content(*arguments, **environment).decode(errors="replace")

    def content(self, *arguments: str, **environment: str) -> bytes:
        """What git prints; raises SourceUnreachableError when it fails, NoSpaceError when that was for want of room."""
        done = self.call(arguments, environment)
        if done.code != 0:
            folder = Path(environment.get("GIT_WORK_TREE", self.folder))
            if space.was_short(folder, done.said):
                raise space.no_space(f"what git {arguments[0]} writes", folder, said=done.said[-400:])
            raise self._failed(arguments[0], done)
        return done.out

    def bytes(self, *arguments: str) -> bytes | None:
        """What git prints, or None when it says no. Raises SourceUnreachableError when a signal ended it: it said
        nothing then.
        """
        done = self.call(arguments, {})
        if done.code < 0:
            raise self._failed(arguments[0], done)
        return done.out if done.code == 0 else None

    def _failed(self, command: str, done: Done) -> SourceUnreachableError:
        why = f"it was ended by signal {-done.code}" if done.code < 0 else done.said[-400:]
        return SourceUnreachableError(
            f"git {command} failed for {self.name}: {why}",
            hint="check the source block's url and that this machine may read it",
        )

    def call(self, arguments: tuple[str, ...], environment: dict[str, str]) -> Done:
        """One command to its end. It has no terminal, so that ssh cannot ask for anything either."""
        try:
            git = subprocess.Popen(
                ("git", *_OPTIONS, *arguments), cwd="/", env={**_environment(self.folder), **environment},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise SourceUnreachableError("git is not installed", hint="install git") from None
        with git:
            try:
                out, said = git.communicate(timeout=self.timeout)
            except subprocess.TimeoutExpired:
                raise SourceSlowError(
                    f"git {arguments[0]} did not end within {self.timeout:.0f} s for {self.name}",
                    hint="check the network between this machine and the repository, then try again",
                ) from None
            finally:
                _kill(git)
        return Done(git.returncode, out, shown(said.decode(errors="replace").strip()))


def shown(text: str) -> str:
    """The text without user names and passwords in addresses."""
    return _USER.sub("", text)


def _kill(git: "subprocess.Popen[bytes]") -> None:
    """Ends git and what it started (ssh, a remote helper), unless it has ended by itself."""
    if git.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(git.pid, signal.SIGKILL)


def _environment(folder: str) -> dict[str, str]:
    """The person's settings for reaching a host stay. Those of a repository do not: we may run inside a git hook."""
    ours = {name: value for name, value in os.environ.items() if not _of_a_repository(name)}
    return {**ours, "GIT_DIR": folder, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _of_a_repository(name: str) -> bool:
    kept = ("GIT_SSH", "GIT_ASKPASS", "GIT_CONFIG", "GIT_PROXY", "GIT_SSL", "GIT_HTTP", "GIT_ALLOW_PROTOCOL")
    return name.startswith("GIT_") and not name.startswith(kept)
