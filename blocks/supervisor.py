"""Speaks to the supervisor, the one process that owns all others: wanted state goes in, what runs comes back.

The server is `deployments/supervisor.py`. Nothing here starts a process.
"""

import json
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.blocks.space import NoSpaceError
from stationmaster.domain.errors import InputError, OutsideError, RefusedError, StationmasterError

SOCKET = "supervisor.sock"  # in the run directory


class Unit(BaseModel):
    """One process as it is wanted. Two units are the same when all of this is the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)  # env may hold secrets

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,79}$")
    argv: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict, repr=False, description="The whole environment.")
    inherit: tuple[str, ...] = Field(default=(), description="Variables taken from the supervisor's environment.")
    cwd: str = "/"
    log: str = Field(description="File that takes standard output and error; appended.")
    user: str | None = Field(default=None, description="Run as this user; only root can.")
    stop_signal: Literal["SIGTERM", "SIGINT", "SIGQUIT"] = Field(
        default="SIGTERM", description="How it is asked to stop, also by the kernel when the supervisor dies."
    )
    restart: bool = Field(default=True, description="Start it again, with growing pauses, whenever it ends by itself.")
    label: str = Field(default="", description="Shown beside the name; a deploy target puts the digest here.")
    pass_front: bool = Field(default=False, description="Give it the front socket; its number is in FRONT_FD.")


class Fence(BaseModel):
    """Who writes: a release and the epoch of its lease. The supervisor refuses an epoch older than it has seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    epoch: int = Field(ge=0)


class UnitStatus(BaseModel):
    """One process as it is."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str = ""
    state: Literal["running", "stopping", "waiting", "exited"] = Field(
        description="waiting: it ended and will be started again; exited: it ended and is left so."
    )
    pid: int | None = None
    restarts: int = 0
    last_exit: int | None = Field(default=None, description="Exit code; negative: the signal that ended it.")
    tail: str = Field(default="", repr=False, description="End of its log, since the start before the last.")
    began: int = Field(default=0, description="Byte of its log at which its last start began.")


class Pong(BaseModel):
    """The supervisor about itself."""

    pid: int
    front_port: int
    run_dir: str


class SupervisorGoneError(OutsideError):
    """Nobody answers on the supervisor's socket."""

    code = "supervisor_gone"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"no supervisor answers on {path}: {reason}", hint="stationmaster up")


class SupervisorFailedError(OutsideError):
    """The supervisor could not do what was asked."""

    code = "supervisor_failed"


class FencedError(RefusedError):
    """Somebody took the release over: an older holder must not write any more."""

    code = "fenced"


class UnknownBackendError(InputError):
    """A route to a backend that the proxy does not have."""

    code = "unknown_backend"


class NoModesError(InputError):
    """A mode that the proxy would not answer for."""

    code = "no_modes"


class Supervisor(BaseModel):
    """The supervisor behind a unix socket."""

    socket: str = Field(description="Path of its socket.", examples=["/run/stationmaster/supervisor.sock"])
    timeout: float = Field(default=30, gt=0, description="Seconds to wait for one answer.")

    def ping(self) -> Pong:
        """Who is there."""
        return Pong.model_validate(self._ask("ping", timeout=5))

    def ensure(self, unit: Unit, fence: Fence | None = None) -> UnitStatus:
        """Make the unit run as specified. Does nothing when it does; replaces it when its specification differs."""
        return UnitStatus.model_validate(self._ask("ensure", fence, unit=unit.model_dump())["unit"])

    def end(self, name: str, timeout: float = 10, fence: Fence | None = None) -> None:
        """Stop the unit and forget it; killed after `timeout` seconds. An unknown unit has ended already."""
        self._ask("end", fence, timeout=timeout + self.timeout, name=name, grace=timeout)

    def units(self) -> dict[str, UnitStatus]:
        """All units by name, in the order of their start."""
        return {row["name"]: UnitStatus.model_validate(row) for row in self._ask("units")["units"]}

    def route(self, routes: Mapping[str, str], fence: Fence | None = None) -> None:
        """Point tenants at backends, all at once; other tenants stay where they are.

        Raises:
            UnknownBackendError: the proxy has no such backend; nothing was changed.
            FencedError: a newer holder of the release has written.
        """
        self._ask("route", fence, routes=dict(routes))

    def routes(self) -> dict[str, str]:
        """Tenant to backend, as written."""
        return dict(self._ask("routes")["routes"])

    def set_modes(self, modes: Mapping[str, str | None], fence: Fence | None = None) -> None:
        """Put tenants into modes, all at once; None is served in full. Other tenants stay as they are.

        Raises:
            NoModesError: the proxy would not answer for them; nothing was changed.
            FencedError: a newer holder of the release has written.
        """
        self._ask("set_modes", fence, modes=dict(modes))

    def modes(self) -> dict[str, str]:
        """Tenant to mode, as written; who is served in full is not in it."""
        return dict(self._ask("modes")["modes"])

    def shutdown(self, timeout: float = 120) -> None:
        """End all units, the last started first, then the supervisor itself; returns when it is gone."""
        self._ask("shutdown", timeout=timeout)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                self.ping()
            except SupervisorGoneError:
                return
            time.sleep(0.02)

    def _ask(self, op: str, fence: Fence | None = None, *, timeout: float | None = None, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        request = {"op": op, **said, **({"fence": fence.model_dump()} if fence else {})}
        try:
            line = self._exchange(json.dumps(request).encode() + b"\n", timeout or self.timeout)
        except OSError as error:
            raise SupervisorGoneError(self.socket, str(error) or type(error).__name__) from error
        if not line:
            raise SupervisorGoneError(self.socket, "it closed the connection")
        answer: dict[str, Any] = json.loads(line)
        if not answer["ok"]:
            raise _error(answer)
        return answer

    def _exchange(self, line: bytes, timeout: float) -> bytes:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(timeout)
            connection.connect(self.socket)
            connection.sendall(line)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def _error(answer: dict[str, Any]) -> StationmasterError:
    named = {error.code: error for error in (FencedError, NoModesError, NoSpaceError, UnknownBackendError)}
    error = named.get(answer["code"], SupervisorFailedError)
    return error(answer["message"], hint=answer.get("hint") or "see supervisor.log in the run directory")
