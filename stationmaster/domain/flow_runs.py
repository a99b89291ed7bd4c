"""What becomes of a flow run, from what Prefect says of it and what the ledger says of its process.

Prefect alone cannot tell: a run whose worker died with its process is RUNNING for ever, and one whose process died is
reported CRASHED a second time up to 14 s after the first, over whatever was made of it meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

_REPORTED = timedelta(seconds=30)  # after which no second report of a crash comes
_CLAIMED = timedelta(seconds=60)  # from a worker's claim to the first word of the process
_STARTED = timedelta(seconds=45)  # from that word to the lease, on a busy machine
_WORKER_SAYS = timedelta(seconds=10)  # a living worker reports a dead process in 0.6 s
_SOON = timedelta(seconds=10)  # a worker claims runs that are due so soon
_NEVER = datetime.min.replace(tzinfo=UTC)

Flow = Literal["release", "rollback", "contract"]
Condition = Literal[
    "parked",  # it waits for its time
    "coming",  # due, claimed or starting up
    "dying",  # its process is gone, and its worker may still say so
    "dead",  # nobody will do anything with it
    "stopped",  # a person cancelled or paused it in Prefect
    "over",  # it ended, or there is none
]


_NAMED: dict[Flow, str] = {"release": "id", "rollback": "release", "contract": "of"}  # where a request has its release


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A flow run as Prefect shows it."""

    id: str
    kind: str  # Prefect's type of state
    name: str
    since: datetime
    due: datetime | None = None
    starts: int = 0
    state: str = ""  # the state's id, by which it is known whether it is still that one


@dataclass(frozen=True, slots=True)
class Asked:
    """A flow run, and the request that it carries out."""

    flow: Flow
    request: dict[str, Any]
    created: datetime
    run: FlowRun

    @property
    def release(self) -> str:
        return str(self.request[_NAMED[self.flow]])


@dataclass(frozen=True, slots=True)
class Worker:
    """Who works on a release, by its lease."""

    alive: bool = False
    renewed: datetime | None = None  # the last sign of a holder that has not given the lease back
    gone: timedelta | None = None  # how long its process is known to have ended; None when that is not known


def condition(run: FlowRun | None, worker: Worker, heard: datetime, at: datetime) -> Condition:
    """What may be expected of the run, when nobody who lives holds the lease. `heard`: the release's last entry."""
    if run is None or run.kind in {"COMPLETED", "FAILED"}:
        return "over"
    if run.kind == "SCHEDULED":
        return "parked" if run.due and run.due > at + _SOON else "coming"
    if run.kind == "PENDING":
        return "dead" if at - run.since > _CLAIMED else "coming"
    if run.kind == "CRASHED":
        return "dead" if at - run.since >= _REPORTED else "dying"
    return _running(run, worker, heard, at) if run.kind == "RUNNING" else "stopped"


def _running(run: FlowRun, worker: Worker, heard: datetime, at: datetime) -> Condition:
    renewed = worker.renewed or _NEVER
    if worker.gone is not None and renewed >= run.since:  # it was this start's process that ended
        return "dead" if worker.gone >= _WORKER_SAYS else "dying"
    return "dead" if at - max(run.since, heard, renewed) > _STARTED else "coming"


def newest(asked: Iterable[Asked], release: str, flow: Flow = "release") -> FlowRun | None:
    """The run that stands for a release: the last made, but not one that failed while another goes on, as a second
    start does that found the release taken.
    """
    found = [one for one in asked if (one.release, one.flow) == (release, flow)]
    last = max(found, key=lambda one: (one.run.kind != "FAILED", one.created), default=None)
    return last.run if last else None
