"""How long a ring has to be good before the next one may follow."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from stationmaster.domain.entries import Entry
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.product import Product, Ring


def soaked(product: Product, plan: Plan, wave: Wave, entries: Sequence[Entry]) -> tuple[str, datetime] | None:
    """The ring before the wave's that soaks longest, and the instant at which that is over; None when no ring of the
    plan soaks. `entries` are the release's, in order.
    """
    rings = [ring.name for ring in product.rings]
    before = {ring.name: ring.soak for ring in product.rings[: rings.index(wave.ring)]}
    good = {entry.subject: datetime.fromisoformat(entry.at) for entry in entries if entry.step == "promoted"}
    ends = [
        (good[one.name] + timedelta(seconds=before[one.ring]), one.ring)
        for one in plan.waves
        if before.get(one.ring) and one.name in good
    ]
    if not ends:
        return None
    until, ring = max(ends)
    return ring, until


def passed_over(product: Product, plan: Plan, wave: Wave) -> list[tuple[Ring, str]]:
    """The rings before the wave's of which the plan has no wave, each with a tenant that runs something newer: nobody
    but the newer release has tried the way there.
    """
    rings = [ring.name for ring in product.rings]
    tried = {one.ring for one in plan.waves}
    before = {ring.name: ring for ring in product.rings[: rings.index(wave.ring)] if ring.name not in tried}
    return [(before[one.ring], one.tenant) for one in plan.placements if one.place == "newer" and one.ring in before]
