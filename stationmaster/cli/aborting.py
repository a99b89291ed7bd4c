"""What `release abort` does after it is recorded: the tenants of the release go back to the version before."""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from stationmaster.blocks.going_back import route_back
from stationmaster.blocks.holder import this_process
from stationmaster.blocks.leg import Leg, on_duty
from stationmaster.cli.output import say
from stationmaster.cli.tools import only_product, remembered
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.request import ReleaseRequest
from stationmaster.ledger.leases import LeaseHeldError

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox

_PATIENCE = 60.0  # seconds a leg under way has to see the abort; it looks before every act


class RoutesNotBackError(OutsideError):
    """The release is aborted, and some of its tenants are still on it."""

    code = "routes_not_back"

    def __init__(self, release: str, error: StationmasterError) -> None:
        super().__init__(
            f"{release} is aborted, but its tenants are not all back on the version before: {error.message}",
            hint=f"{error.hint or 'see what is away'}; then the same command again",
        )


def lead_back(release: str, product: str | None) -> list[str]:
    """The tenants that were led back. Safe to repeat; those that are back already are left alone.

    Raises:
        RoutesNotBackError: a leg did not end, the target is away, or the version before does not run any more.
    """
    try:
        tools = remembered(product or only_product())
        with tools.ledger, ExitStack() as stack:
            return route_back(_leg(tools, release, stack))
    except StationmasterError as error:
        raise RoutesNotBackError(release, error) from error


def _leg(tools: "Toolbox", release: str, stack: ExitStack) -> Leg:
    started = next(entry for entry in tools.ledger.entries(release) if entry.step == "started")
    request = ReleaseRequest.model_validate({**started.fact, "id": release, "starter": "abort"})
    deadline, told = time.monotonic() + _PATIENCE, False
    while True:
        try:
            return stack.enter_context(on_duty(tools, request, this_process("abort")))
        except LeaseHeldError as held:
            if time.monotonic() > deadline:
                raise
            if not told:
                say(f"waiting for {held.holder} to see the abort")
            told = True
            time.sleep(0.5)
