"""One colour of an instance: asking its process and the proxy about it, waiting until it serves, emptying it.

Which colour that is, and whether it may be touched, is decided in `deploy_target.py`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from stationmaster.blocks import haproxy, unix_http
from stationmaster.blocks.instances import InstanceDidNotStartError, NotDrainedError, WrongDigestError
from stationmaster.blocks.supervisor import Fence, Supervisor, UnitStatus
from stationmaster.domain.errors import StationmasterError

_ANSWER = 2.0  # seconds an instance has to answer a question
_DRAIN = 15.0  # seconds requests in flight have to finish
_STARTS = 3  # failed starts after which we do not wait for a fourth
_LOOK = 0.05  # seconds between looks


@dataclass(frozen=True)
class Wanted:
    """What the process is to be: which artifact, and how it is asked."""

    digest: str
    health: str
    version: str
    timeout: float
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Slot:
    """A colour by its backend's name."""

    name: str
    socket: str
    stats: str
    supervisor: Supervisor

    def says(self, version: str) -> dict[str, Any]:
        """What the process answers about itself; empty when it does not."""
        return unix_http.get_json(self.socket, version, _ANSWER) or {}

    def serves(self, wanted: Wanted) -> bool:
        """Whether the process is healthy, runs the digest by its own word, and the proxy would send it requests."""
        answer = unix_http.get(self.socket, wanted.health, _ANSWER)
        if answer is None or answer[0] != HTTPStatus.OK:
            return False
        return self.says(wanted.version).get("digest") == wanted.digest and self._status().startswith("UP")

    def wait(self, wanted: Wanted) -> None:
        """Return when it serves.

        Raises:
            InstanceDidNotStartError: it keeps ending, or the time is over.
            WrongDigestError: it says that it runs something else.
        """
        deadline = time.monotonic() + wanted.timeout
        while not self.serves(wanted):
            said = self.says(wanted.version).get("digest", wanted.digest)
            if said != wanted.digest:
                raise WrongDigestError(f"{self.name} says that it runs {said}, but it was given {wanted.digest}")
            self._still_hoped_for(wanted, overdue=time.monotonic() > deadline)
            if self._status().startswith(("MAINT", "DRAIN")):  # as the last retirement left it
                haproxy.set_state(self.stats, self.name, "ready")
            time.sleep(_LOOK)

    def empty(self, fence: Fence) -> None:
        """End the process after its last requests. Afterwards the proxy sends it none, also when it comes back.

        Raises:
            NotDrainedError: requests are still in flight after a while; it goes on serving them.
        """
        haproxy.set_state(self.stats, self.name, "drain")
        if not _until(lambda: haproxy.server_row(self.stats, self.name)["scur"] == "0", _DRAIN):
            raise NotDrainedError(
                f"{self.name} still answers requests after {_DRAIN:.0f} s without new ones",
                hint="look at what they do; the same step may be tried again",
            )
        haproxy.set_state(self.stats, self.name, "maint")
        self.supervisor.end(self.name, fence=fence)

    def _status(self) -> str:
        try:
            return haproxy.server_row(self.stats, self.name)["status"]
        except haproxy.ProxyGoneError:
            return ""  # it is being restarted

    def _still_hoped_for(self, wanted: Wanted, *, overdue: bool) -> None:
        unit = self.supervisor.units().get(self.name)
        if unit is None:
            raise InstanceDidNotStartError(f"{self.name} was ended by somebody else while it started")
        if unit.state == "exited" or unit.restarts >= _STARTS:
            raise self._did_not_start(f"ended {unit.restarts + 1} times, exit code {unit.last_exit}", unit, wanted)
        if overdue:
            raise self._did_not_start(f"is not healthy after {wanted.timeout:.0f} s", unit, wanted)

    def _did_not_start(self, what: str, unit: UnitStatus, wanted: Wanted) -> StationmasterError:
        tail = unit.tail
        for secret in wanted.secrets:
            tail = tail.replace(secret, "…")
        return InstanceDidNotStartError(
            f"{self.name} {what}\n{tail}".rstrip(), hint="see the log; nothing was routed to it, tenants are unharmed"
        )


def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK)
    return True
