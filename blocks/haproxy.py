"""HAProxy's runtime API: what is written to its stats socket and how the answers are read.

Commands and parsers are plain text; only `ask` talks. It does not know tenants, instances or releases.
"""

import csv
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from stationmaster.domain.errors import OutsideError

# Names inside the run directory, known to the proxy's configuration, the supervisor and the deploy target.
CONFIG, STATS, ROUTE_MAP, MODE_MAP = "haproxy.cfg", "haproxy.sock", "route.map", "mode.map"
SERVER = "app"  # each backend has one server of this name
_PER_COMMAND = 100  # map lines: 100 lines of some 130 characters stay under tune.bufsize (16 KiB)


class ProxyGoneError(OutsideError):
    """HAProxy does not answer on its stats socket."""

    code = "proxy_gone"

    def __init__(self, stats: str, reason: str) -> None:
        super().__init__(
            f"HAProxy does not answer on {stats}: {reason}",
            hint="it is restarted within seconds; if not, see its log and `stationmaster doctor`",
        )


class ProxyRefusedError(OutsideError):
    """HAProxy did not take a command."""

    code = "proxy_refused"


def ask(stats: str, command: str, timeout: float = 5) -> str:
    """Send one command (or several, by `;`) and return the whole answer.

    Raises:
        ProxyGoneError: no socket, no listener, or no answer in time.
    """
    try:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(timeout)
            connection.connect(stats)
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()
    except OSError as error:
        raise ProxyGoneError(stats, str(error) or type(error).__name__) from error


def set_state(stats: str, backend: str, state: str) -> None:
    """Put the backend's server into ready, drain or maint."""
    answer = ask(stats, f"set server {backend}/{SERVER} state {state}").strip()
    if answer:
        raise ProxyRefusedError(f"HAProxy did not set {backend} to {state}: {answer}")


def server_row(stats: str, backend: str) -> dict[str, str]:
    """The row of `show stat` about the backend's server: status, scur, check_status and the rest."""
    rows = list(stat_rows(ask(stats, f"show stat {backend} 4 -1")))
    if not rows:
        raise ProxyRefusedError(f"HAProxy has no backend {backend}", hint="the proxy's configuration is older: `up`")
    return rows[0]


def stat_rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of `show stat`."""
    return (dict(row) for row in csv.DictReader(text.removeprefix("# ").strip().splitlines()))


def info(text: str) -> dict[str, str]:
    """`show info` as a mapping."""
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def map_lines(text: str) -> dict[str, str]:
    """A map file, or `show map FILE` (whose lines begin with an address): key to value."""
    fields = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {parts[-2]: parts[-1] for parts in fields}


def map_text(routes: Mapping[str, str]) -> str:
    """The content of a map file."""
    return "".join(f"{key} {value}\n" for key, value in sorted(routes.items()))


def prepared_version(answer: str) -> str:
    """The number in the answer to `prepare map`.

    Raises:
        ProxyRefusedError: HAProxy has no such map.
    """
    _, _, version = answer.partition("New version created:")
    if not version.strip():
        raise ProxyRefusedError(f"HAProxy did not prepare the map: {answer.strip()}")
    return version.strip()


def replace_map(file: Path, version: str, routes: Mapping[str, str]) -> Iterator[str]:
    """The commands that fill and commit a prepared version: readers see the old map, then the new one."""
    lines = map_text(routes).splitlines()
    for start in range(0, len(lines), _PER_COMMAND):
        yield f"add map @{version} {file} <<\n" + "\n".join(lines[start : start + _PER_COMMAND]) + "\n"
    yield f"commit map @{version} {file}"


def backends(config: str) -> frozenset[str]:
    """The backends a configuration declares and routes may name."""
    words = [line.split() for line in config.splitlines() if line.startswith("backend ")]
    return frozenset(name for _, name, *_ in words if "_" in name)
