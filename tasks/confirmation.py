"""The first gate: somebody known wants this release."""

from stationmaster.blocks.confirmation import confirmation
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.errors import RefusedError, WaitingError
from stationmaster.domain.request import ReleaseRequest
from stationmaster.tasks import act


class StartUnconfirmedError(WaitingError):
    """Nobody said who wants the release."""

    code = "start_unconfirmed"

    def __init__(self, release: str) -> None:
        super().__init__(
            f"{release} waits for somebody to confirm its start: the Prefect UI does not know who you are",
            waiting_for="confirm_start",
            hint=f"stationmaster release start {release}; whoever confirms it is the starter and cannot approve it",
        )


class OtherConfirmedError(RefusedError):
    """What was confirmed under this name is another release."""

    code = "other_confirmed"


@act("confirm start", timeout=60)
def require_confirmation(leg: Leg) -> None:
    """Pass when somebody who can write to the ledger confirmed this start: all of it, since a hotfix has approvals of
    its own and a train its departure.
    """
    if confirmation(leg.tools.ledger, leg.release) is None:
        raise StartUnconfirmedError(leg.release)
    must_be_confirmed_so(leg.tools, leg.request)


def must_be_confirmed_so(tools: Toolbox, request: ReleaseRequest) -> None:
    """Return unless what was confirmed under this name is something else. Nobody may have confirmed it yet.

    Raises:
        OtherConfirmedError: with what differs.
    """
    confirmed = confirmation(tools.ledger, request.id)
    asked = request.asked()
    given = {n: v for n, v in confirmed.fact.items() if n != "assurance"} if confirmed else asked
    if other := [name for name in sorted({*asked, *given}) if asked.get(name) != given.get(name)]:
        told = ", ".join(f"{name} {given.get(name)}, not {asked.get(name)}" for name in other)
        raise OtherConfirmedError(f"{request.id} was confirmed with {told}", hint="give one of them another name")
