"""What `release abort` does after it is recorded: the tenants of the release go back to the version before."""

import contextlib
from typing import TYPE_CHECKING

from stationmaster.blocks import going_back
from stationmaster.blocks.holder import this_process
from stationmaster.blocks.leg import way_back
from stationmaster.blocks.ordering import decide
from stationmaster.blocks.unsaid import put_on_record
from stationmaster.cli.person import whoami
from stationmaster.cli.tools import only_product, remembered
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.orders import ABORT, ORDERS, on_hold
from stationmaster.domain.rollback import Order, in_scope

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox


class RoutesNotBackError(OutsideError):
    """The release is aborted, and some of its tenants are still on it."""

    code = "routes_not_back"

    def __init__(self, release: str, error: StationmasterError) -> None:
        super().__init__(
            f"{release} is aborted, but its tenants are not all back on the version before: {error.message}",
            hint=f"{error.hint or 'see what is away'}; then the same command again",
        )


def order_back(release: str, product: str | None) -> None:
    """Order the way back of those who have the release, before it is given up: what is left when we die, and flags and
    clearing up, is carried out as any rollback is.
    """
    with contextlib.suppress(StationmasterError):  # whatever keeps us from that is said when the routes go back
        tools = remembered(product or only_product())
        with tools.ledger:
            if in_scope(release, "release", (), tools.ledger.running()):
                decide(tools, release, _order(tools, release), who=whoami())


def _order(tools: "Toolbox", release: str) -> Order:
    """It puts no hold on the changes, and lifts none that is there."""
    ms = round(tools.now().timestamp() * 1000)
    cause = "person" if on_hold(tools.ledger.about(release, ORDERS)) else ABORT
    return Order(scope="release", tenants=(), now=True, cause=cause, reason="it was given up", decided_ms=ms)


def lead_back(release: str, product: str | None) -> list[str]:
    """The tenants that were led back. Safe to repeat; those that are back already are left alone.

    Raises:
        RoutesNotBackError: the target is away, or a tenant's version before cannot be gone back to.
    """
    try:
        tools = remembered(product or only_product())
        with tools.ledger, way_back(tools, release, this_process("abort")) as leg:
            put_on_record(tools, release, led=True)
            tenants = in_scope(release, "release", (), tools.ledger.running())
            if tenants:
                decide(tools, release, _order(tools, release), who=whoami())
            return going_back.lead_back(leg, tenants)
    except StationmasterError as error:
        raise RoutesNotBackError(release, error) from error
