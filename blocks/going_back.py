"""Leads the tenants of a release that is given up back to what they ran before, which still runs beside it.

Routes only: nothing is built, started or migrated. The schema stays expanded; stage has proved that the version before
works on it.
"""

from stationmaster.blocks.instances import COLOURS, Colour, NothingRunsError
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.serving import product_at
from stationmaster.domain.entries import RUNS, Entry


def route_back(leg: Leg) -> list[str]:
    """The tenants that were led back. Repeating it leads back those that are left.

    Raises:
        NothingRunsError: the version before does not run beside it any more; that tenant stays where it is.
    """
    mine = {tenant: entry for tenant, entry in leg.tools.ledger.running().items() if entry.release == leg.release}
    moved = sorted(tenant for tenant, entry in mine.items() if entry.step == "deployed")
    for tenant in moved:
        before = _before(leg, tenant, mine[tenant])
        instance, colour = mine[tenant].fact["instance"], _other(mine[tenant].fact["colour"])
        if before is None or _digest(leg, mine[tenant], instance, colour) != before.fact["digest"]:
            what = before.fact["version"] if before else "a version before"
            raise NothingRunsError(
                f"{what} does not run beside {leg.release}, so {tenant} stays on it",
                hint="start a release of the version you want",
            )
        leg.tools.target.shift([tenant], instance, colour, leg.fence)
        fact = {name: before.fact[name] for name in ("version", "digest", "commit")}
        inputs = {"digest": before.fact["digest"], "undone": mine[tenant].index}
        leg.record("rolled_back", inputs, {**fact, "instance": instance, "colour": colour}, subject=tenant)
    return moved


def _digest(leg: Leg, deployed: Entry, instance: str, colour: Colour) -> str | None:
    """What runs there, by its own word."""
    asked = product_at(leg, deployed.fact["commit"]).service.version
    return next(
        (o.digest for o in leg.tools.target.running(asked) if (o.instance, o.colour) == (instance, colour)), None
    )


def _before(leg: Leg, tenant: str, deployed: Entry) -> Entry | None:
    """What the tenant ran before this release reached it; None for one that is new."""
    history = [entry for step in RUNS for entry in leg.tools.ledger.history(step, tenant)]
    earlier = [one for one in history if one.index < deployed.index and one.release != leg.release]
    return max(earlier, key=lambda one: one.index, default=None)


def _other(colour: str) -> Colour:
    return next(one for one in COLOURS if one != colour)
