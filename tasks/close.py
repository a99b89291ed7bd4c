"""The end of a wave and of a release: what passed is recorded, what nobody uses any more is stopped."""

from datetime import datetime

from stationmaster.blocks.consents import unapproved
from stationmaster.blocks.instances import must_serve
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.superseding import found_good
from stationmaster.blocks.watching import passed
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.canary import Verdict
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import RefusedError, WaitingError
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.skipping import ADVANCES, advanced
from stationmaster.tasks import act


class WaveHeldError(RefusedError):
    """The wave is not good enough to go on, and not widened."""

    code = "wave_held"


class NotSupersededError(WaitingError):
    """What took the release's place is not found good yet."""

    code = "not_superseded"

    def __init__(self, release: str, others: list[str]) -> None:
        super().__init__(
            f"{release} waits: {', '.join(others)} took its place and is not found good yet",
            waiting_for="soak",
            hint=f"when it is: stationmaster release start {release}",
        )


class TenantsAskedError(WaitingError):
    """Tenants whose contract asks for it may still agree, or did since the waves were laid out."""

    code = "tenants_asked"

    def __init__(self, release: str, tenant: str, until: datetime, *, others: int, answered: bool) -> None:
        more = f" and {others} more" if others else ""
        why = "what was said changes the plan" if answered else f"it may give its approval until {instant(until)}"
        super().__init__(
            f"{release} waits for {tenant}{more}: {why}",
            waiting_for="approval",
            until=instant(until),
            hint=f"stationmaster tenants link {tenant} {release}",
        )


@act("promote", timeout=60, shown="promote {wave.name}", even_paused=True)
def promote(leg: Leg, artifact: Artifact, wave: Wave, verdict: Verdict) -> None:
    """A good verdict opens the next ring; any other holds the release here for a person, who may say that one that is
    no breach is good enough.
    """
    by_person = verdict.verdict in ADVANCES and advanced(leg.tools.ledger.entries(leg.release), wave) is not None
    if verdict.verdict == "promote" or by_person:
        leg.record(
            "promoted",
            passed(leg, artifact, wave),
            {"tenants": list(wave.tenants), **verdict.fact()},
            subject=wave.name,
        )
        return
    leg.observe("held", {**verdict.fact(), "message": verdict.reason}, subject=wave.name)
    raise WaveHeldError(
        f"wave {wave.name} is held: {verdict.verdict}, {verdict.reason}",
        hint=f"`stationmaster release start {leg.release}` watches it again, "
        f"`release advance {leg.release} --reason WHY` goes on all the same, `release abort` gives it up",
    )


@act("close", timeout=300)
def close(leg: Leg, cut: Cut, artifact: Artifact, plan: Plan) -> None:
    """Ask every process in production what it runs, stop the instances that serve nobody, and end the release. One that
    goes to nobody touches nothing, and ends when the newer ones that took its place were found good. None ends while a
    tenant may still agree to it.
    """
    inputs = {"digest": artifact.digest}
    if leg.recorded("released", inputs):
        return
    _must_be_superseded(leg, plan)
    _must_be_answered(leg, plan)
    target, routes = leg.tools.target, leg.tools.target.routes()
    runs = {(found.instance, found.colour): found.digest for found in target.running(cut.product.service.version)}
    tenants = [tenant for wave in plan.waves for tenant in wave.tenants]
    served = {tenant: runs.get(routes[tenant]) if tenant in routes else None for tenant in tenants}
    must_serve(dict.fromkeys(tenants, artifact.digest), served)
    theirs = _of_others(leg)
    for instance, colour in sorted(set(runs) - set(routes.values())) if plan.waves else ():
        if runs[instance, colour] not in theirs:
            target.retire(instance, colour, leg.fence)
    leg.record("released", inputs, {"tenants": len(tenants)})


def _of_others(leg: Leg) -> set[str]:
    """The digests of other releases that are under way: what one has just started serves nobody yet."""
    others = set(leg.tools.ledger.under_way(leg.tools.now())) - {leg.release}
    return {entry.fact["digest"] for other in others for entry in leg.tools.ledger.about(other, ["built"])}


def _must_be_superseded(leg: Leg, plan: Plan) -> None:
    """Until what took its place was found good, the release may still be wanted."""
    running = leg.tools.ledger.running()
    others = [running[one.tenant] for one in plan.placements if one.place == "newer" and one.tenant in running]
    waits = sorted({entry.release for entry in others if found_good(leg, entry) is None})
    if waits:
        raise NotSupersededError(leg.release, waits)


def _must_be_answered(leg: Leg, plan: Plan) -> None:
    """Return if nobody whom the plan leaves out for want of their own approval may still receive the release. Where an
    answer came since, or a time ended, the next leg plans anew.
    """
    left = {one.tenant for one in plan.placements if one.place == "unapproved"}
    if not left:
        return
    planned = leg.tools.ledger.about(leg.release, ["planned"])[0].fact["basis"].get("consents", {})
    found = unapproved(leg, leg.tools.tenants.read().tenants, leg.tools.ledger.running())
    told = sorted(tenant for tenant in left if tenant not in found or found[tenant].state != planned.get(tenant))
    if told:
        raise TenantsAskedError(leg.release, told[0], leg.tools.now(), others=len(told) - 1, answered=True)
    ends = sorted((found[tenant].until, tenant) for tenant in left if found[tenant].state == "asked")
    if ends:
        raise TenantsAskedError(leg.release, ends[0][1], ends[0][0], others=len(ends) - 1, answered=False)
