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
    """Pass when somebody who can write to the ledger confirmed this start: all of it, since a hotfix has approvals of
    its own and a train its departure.
    """
    confirmed = confirmation(leg.tools.ledger, leg.release)
    if confirmed is None:
        raise StartUnconfirmedError(leg.release)
    asked, given = leg.request.asked(), {name: value for name, value in confirmed.fact.items() if name != "assurance"}
    if asked != given:
        other = ", ".join(f"{name} {given.get(name)}, not {asked.get(name)}" for name in sorted({*asked, *given})
                          if asked.get(name) != given.get(name))  # fmt: skip
        raise OtherConfirmedError(f"{leg.release} was confirmed with {other}", hint="give one of them another name")
