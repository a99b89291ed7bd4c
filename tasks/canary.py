"""Watching a wave: counts and journeys of the new version beside the old one's, tick by tick, to a verdict."""

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.watching import Watch, passed
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.canary import Verdict
from stationmaster.domain.plan import Wave
from stationmaster.domain.skipping import advanced
from stationmaster.tasks import act

TICK = 1.0  # seconds
_AGAIN = (2, 5, 15, 30, 60)  # ticks before a wave that was held is watched anew: what both versions suffered may pass


@act("watch", timeout=86400, shown="watch {wave.name}", even_paused=True)
def watch(leg: Leg, cut: Cut, artifact: Artifact, wave: Wave) -> Verdict:
    """The verdict of a wave. A wave that passed is not watched again; any other is, each time anew, and one that is
    held is watched once more from its start while that may still help: metrics come back, an incident ends.
    """
    if done := leg.recorded("promoted", passed(leg, artifact, wave), wave.name):
        return Verdict.from_fact(done.fact)
    if decided := _decided_before(leg, wave):
        return decided
    for pause in (*_AGAIN, 0):
        verdict = _watched(leg, Watch.begin(leg, cut, artifact, wave))
        leg.observe("verdict", verdict.fact(), subject=wave.name)
        if verdict.verdict != "hold" or advanced(leg.tools.ledger.entries(leg.release), wave):
            break
        for _ in range(pause):
            _tick(leg)
    return verdict


def _decided_before(leg: Leg, wave: Wave) -> Verdict | None:
    """The verdict to roll back that a leg recorded and died of: it stands for what the tenants have now."""
    entries, running = leg.tools.ledger.entries(leg.release), leg.tools.ledger.running()
    came = max((running[name].index for name in wave.tenants if name in running), default=-1)
    last = next((one for one in reversed(entries) if (one.step, one.subject) == ("verdict", wave.name)), None)
    if last is None or last.index < came or last.fact["verdict"] != "rollback":
        return None
    return Verdict.from_fact(last.fact)


def _watched(leg: Leg, watching: Watch) -> Verdict:
    """What is found when the ring's time is over, or when something is found before."""
    while True:
        _tick(leg)
        over, verdict = watching.over, watching.look()
        if over or verdict.verdict != "inconclusive":
            return verdict


def _tick(leg: Leg) -> None:
    leg.tools.sleep(TICK)
    leg.go_on(even_paused=True)
