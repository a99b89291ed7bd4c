"""The waves of a release that have begun, whatever became of the plan since. It moves nobody."""

import contextlib

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import arrived
from stationmaster.blocks.unsaid import put_on_record
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.plan import Wave, begun


def begun_waves(leg: Leg) -> list[Wave]:
    """Each wave with those of its tenants who have the release: nobody else would watch them while the others wait, or
    when the leg cannot go on. None after a rollback of some: a person decides about those who kept it.
    """
    entries = leg.tools.ledger.entries(leg.release)
    planned = [entry for entry in entries if entry.step == "planned"]
    last = next((entry.step for entry in reversed(entries) if entry.step in {"contained", "deployed"}), None)
    if not planned or last == "contained":
        return []
    with contextlib.suppress(OutsideError):  # a target that is away tells nobody's routes; the watch will say so
        put_on_record(leg.tools, leg.release)
    running = leg.tools.ledger.running()
    return begun(planned, [tenant for tenant in running if arrived(leg, running, tenant)])
