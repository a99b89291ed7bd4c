"""Hands releases to the Prefect server and asks how their flow runs ended. Imports prefect; its settings come first."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from stationmaster.deployments.alerts import tag_of
from stationmaster.deployments.flow_runs import (
    CONTRACT,
    RELEASE,
    ROLLBACK,
    connected,
    reschedule,
    runs_of,
    runs_under_way,
    train_runs,
)
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.flow_runs import Asked, FlowRun, Worker, condition, newest
from stationmaster.domain.request import ContractRequest, ReleaseRequest, RollbackRequest
from stationmaster.domain.waiting import SHOWN

WOKEN = "Woken"
Request = ReleaseRequest | RollbackRequest | ContractRequest
_SETTLES = 5.0  # seconds in which a worker says that a process ended, and an ended leg parks its run
_TRIES = 5  # to find a run as it was seen a moment before


class NotRegisteredError(OutsideError):
    """The server does not know the deployment."""

    code = "not_registered"


class RunChangesError(OutsideError):
    """A flow run was never found twice as it was seen before."""

    code = "run_changes"


@dataclass(frozen=True)
class Submitted:
    """A flow run and where a person sees it."""

    id: UUID
    url: str


def create(deployment: str, request: Request, *, idempotency_key: str | None = None) -> Submitted:
    """One new flow run of a deployment; with a key that was used before, the run that it made then, however that ended.

    Raises:
        NoServerError: Prefect would start a server of its own for this one call, and nobody would work for it.
        NotRegisteredError: the server has no such deployment.
    """
    name = _name(request)
    with connected() as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            raise NotRegisteredError(
                f"the Prefect server has no deployment {deployment}", hint="stationmaster up"
            ) from None
        run = client.create_flow_run_from_deployment(
            found.id,
            parameters={"request": request.model_dump(mode="json")},
            name=name,
            tags=[tag_of(request.product)],  # beside the deployment's
            idempotency_key=idempotency_key,
        )
        return _submitted(client, run.id)


def _name(request: Request) -> str:
    """The release that it is about."""
    if isinstance(request, ReleaseRequest):
        return request.id
    return request.of if isinstance(request, ContractRequest) else request.release


def _deployment(request: Request) -> str:
    if isinstance(request, ReleaseRequest):
        return RELEASE
    return CONTRACT if isinstance(request, ContractRequest) else ROLLBACK


def contract(request: ContractRequest) -> Submitted:
    """Have the contract of a release looked at now: in the flow run that waits for it, else in a new one; one that
    works on it is followed.

    Raises:
        NoServerError, NotRegisteredError: as `create`.
    """
    found = newest(runs_of([request.of]), request.of, "contract")
    if found is not None and found.kind in {"RUNNING", "PENDING"}:
        with connected() as client:
            return _submitted(client, UUID(found.id))
    told = f"{request.starter} has it look again"
    if found is not None and found.kind == "SCHEDULED" and reschedule(found, WOKEN, told):
        with connected() as client:
            return _submitted(client, UUID(found.id))
    return create(CONTRACT, request)


def go_on(request: ReleaseRequest, worker: Worker, heard: datetime, *, ended: bool = False) -> Submitted:
    """Have the release go on now, in the flow run it has had until now wherever that can be started again: one that is
    parked or dead is rescheduled, one that is about to begin is left to it. Else in a new one: of a run that crashed a
    moment ago a second report comes, which would undo whatever is made of it. The old one is never started again,
    because only the newest run of a release ever is.

    `worker` does not live; `heard` is the instant of the last entry, `ended` whether that ended a leg.

    Raises:
        NoServerError, NotRegisteredError: as `create`.
        RunChangesError: somebody else keeps changing it, or the server keeps refusing.
    """
    told = replace(worker, gone=worker.gone if worker.gone is None else timedelta(seconds=3600))  # else it had said so
    for _ in range(_TRIES):
        found = _settled(request.id, lambda run: run.kind == "RUNNING" and (ended or worker.gone is not None))
        state = condition(found, told, heard, datetime.now(UTC))
        if found is None or state in {"dying", "over", "stopped"}:
            return create(RELEASE, request)
        if state == "coming" or reschedule(found, WOKEN, f"{request.starter} has it go on"):
            with connected() as client:
                return _submitted(client, UUID(found.id))
    raise RunChangesError(
        f"the flow run of {request.id} changed each time it was about to be started again",
        hint=f"stationmaster release why {request.id}",
    )


class PrefectRuns:
    """What the watchdog asks of Prefect. It gives each run that it sees the tag of its product, which one that was
    started in the UI lacks, so that an alert about it finds its channel.
    """

    def __init__(self) -> None:
        self._tagged: set[str] = set()

    def of(self, releases: Iterable[str]) -> list[Asked]:
        """The flow runs of these releases, and those of any other that have not ended or died lately."""
        found = {one.run.id: one for one in (*runs_of(releases), *runs_under_way())}
        for one in found.values():
            if one.run.id not in self._tagged:
                with suppress(Exception):  # a release goes on whatever becomes of its tag; it is tried again
                    _tag(one)
                    self._tagged.add(one.run.id)
        return list(found.values())

    def trains(self) -> dict[str, FlowRun]:
        """As `train_runs`."""
        return train_runs()

    def again(self, run: FlowRun, name: str, message: str) -> bool:
        """As `reschedule`."""
        return reschedule(run, name, message)

    def begin(self, request: Request) -> None:
        """A new flow run."""
        create(_deployment(request), request)


def under_way(release: str) -> Submitted | None:
    """The flow run that works on the release, or is about to."""
    found = newest(runs_of([release]), release)
    if found is None or found.kind not in {"RUNNING", "PENDING"}:
        return None
    with connected() as client:
        return _submitted(client, UUID(found.id))


def ended(run: UUID) -> tuple[str, str] | None:
    """Type and message of the flow run's last state, or None while it goes on. A parked run has ended its leg."""
    with connected() as client:
        state = client.read_flow_run(run).state
    if state is None or not (state.is_final() or (state.is_scheduled() and state.name in SHOWN)):
        return None
    return state.type.value, state.message or ""


def _tag(asked: Asked) -> None:
    run, tag = UUID(asked.run.id), tag_of(str(asked.request["product"]))
    with connected() as client:
        tags = client.read_flow_run(run).tags
        if tag not in tags:
            client.update_flow_run(run, tags=[*tags, tag])


def _settled(release: str, changes: Callable[[FlowRun], bool]) -> FlowRun | None:
    """The newest run, when it is not about to change any more."""
    deadline = monotonic() + _SETTLES
    while True:
        found = newest(runs_of([release]), release)
        if found is None or not changes(found) or monotonic() > deadline:
            return found
        sleep(0.2)


def _submitted(client: SyncPrefectClient, run: UUID) -> Submitted:
    ui = str(client.api_url).rstrip("/").removesuffix("/api")
    return Submitted(run, f"{ui}/runs/flow-run/{run}")
