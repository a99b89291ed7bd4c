"""The sandbox's own small services as the supervisor's units: the Slack-shaped receiver and the traffic."""

import contextlib
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from stationmaster.blocks.supervisor import Supervisor, Unit
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.sandbox.traffic_log import TrafficLog
from stationmaster.deployments.sandbox.traffic_plan import traffic_plan
from stationmaster.domain.errors import OutsideError

_START = 20.0  # seconds
_FLOWING = 50  # answers a second from which traffic counts as flowing
CHAT, TRAFFIC = "messages", "traffic"


class ServiceDidNotStartError(OutsideError):
    """A service of the sandbox did not answer."""

    code = "service_did_not_start"


def start_chat(stack: Descriptor, supervisor: Supervisor) -> tuple[str, str]:
    """The address of the page with the messages, and the token that posts them."""
    run, token = Path(stack.run), secrets.token_urlsafe(24)
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ("--port", str(port), "--data", str(run / "messages.jsonl"))
    supervisor.ensure(_unit(run, CHAT, "slack", arguments, {"SLACK_TOKEN": token}))
    url = f"http://127.0.0.1:{port}"
    _wait(lambda: httpx.get(url, timeout=1).is_success, CHAT, stack)
    return url, token


def start_traffic(stack: Descriptor, supervisor: Supervisor, password: str) -> TrafficLog:
    """Requests of every tenant at its rate, until the sandbox ends; returns when they are answered."""
    run = Path(stack.run)
    plan = run / "traffic.json"
    plan.write_text(json.dumps(traffic_plan(password)))
    plan.chmod(0o600)
    log = TrafficLog(run / "traffic.jsonl")
    front = str(stack.front).removeprefix("http://")
    supervisor.ensure(
        _unit(run, TRAFFIC, "traffic", ("--front", front, "--plan", str(plan), "--out", str(log.path)), {})
    )
    _wait(lambda: log.rate() > _FLOWING, TRAFFIC, stack)
    return log


def _unit(run: Path, name: str, module: str, arguments: tuple[str, ...], env: dict[str, str]) -> Unit:
    return Unit(
        name=name,
        argv=(sys.executable, "-m", f"stationmaster.deployments.sandbox.{module}", *arguments),
        env={"PATH": os.defpath, "HOME": str(run / "home"), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **env},
        log=str(run / "logs" / f"{name}.log"),
    )


def _wait(ready: Callable[[], bool], name: str, stack: Descriptor) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if ready():
                return
        time.sleep(0.1)
    raise ServiceDidNotStartError(
        f"{name} does not answer after {_START:.0f} s", hint=f"see {stack.run}/logs/{name}.log"
    )
