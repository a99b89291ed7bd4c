"""The first gate: somebody known wants this release."""

from stationmaster.blocks.confirmation import confirmation, must_be_confirmed_so
from stationmaster.blocks.leg import Leg
from stationmaster.domain.errors import WaitingError
from stationmaster.tasks import act


class StartUnconfirmedError(WaitingError):
    """Nobody said who wants the release."""

    code = "start_unconfirmed"

    def __init__(self, release: str) -> None:
        super().__init__(
            f"{release} waits for somebody to confirm its start: the Prefect UI does not know who you are",
            waiting_for="confirm_start",
            hint=f"stationmaster approve {release} --confirm --key FILE, or release start {release}; "
            "whoever confirms it is the starter and cannot approve it",
        )


@act("confirm start", timeout=60)
def require_confirmation(leg: Leg) -> None:
    """Pass when somebody who can write to the ledger confirmed this start: all of it, since a hotfix has approvals of
    its own and a train its departure.
    """
    if confirmation(leg.tools.ledger, leg.release) is None:
        raise StartUnconfirmedError(leg.release)
    must_be_confirmed_so(leg.tools.ledger, leg.request)
