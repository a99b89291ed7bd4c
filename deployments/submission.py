"""Hands releases to the Prefect server and asks how their flow runs ended. Imports prefect; its settings come first."""

from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.request import ReleaseRequest


class NoServerError(InputError):
    """No Prefect server was brought up here, and the person's settings name none."""

    code = "no_server"


class NotRegisteredError(OutsideError):
    """The server does not know the deployment."""

    code = "not_registered"


@dataclass(frozen=True)
class Submitted:
    """A flow run and where a person sees it."""

    id: UUID
    url: str


def create(deployment: str, request: ReleaseRequest) -> Submitted:
    """One new flow run of a deployment.

    Raises:
        NoServerError: Prefect would start a server of its own for this one call, and nobody would work for it.
        NotRegisteredError: the server has no such deployment.
    """
    if get_current_settings().api.url is None:
        raise NoServerError("no Prefect server is known here", hint="`stationmaster up`, or set PREFECT_API_URL")
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            raise NotRegisteredError(
                f"the Prefect server has no deployment {deployment}", hint="stationmaster up"
            ) from None
        run = client.create_flow_run_from_deployment(
            found.id, parameters={"request": request.model_dump()}, name=request.id
        )
        ui = str(client.api_url).rstrip("/").removesuffix("/api")
    return Submitted(run.id, f"{ui}/runs/flow-run/{run.id}")


def ended(run: UUID) -> tuple[str, str] | None:
    """Type and message of the flow run's last state, or None while it goes on."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    if state is None or not state.is_final():
        return None
    return state.type.value, state.message or ""
