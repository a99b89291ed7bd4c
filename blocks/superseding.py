"""Which tenants are on something newer than a release, and what a release may take the place of."""

from collections.abc import Collection
from datetime import datetime

from stationmaster.blocks.carried import contains
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import RefusedError


class SupersededError(RefusedError):
    """Tenants run what the release does not contain: it would take that back."""

    code = "superseded"

    def __init__(self, release: str, others: dict[str, str], *, contained: bool) -> None:
        told = ", ".join(f"{tenant} by {other}" for tenant, other in others.items())
        super().__init__(
            f"{release} was superseded: {told}",
            hint=f"to go on without them: stationmaster release start {release}"
            if contained
            else "it would take back what they have; merge that into the branch of the release and cut anew, and give "
            f"this one up: stationmaster release abort {release} --reason superseded",
        )


def must_take_back_nobody(leg: Leg, cut: Cut, tenants: Collection[str]) -> None:
    """Return if the release contains all that the tenants run. A hotfix that was merged back in another form is
    contained: somebody said so.

    Raises:
        SupersededError: a release that it does not contain is at one of them.
    """
    running, source, mine = leg.tools.ledger.running(), leg.tools.source, cut.commit.commit
    there = {name: running[name] for name in tenants if name in running and running[name].release != leg.release}
    lacks = {one for one in {str(entry.fact["commit"]) for entry in there.values()} if not contains(source, mine, one)}
    newer = {name: entry for name, entry in there.items() if entry.fact["commit"] in lacks and not _merged(leg, entry)}
    if newer:
        contained = all(contains(source, str(entry.fact["commit"]), mine) for entry in newer.values())
        raise SupersededError(leg.release, {name: one.release for name, one in newer.items()}, contained=contained)


def _merged(leg: Leg, entry: Entry) -> bool:
    return bool(leg.tools.ledger.about(entry.release, ["merged_back"]))


def found_good(leg: Leg, entry: Entry) -> datetime | None:
    """When what another release brought a tenant was found good there; None while nobody did. `entry` is what says
    what the tenant runs; what was there before all releases, or was led back to, is good.
    """
    if entry.step != "deployed":
        return datetime.fromisoformat(entry.at)
    good = [
        one.at
        for one in leg.tools.ledger.entries(entry.release)
        if one.step == "promoted" and one.index > entry.index and entry.subject in one.fact["tenants"]
    ]
    return datetime.fromisoformat(good[-1]) if good else None


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
