"""The gates of calendars and freezes, asked for what is about to be touched, immediately before it is."""

from datetime import datetime

from stationmaster.blocks.carried import contains
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import arrived, must_be_open, must_be_unfrozen
from stationmaster.blocks.superseding import proved_in_stage
from stationmaster.domain.artifact import Cut
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import RefusedError, WaitingError
from stationmaster.domain.freeze import Environment
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.soaking import soaked
from stationmaster.domain.stages import has_reached
from stationmaster.tasks import act


class SupersededError(RefusedError):
    """Another release reached a tenant after this one was planned."""

    code = "superseded"

    def __init__(self, release: str, others: dict[str, str], *, contained: bool) -> None:
        told = ", ".join(f"{tenant} by {other}" for tenant, other in others.items())
        super().__init__(
            f"{release} was superseded: {told}",
            hint=f"to go on without them: stationmaster release start {release}"
            if contained
            else f"it would take back what they have; stationmaster release abort {release} --reason superseded",
        )


class StepNotProvedError(RefusedError):
    """Another release brought a tenant what stage never saw beside this one."""

    code = "step_not_proved"

    def __init__(self, release: str, tenants: list[str]) -> None:
        super().__init__(
            f"what {', '.join(tenants)} run came after stage proved {release}, so there is no proved way back to it",
            hint=f"it is proved when the release goes on: stationmaster release start {release}",
        )


class SoakingError(WaitingError):
    """The ring before is good, and not for long enough yet."""

    code = "soaking"

    def __init__(self, release: str, wave: str, ring: str, until: datetime) -> None:
        super().__init__(
            f"wave {wave} of {release} waits: ring {ring} soaks until {instant(until)}",
            waiting_for="soak",
            until=instant(until),
            hint=f"then: stationmaster release start {release}",
        )


@act("window", timeout=60, shown="window {wave.name}")
def require_window(leg: Leg, cut: Cut, wave: Wave) -> None:
    """Pass when every tenant of the wave that does not run the release yet may be touched. Never answered from the
    ledger. A tenant the directory no longer knows is closed, and so is one that somebody froze.
    """
    _must_be_newest(leg, cut, wave)
    must_be_open(leg, cut.product, wave, wave.tenants)


@act("soak", timeout=60, shown="soak before {wave.name}")
def require_soak(leg: Leg, cut: Cut, plan: Plan, wave: Wave) -> None:
    """Pass when every ring before the wave's has soaked since its last wave was found good, or somebody in the wave has
    the release already.
    """
    entries, running = leg.tools.ledger.entries(leg.release), leg.tools.ledger.running()
    if any(arrived(leg, running, tenant) for tenant in wave.tenants):
        return
    over = soaked(cut.product, plan, wave, entries)
    if over is not None and leg.tools.now() < over[1]:
        raise SoakingError(leg.release, wave.name, *over)


@act("freeze", timeout=60, shown="freeze {environment}")
def require_unfrozen(leg: Leg, cut: Cut, environment: Environment) -> None:
    """Pass when nobody froze the environment and its calendar is open, before what all its tenants share is changed
    there. What the release has done there already it may go on with: nothing is changed by it, and tenants are asked
    for one by one.
    """
    if not _begun(leg, environment):
        must_be_unfrozen(leg, cut.product, environment)


def _begun(leg: Leg, environment: Environment) -> bool:
    """Whether the release has changed already what is shared there."""
    if environment == "stage":
        return has_reached(leg.tools.ledger.entries(leg.release), "staged")
    running = leg.tools.ledger.running().values()
    return any((entry.release, entry.step) == (leg.release, "deployed") for entry in running)


def _must_be_newest(leg: Leg, cut: Cut, wave: Wave) -> None:
    """What another release brought to a tenant after this one was planned is replaced only by what contains it, and
    only when stage proved the way back to it. What it brought and was taken back from there does not count.
    """
    running = leg.tools.ledger.running()
    planned = next(entry for entry in reversed(leg.tools.ledger.entries(leg.release)) if entry.step == "planned")
    came = [running[t] for t in wave.tenants if t in running and running[t].index > planned.index]
    others = [entry for entry in came if entry.release != leg.release and entry.step != "rolled_back"]
    mine, source = cut.commit.commit, leg.tools.source
    if newer := {e.subject: e for e in others if not contains(source, mine, str(e.fact["commit"]))}:
        contained = all(contains(source, str(entry.fact["commit"]), mine) for entry in newer.values())
        by = {tenant: entry.release for tenant, entry in newer.items()}
        raise SupersededError(leg.release, by, contained=contained)
    proved = proved_in_stage(leg)
    if unproved := sorted(entry.subject for entry in others if entry.fact["digest"] not in proved):
        raise StepNotProvedError(leg.release, unproved)
