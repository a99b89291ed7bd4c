"""The waves of a plan, one after the other, as they are found when their turn comes. It moves nobody."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import arrived, closed
from stationmaster.blocks.unsaid import put_on_record
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.plan import Plan, Wave


def waves(leg: Leg, cut: Cut, plan: Plan) -> Iterator[Wave]:
    """Each wave. Where a leg died in the middle of one, and those who are left may not be touched now, first the part
    of it that has the release already: nobody would watch that while the others wait.
    """
    for wave in plan.waves:
        if part := _left_alone(leg, cut, wave):
            yield part
        yield wave


def _left_alone(leg: Leg, cut: Cut, wave: Wave) -> Wave | None:
    """The part of the wave that would be on the new version without being watched."""
    left = [tenant for tenant in wave.tenants if not arrived(leg, leg.tools.ledger.running(), tenant)]
    if not left or not closed(leg, cut.product, wave, left):
        return None
    with contextlib.suppress(OutsideError):  # a target that is away tells nobody's routes; the watch will say so
        put_on_record(leg.tools, leg.release)
    running = leg.tools.ledger.running()
    have = {i: tuple(t for t in tenants if arrived(leg, running, t)) for i, tenants in wave.instances.items()}
    part = replace(wave, instances={instance: tenants for instance, tenants in have.items() if tenants})
    return part if part.instances and part.tenants != wave.tenants else None
