"""The plan: which tenants receive the release, in which waves, and why."""

from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.plan import Plan, plan
from stationmaster.domain.skipping import skipped_tenants
from stationmaster.tasks import act


@act("plan", timeout=120)
def make_plan(leg: Leg, cut: Cut, artifact: Artifact) -> Plan:
    """Planned once per artifact and directory: a later leg follows the recorded waves, although some of them are
    through by then. A tenant that came, went, moved or was left out since means a new plan, which is approved anew.
    """
    skipped = skipped_tenants(leg.tools.ledger.entries(leg.release))
    directory = leg.tools.tenants.read(cut.product)
    inputs = {
        "digest": artifact.digest,
        "places": [[one.id, one.ring, one.instance, one.pinned] for one in directory.tenants],
        "skipped": sorted(skipped),
    }
    if done := leg.recorded("planned", inputs):
        return Plan.from_fact(done.fact)
    running = {tenant: entry.fact["digest"] for tenant, entry in leg.tools.ledger.running().items()}
    made = plan(cut.product, directory, running, artifact.digest, skipped)
    leg.record("planned", inputs, made.fact())
    return made
