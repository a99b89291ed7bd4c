"""The first gate: somebody known wants this release."""

from stationmaster.blocks.confirmation import confirmation
from stationmaster.blocks.leg import Leg
from stationmaster.domain.errors import RefusedError, WaitingError
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
    """Pass when somebody who can write to the ledger confirmed the start of this product from this ref."""
    confirmed = confirmation(leg.tools.ledger, leg.release)
    if confirmed is None:
        raise StartUnconfirmedError(leg.release)
    asked, fact = leg.request, confirmed.fact
    if (asked.product, asked.ref) != (fact["product"], fact["ref"]):
        raise OtherConfirmedError(
            f"{leg.release} was confirmed as a release of {fact['product']} from {fact['ref']}, "
            f"not of {asked.product} from {asked.ref}",
            hint="give one of them another name",
        )
