"""The sandbox's own small services as the supervisor's units; the Slack-shaped receiver is one."""

import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from stationmaster.blocks.supervisor import Supervisor, Unit
from stationmaster.deployments import wanted
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.domain.errors import OutsideError

_START = 20.0  # seconds
CHAT = "messages"
_TOKEN = "SLACK_TOKEN"  # noqa: S105 - the variable's name


class ServiceDidNotStartError(OutsideError):
    """A service of the sandbox did not answer."""

    code = "service_did_not_start"


def start_chat(stack: Descriptor, supervisor: Supervisor) -> tuple[str, str]:
    """The address of the page with the messages, and the token that posts them; as they were, if it ran before."""
    run = Path(stack.run)
    unit = _chat_before(run) or _chat(run)
    supervisor.ensure(unit)
    url = f"http://127.0.0.1:{unit.argv[unit.argv.index('--port') + 1]}"
    wait_for(lambda: httpx.get(url, timeout=1).is_success, CHAT, stack)
    return url, unit.env[_TOKEN]


def _chat_before(run: Path) -> Unit | None:
    return next((unit for unit in wanted.read(run) if unit.name == CHAT), None)


def _chat(run: Path) -> Unit:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ("--port", str(port), "--data", str(run / "messages.jsonl"))
    return service(run, CHAT, "slack", arguments, {_TOKEN: secrets.token_urlsafe(24)})


def service(run: Path, name: str, module: str, arguments: tuple[str, ...], env: dict[str, str]) -> Unit:
    """The unit that runs a module of the sandbox, with nothing of the person's shell in it."""
    return Unit(
        name=name,
        argv=(sys.executable, "-m", f"stationmaster.deployments.sandbox.{module}", *arguments),
        env={"PATH": os.defpath, "HOME": str(run / "home"), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **env},
        log=str(run / "logs" / f"{name}.log"),
    )


def wait_for(ready: Callable[[], bool], name: str, stack: Descriptor) -> None:
    """Return when it is ready.

    Raises:
        ServiceDidNotStartError: it is not in time.
    """
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if ready():
                return
        time.sleep(0.1)
    raise ServiceDidNotStartError(
        f"{name} does not answer after {_START:.0f} s", hint=f"see {stack.run}/logs/{name}.log"
    )
