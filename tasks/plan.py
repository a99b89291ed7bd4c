"""The plan: which tenants receive the release, in which waves, and why."""

from stationmaster.blocks.carried import contains
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.superseding import superseded
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.entries import Entry
from stationmaster.domain.plan import Place, Plan, plan
from stationmaster.domain.skipping import skipped_tenants
from stationmaster.tasks import act


@act("plan", timeout=120)
def make_plan(leg: Leg, cut: Cut, artifact: Artifact) -> Plan:
    """Planned once per artifact and directory: a later leg follows the recorded waves, although some of them are
    through by then. A tenant that came, went, moved or was left out since means a new plan, which is approved anew.
    """
    directory, running = leg.tools.tenants.read(cut.product), leg.tools.ledger.running()
    left_out = {**_newer(leg, cut, running), **_skipped(leg)}
    inputs = {
        "digest": artifact.digest,
        "places": [[one.id, one.ring, one.instance, one.pinned] for one in directory.tenants],
        "left_out": sorted(left_out),
    }
    if done := leg.recorded("planned", inputs):
        return Plan.from_fact(done.fact)
    mine = {tenant for tenant, e in running.items() if (e.release, e.step) == (leg.release, "deployed")}
    digests = {tenant: entry.fact["digest"] for tenant, entry in running.items()}
    made = plan(cut.product, directory, digests, artifact.digest, left_out=left_out, mine=mine)
    leg.record("planned", inputs, made.fact())
    return made


def _skipped(leg: Leg) -> dict[str, tuple[Place, str]]:
    """Whom a person left out."""
    skipped = skipped_tenants(leg.tools.ledger.entries(leg.release))
    return {tenant: ("skipped", f"is left out by a person: {reason}") for tenant, reason in skipped.items()}


def _newer(leg: Leg, cut: Cut, running: dict[str, Entry]) -> dict[str, tuple[Place, str]]:
    """Who is on something newer, and is never taken back: where a newer release supersedes this one, and of a hotfix
    who runs what it does not contain, since it mends its version.
    """
    if leg.request.kind != "hotfix":
        newer, why = superseded(leg, cut), "which contains this release"
    else:
        commits = {str(entry.fact["commit"]) for entry in running.values()}
        lacks = {one for one in commits if not contains(leg.tools.source, cut.commit.commit, one)}
        newer = {tenant: entry for tenant, entry in running.items() if entry.fact["commit"] in lacks}
        why = "which this hotfix does not contain"
    return {t: ("newer", f"runs {entry.fact['version']} of {entry.release}, {why}") for t, entry in newer.items()}
