"""What `release abort` does after it is recorded: the tenants of the release go back to the version before."""

from stationmaster.blocks import going_back
from stationmaster.blocks.holder import this_process
from stationmaster.blocks.leg import way_back
from stationmaster.blocks.unsaid import put_on_record
from stationmaster.cli.tools import only_product, remembered
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.rollback import in_scope


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
        RoutesNotBackError: the target is away, or a tenant's version before cannot be gone back to.
    """
    try:
        tools = remembered(product or only_product())
        with tools.ledger, way_back(tools, release, this_process("abort")) as leg:
            put_on_record(tools, release, led=True)
            return going_back.lead_back(leg, in_scope(release, "release", (), tools.ledger.running()))
    except StationmasterError as error:
        raise RoutesNotBackError(release, error) from error
