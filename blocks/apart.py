"""An artifact that runs apart from every instance while it is asked something: no tenant is led to it, the proxy does
not know it, and it dies with whoever asks.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.blocks import guest, unix_http
from stationmaster.blocks.instances import InstanceDidNotStartError, WrongDigestError
from stationmaster.blocks.slot import Wanted

if TYPE_CHECKING:
    from subprocess import Popen

_ANSWER = 2.0  # seconds it has to answer a question
_LOOK = 0.05  # seconds between looks


@contextmanager
def apart(command: tuple[str, ...], env: Mapping[str, str], run_dir: Path, wanted: Wanted) -> Iterator[str]:
    """The socket on which the command's process answers, healthy, for as long as the block lasts. In `command`
    {socket} is replaced.

    Raises:
        InstanceDidNotStartError: it ended, or was not healthy in time.
        WrongDigestError: it says that it is something else.
    """
    name = f"apart-{wanted.digest[7:15]}-{os.getpid()}"
    home, log, socket = run_dir / "home" / name, run_dir / "logs" / f"{name}.log", run_dir / "i" / f"{name}.sock"
    home.mkdir(parents=True, exist_ok=True)
    argv = tuple(word.replace("{socket}", str(socket)) for word in command)
    try:
        with guest.alongside(argv, cwd=home, seen=guest.environment(home, env), log=log) as child:
            _wait(child, str(socket), log, wanted)
            yield str(socket)
    finally:
        socket.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        shutil.rmtree(home, ignore_errors=True)


def _wait(child: "Popen[bytes]", socket: str, log: Path, wanted: Wanted) -> None:
    deadline = time.monotonic() + wanted.timeout
    while True:
        answer = unix_http.get(socket, wanted.health, _ANSWER)
        said = (unix_http.get_json(socket, wanted.version, _ANSWER) or {}).get("digest") if answer else None
        if said not in (None, wanted.digest):
            raise WrongDigestError(f"it says that it runs {said}, but it was given {wanted.digest}")
        if answer and answer[0] == HTTPStatus.OK and said:
            return
        if child.poll() is not None:
            raise _did_not_start(f"ended with exit code {child.returncode}", log, wanted)
        if time.monotonic() > deadline:
            raise _did_not_start(f"is not healthy after {wanted.timeout:.0f} s", log, wanted)
        time.sleep(_LOOK)


def _did_not_start(what: str, log: Path, wanted: Wanted) -> InstanceDidNotStartError:
    said = guest.tail(log)
    for secret in wanted.secrets:
        said = said.replace(secret, "…")
    return InstanceDidNotStartError(f"{wanted.digest[:19]}… {what}\n{said}".rstrip())
