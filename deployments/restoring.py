"""Brings back what ran beside the stack when it ended: the proxy with its routes, instances, whatever asked them.

It works from the run directory alone, for any product, after `down`, a kill or a restart of the machine. Instances come
first and are waited for, so that nobody is let in before somebody answers.
"""

import time
from pathlib import Path

from stationmaster.blocks import haproxy
from stationmaster.blocks.supervisor import SOCKET, Supervisor, Unit
from stationmaster.deployments import wanted
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.detach import SupervisorDidNotStartError, start_supervisor

# `up` starts these itself, as they are now
STACK = frozenset({"postgres", "prefect-server", "worker", "watchdog", "receiver", "inbox"})
_HEALTHY = 60.0  # seconds until every route must have somebody behind it
_FREED = 3.0  # seconds that a port is given to become free
_LOOK = 0.1


def begin(found: Descriptor) -> Descriptor:
    """Start the supervisor on the port that tenants know, or on another one when somebody took it meanwhile."""
    run = Path(found.run)
    if found.front is None:
        start_supervisor(run)
        return found
    _start(run, _port(found.front))
    port = Supervisor(socket=str(run.resolve() / SOCKET)).ping().front_port
    moved = found.model_copy(update={"front": f"http://127.0.0.1:{port}"})
    if moved != found:
        moved.save()
    return moved


def restore(found: Descriptor, supervisor: Supervisor) -> list[str]:
    """Start what is wanted and does not run. The backends that tenants are routed to and that did not become healthy.

    A process that knew the front by an address it no longer has is told the new one.
    """
    units = [_at(unit, found.front) for unit in wanted.read(Path(found.run)) if unit.name not in STACK]
    routed = set(supervisor.routes().values())
    for unit in units:
        if unit.name in routed or unit.pass_front:
            supervisor.ensure(unit)
    missing = _wait(found, routed) if units else []
    for unit in units:
        supervisor.ensure(unit)
    return missing


def _at(unit: Unit, front: str | None) -> Unit:
    if front is None or "--front" not in unit.argv:
        return unit
    place = unit.argv.index("--front") + 1
    argv = (*unit.argv[:place], front.removeprefix("http://"), *unit.argv[place + 1 :])
    return unit.model_copy(update={"argv": argv})


def _start(run: Path, port: int) -> None:
    """The last supervisor may still be about to end, and hold the port and the directory for a moment."""
    deadline = time.monotonic() + _FREED
    while time.monotonic() < deadline:
        try:
            start_supervisor(run, port)
        except SupervisorDidNotStartError:
            time.sleep(_LOOK)
        else:
            return
    start_supervisor(run)


def _port(front: str) -> int:
    return int(front.rpartition(":")[2])


def _wait(found: Descriptor, routed: set[str]) -> list[str]:
    deadline = time.monotonic() + _HEALTHY
    stats = str(Path(found.run) / haproxy.STATS)
    while (missing := [name for name in sorted(routed) if not _healthy(stats, name)]) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    return missing


def _healthy(stats: str, backend: str) -> bool:
    """A fresh HAProxy calls every server up until it has looked for the first time."""
    try:
        row = haproxy.server_row(stats, backend)
        return row["status"].startswith("UP") and row["check_status"].endswith("L7OK")
    except (haproxy.ProxyGoneError, haproxy.ProxyRefusedError):
        return False
