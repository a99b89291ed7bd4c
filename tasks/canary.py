"""Watching a wave: counts and journeys of the new version beside the old one's, tick by tick, to a verdict."""

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.watching import Watch
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.canary import Verdict
from stationmaster.domain.plan import Wave
from stationmaster.tasks import act

TICK = 1.0  # seconds


@act("watch", timeout=86400, retries=0, shown="watch {wave.ring}", even_paused=True)
def watch(leg: Leg, cut: Cut, artifact: Artifact, wave: Wave) -> Verdict:
    """The verdict of a wave. A wave that passed is not watched again; any other is, each time anew."""
    if done := leg.recorded("promoted", {"digest": artifact.digest, "tenants": list(wave.tenants)}, wave.ring):
        return Verdict.from_fact(done.fact)
    watching = Watch.begin(leg, cut, artifact, wave)
    while True:
        leg.tools.sleep(TICK)
        leg.go_on(even_paused=True)
        over, verdict = watching.over, watching.look()
        if over or verdict.verdict != "inconclusive":
            break
    leg.observe("verdict", verdict.fact(), subject=wave.ring)
    return verdict
