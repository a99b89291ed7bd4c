"""Tenants whose contract asks for their approval, as a release meets them. It is asked anew each time, of the directory
and of the ledger.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stationmaster.blocks.leg import Leg
from stationmaster.domain.consent import Standing, standing
from stationmaster.domain.entries import Entry
from stationmaster.domain.tenants import Tenant
from stationmaster.domain.window import Window

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


def consents(leg: Leg, tenants: Iterable[Tenant]) -> dict[str, Standing]:
    """How it stands now with each of them whose contract asks, for the artifact of the release."""
    asking = [tenant for tenant in tenants if tenant.approval is not None]
    if not asking:
        return {}
    entries, at = leg.tools.ledger.entries(leg.release), leg.tools.now()
    digest = built(leg.tools.ledger, leg.release) or ""
    found = {tenant.id: standing(tenant, entries, digest, at) for tenant in asking}
    return {name: one for name, one in found.items() if one is not None}


def unapproved(leg: Leg, tenants: Iterable[Tenant], running: Mapping[str, Entry]) -> dict[str, Standing]:
    """Whom the release may not reach, for want of their approval. Who runs the artifact, and who is pinned, is not
    asked. `running` maps tenants to the entries that say what they run.
    """
    digest = built(leg.tools.ledger, leg.release)
    asked = [
        one for one in tenants
        if one.pinned is None and (one.id not in running or running[one.id].fact["digest"] != digest)
    ]  # fmt: skip
    return {name: one for name, one in consents(leg, asked).items() if not one.comes}


def closed(standings: Mapping[str, Standing]) -> dict[str, Window]:
    """Those of them who may not be touched, as the gates of calendars say it."""
    return {
        name: Window(open=False, reason=f"{name} {one.reason}", until=one.until if one.state == "asked" else None)
        for name, one in standings.items()
        if not one.comes
    }


def built(ledger: "Ledger", release: str) -> str | None:
    """The digest of the release's artifact; None before there is one."""
    return next((str(entry.fact["digest"]) for entry in ledger.about(release, ["built"])), None)
