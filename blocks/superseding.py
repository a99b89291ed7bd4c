"""Which tenants are on something newer than a release, and what a release may take the place of."""

from stationmaster.blocks.carried import contains
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.entries import Entry


def superseded(leg: Leg, cut: Cut) -> dict[str, Entry]:
    """Tenants that run what brings all that the release does and more, each with the entry that says so: another
    release was there first, or came meanwhile. It is never taken back by this one; of a hotfix none.
    """
    if leg.request.kind == "hotfix":
        return {}
    running, mine = leg.tools.ledger.running(), cut.commit.commit
    others = {str(entry.fact["commit"]) for entry in running.values()} - {mine}
    newer = {one for one in others if contains(leg.tools.source, one, mine)}
    return {tenant: entry for tenant, entry in running.items() if entry.fact["commit"] in newer}


def proved_in_stage(leg: Leg) -> set[str]:
    """The digests that ran in stage on the release's schema and passed: none other may be replaced by it, since there
    would be no proved way back.
    """
    staged = leg.tools.ledger.about(leg.release, ["staged"])
    return {digest for entry in staged for digest, _ in entry.fact["pairs"]}
