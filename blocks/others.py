"""Whom a text for one tenant must not name: everybody else of the directory, and whom the ledger ever told of."""

from typing import TYPE_CHECKING

from stationmaster.domain.concerning import OF_TENANTS, planned_tenants
from stationmaster.domain.others import Others

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox
    from stationmaster.ledger.store import Ledger


def others_of(tools: "Toolbox", tenant: str) -> Others:
    """Every tenant but one, as the directory and the ledger are now."""
    return Others.of(tenant, tools.tenants.read().tenants, tenants_seen(tools.ledger))


def tenants_seen(ledger: "Ledger") -> set[str]:
    """Ids of every tenant of which an entry tells, whether the directory has it still or not."""
    return {*ledger.latest(OF_TENANTS), *planned_tenants(ledger.every("planned"))}
