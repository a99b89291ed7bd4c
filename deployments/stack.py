"""Brings up what Stationmaster itself needs, for any product: PostgreSQL, a Prefect server with its UI, a worker,
a watchdog; for a product also the receiver of its webhooks.

Every step converges: a stack that runs is left alone, one that is half there is completed.
"""

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from stationmaster.blocks.home import home
from stationmaster.blocks.supervisor import SOCKET, Supervisor, SupervisorGoneError, Unit
from stationmaster.deployments import descriptor, postgres, reception, restoring
from stationmaster.deployments.descriptor import Descriptor, NoStackError
from stationmaster.deployments.own_unit import own_unit
from stationmaster.domain.errors import InputError, OutsideError

Say = Callable[[str], None]
UI_PORT = 4200
_SERVER_START = 90.0  # seconds; 15 s on a busy machine, database included


class PortInUseError(InputError):
    """Somebody else listens there."""

    code = "port_in_use"


class ServerDidNotStartError(OutsideError):
    """The Prefect server did not answer in time."""

    code = "server_did_not_start"


def bring_up(say: Say, ui_port: int | None = None) -> Descriptor:
    """The stack, running, with its worker and deployments.

    Raises:
        PortInUseError: `ui_port` was asked for and is taken.
    """
    found = _running()
    if found is None:
        found = _begin(say, ui_port)
    supervisor, run = Supervisor(socket=found.supervisor), Path(found.run)
    supervisor.ensure(postgres.prepare(run))
    postgres.wait_ready(run)
    for name in ("prefect", "ledger"):
        postgres.create_database(run, name)
    for name in restoring.restore(found, supervisor):
        say(f"{name} is not healthy: its tenants are not served; see {run}/logs/{name}.log")
    supervisor.ensure(_server(found))
    say("waiting for the Prefect server")
    _wait(found, supervisor)
    found.connect()
    from stationmaster.deployments import registration  # noqa: PLC0415 - imports prefect, which costs a second

    registration.register()
    supervisor.ensure(_worker(found))
    supervisor.ensure(_watchdog(found))
    if found.product:
        found = reception.open_for(found, supervisor, say)
    say(f"Prefect UI: {found.prefect_ui} (user and password in {found.prefect_auth})")
    return found


def take_down(say: Say, *, delete: bool = False) -> None:
    """End every process of the stack. Data stays for the next `up` unless `delete`."""
    found = descriptor.load()
    with contextlib.suppress(SupervisorGoneError):
        Supervisor(socket=found.supervisor).shutdown()
    say("everything that `up` or `demo` started has ended")
    if delete:
        shutil.rmtree(found.run, ignore_errors=True)
        for copy in (home() / "blocks").glob(f"*/{found.product}.json"):
            copy.unlink(missing_ok=True)
        for folder in ("work", "mirrors"):
            shutil.rmtree(home() / folder, ignore_errors=True)
        descriptor.forget()
        say(f"{found.run} is deleted")


def _running() -> Descriptor | None:
    found = _before()
    with contextlib.suppress(SupervisorGoneError):
        if found is not None:
            Supervisor(socket=found.supervisor).ping()
            return found
    return None


def _begin(say: Say, ui_port: int | None) -> Descriptor:
    """A supervisor over the run directory of the last `up`, or over a new one. It is written down before it starts,
    so that a kill in between leaves nothing that `down` would not find.
    """
    port, before = free_port(ui_port), _before()
    run = Path(before.run) if before else Path(tempfile.mkdtemp(prefix="stm-", dir="/tmp"))
    for folder in ("logs", "home", "prefect", "tmp"):
        (run / folder).mkdir(exist_ok=True)
    found = Descriptor(
        run=str(run),
        supervisor=str(run.resolve() / SOCKET),
        prefect_ui=f"http://127.0.0.1:{port}",
        prefect_auth=str(_password(run)),
    )
    if before:
        kept = before.model_dump(include={"product", "front", "messages", "public_keys", "receiver"})
        found = found.model_copy(update=kept)
    found.save()
    say(f"starting PostgreSQL and Prefect in {run}")
    return restoring.begin(found)


def _before() -> Descriptor | None:
    """The stack that was brought up last, if its data is still there."""
    with contextlib.suppress(NoStackError):
        found = descriptor.load()
        return found if Path(found.run).is_dir() else None
    return None


def _password(run: Path) -> Path:
    auth = run / "prefect.auth"
    if not auth.exists():
        with os.fdopen(os.open(auth, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"stationmaster:{secrets.token_urlsafe(18)}\n")
    return auth


def free_port(wanted: int | None) -> int:
    """The wanted port, or an error; without a wish Prefect's own, or any free one."""
    for port in [wanted] if wanted else [UI_PORT, 0]:
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that ended a moment ago is free
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise PortInUseError(
        f"port {wanted} on 127.0.0.1 is in use", hint="end what listens there, or choose another --port"
    )


def _server(stack: Descriptor) -> Unit:
    environment = stack.prefect_environment()
    database = postgres.url(Path(stack.run), "prefect", "postgresql+asyncpg")
    return own_unit(
        stack,
        "prefect-server",
        ("prefect", "server", "start", "--host", "127.0.0.1", "--port", stack.prefect_ui.rpartition(":")[2]),
        {
            "PREFECT_API_DATABASE_CONNECTION_URL": database,
            "PREFECT_SERVER_API_AUTH_STRING": environment["PREFECT_API_AUTH_STRING"],
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_EVENTS_RELATED_RESOURCE_CACHE_TTL": "PT1S",  # a run that is tagged has its tag at once
        },
    )


def _worker(stack: Descriptor) -> Unit:
    return own_unit(
        stack,
        "worker",
        ("prefect", "worker", "start", "--pool", "stationmaster", "--type", "process", "--name", "stationmaster"),
        {"PREFECT_WORKER_QUERY_SECONDS": "1", "STATIONMASTER_HOME": str(home().resolve())},
    )


def _watchdog(stack: Descriptor) -> Unit:
    return own_unit(
        stack, "watchdog", ("stationmaster.cli.main", "watchdog"), {"STATIONMASTER_HOME": str(home().resolve())}
    )


def _wait(stack: Descriptor, supervisor: Supervisor) -> None:
    auth = tuple(Path(stack.prefect_auth).read_text(encoding="utf-8").strip().split(":", 1))
    deadline = time.monotonic() + _SERVER_START
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{stack.prefect_api}/health", auth=(auth[0], auth[1]), timeout=2).is_success:
                return
        time.sleep(0.2)
    unit = supervisor.units().get("prefect-server")
    raise ServerDidNotStartError(
        f"the Prefect server does not answer on {stack.prefect_ui} after {_SERVER_START:.0f} s"
        + (f"\n{unit.tail}" if unit else ""),
        hint=f"see {stack.run}/logs/prefect-server.log",
    )
