"""Opens the receiver of a stack's product and sets the worker of its inbox beside it, as two units that stay.

The inbox is a SQLite file in the run directory: deliveries are taken, and `inbox list` answers, while PostgreSQL does
not run. The receiver's file is written once and is the person's from then on.
"""

import contextlib
import hashlib
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from stationmaster.blocks import durable
from stationmaster.blocks.home import home
from stationmaster.blocks.hooks import read_receiver
from stationmaster.blocks.supervisor import Supervisor, Unit
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.own_unit import own_unit
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.hooks import Hook

RECEIVER, INBOX = "receiver", "inbox"
_START = 30.0  # seconds; 2 s on a machine that does nothing else
_FILE = """\
# The webhooks of this stack. `stationmaster up` wrote it once; it is yours to edit, and the next `up` goes by it.
# A secret lies here or, with secret_block, in a Secret block of Prefect: your shell's environment does not get there.
inbox: sqlite:///{run}/inbox.db
consents: [{product}]
hooks:
  {product}: {{host: github, product: {product}, secret: {secret}, base: [main, "hotfix/*"]}}
"""


class ReceiverDidNotStartError(OutsideError):
    """The receiver did not answer in time."""

    code = "receiver_did_not_start"


def open_for(found: Descriptor, supervisor: Supervisor, say: Callable[[str], None]) -> Descriptor:
    """The stack with its receiver and the inbox's worker, which go by the file as it is now. The address stays what it
    was, unless somebody else took the port meanwhile.

    Raises:
        DocumentError: a person's edit of the file is wrong; what ran goes on as it was.
        ReceiverDidNotStartError: the end of its log says why.
    """
    path = _file(found)
    hooks = read_receiver(str(path)).value.hooks
    opened = found.model_copy(update={"receiver": f"http://127.0.0.1:{_port(found, supervisor)}"})
    opened.save()
    for unit in _units(opened, path):
        supervisor.ensure(unit)
    _wait(opened, supervisor)
    _catch_up(opened, hooks, say)
    if all(hook.product != found.product for hook in hooks.values()):
        say(f"no hook in {path} is for {found.product}; write one there and run `stationmaster up` again")
    say(f"webhooks: {' '.join(f'{opened.receiver}/hooks/{name}' for name in hooks)} (secrets in {path})")
    return opened


def _file(found: Descriptor) -> Path:
    path = Path(found.receiver_file)
    if not path.exists():
        text = _FILE.format(run=found.run, product=f'"{found.product}"', secret=f'"{secrets.token_urlsafe(32)}"')
        durable.write(path, text, mode=0o600)
    return path


def _units(found: Descriptor, path: Path) -> tuple[Unit, Unit]:
    """Labelled with what the file says, so that a unit which began with other words is replaced."""
    label = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    env = {"STATIONMASTER_HOME": str(home().resolve())}
    config = ("--config", str(path))
    listen = ("stationmaster.cli.main", "receiver", *config, "--port", str(_port_of(found.receiver)))
    work = ("stationmaster.cli.main", "inbox", "work", *config)
    return own_unit(found, RECEIVER, listen, env, label), own_unit(found, INBOX, work, env, label)


def _port(found: Descriptor, supervisor: Supervisor) -> int:
    """The port that hosts were told, when it is ours or free; else any."""
    unit = supervisor.units().get(RECEIVER)
    ours = unit is not None and unit.state == "running"
    for port in [_port_of(found.receiver)] if found.receiver else []:
        if ours or _free(port):
            return port
    return _free(0) or 0


def _port_of(address: str | None) -> int:
    return int(str(address).rpartition(":")[2])


def _free(port: int) -> int | None:
    """The port on loopback, which 0 leaves to the kernel; None when somebody listens there."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that ended a moment ago is free
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    return None


def _wait(found: Descriptor, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{found.receiver}/healthz", timeout=2).is_success:
                return
        time.sleep(0.1)
    unit = supervisor.units().get(RECEIVER)
    raise ReceiverDidNotStartError(
        f"the receiver does not answer on {found.receiver} after {_START:.0f} s" + (f"\n{unit.tail}" if unit else ""),
        hint=f"see {found.run}/logs/{RECEIVER}.log; its hooks are in {found.receiver_file}",
    )


def _catch_up(found: Descriptor, hooks: Mapping[str, Hook], say: Callable[[str], None]) -> None:
    """Scheduled from the first `up` at which every hook's host can be asked: before, each run of it would only fail."""
    from stationmaster.blocks.hook_hosts import host_of  # noqa: PLC0415 - imports prefect, which costs seconds
    from stationmaster.blocks.toolbox import BlockMissingError  # noqa: PLC0415 - as above
    from stationmaster.deployments import registration  # noqa: PLC0415 - as above

    try:
        for name, hook in hooks.items():
            host_of(name, hook)
    except BlockMissingError:
        return
    except StationmasterError as error:
        say(f"catch-up is not scheduled: {error}")
        return
    registration.schedule_catch_up(found.receiver_file)
