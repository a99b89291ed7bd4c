"""The gates of calendars and freezes, asked for what is about to be touched, immediately before it is."""

from datetime import datetime, timedelta

from stationmaster.blocks.compatible import not_behind
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import arrived, must_be_open, must_be_unfrozen
from stationmaster.blocks.superseding import found_good, must_take_back_nobody, proved_in_stage
from stationmaster.domain.artifact import Cut
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import RefusedError, WaitingError
from stationmaster.domain.freeze import Environment
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.soaking import passed_over, soaked
from stationmaster.domain.stages import has_reached
from stationmaster.tasks import act


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

    def __init__(self, release: str, wave: str, ring: str, until: datetime | None) -> None:
        why = f"soaks until {instant(until)}" if until else "has a newer release that is not found good yet"
        super().__init__(
            f"wave {wave} of {release} waits: ring {ring} {why}",
            waiting_for="soak",
            until=instant(until) if until else None,
            hint=f"then: stationmaster release start {release}",
        )


@act("window", timeout=60, shown="window {wave.name}")
def require_window(leg: Leg, cut: Cut, wave: Wave) -> None:
    """Pass when every tenant of the wave that does not run the release yet may be touched. Never answered from the
    ledger. A tenant the directory no longer knows is closed, and so is one that somebody froze.
    """
    must_take_back_nobody(leg, cut, wave.tenants)
    _must_be_proved(leg, wave)
    must_be_open(leg, cut.product, wave, wave.tenants)


@act("soak", timeout=60, shown="soak before {wave.name}")
def require_soak(leg: Leg, cut: Cut, plan: Plan, wave: Wave) -> None:
    """Pass when every ring before the wave's has soaked since its last wave was found good, or somebody in the wave has
    the release already. A ring that a newer release has taken over counts when that was found good there.
    """
    entries, running = leg.tools.ledger.entries(leg.release), leg.tools.ledger.running()
    if any(arrived(leg, running, tenant) for tenant in wave.tenants):
        return
    over = soaked(cut.product, plan, wave, entries)
    for ring, name in passed_over(cut.product, plan, wave):
        good = found_good(leg, running[name])
        if good is None:
            raise SoakingError(leg.release, wave.name, ring.name, None)
        over = max(over or (ring.name, good), (ring.name, good + timedelta(seconds=ring.soak)), key=lambda one: one[1])
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


def _must_be_proved(leg: Leg, wave: Wave) -> None:
    """What the wave's tenants run was proved in stage beside this release: there is a way back to it."""
    running, proved = leg.tools.ledger.running(), proved_in_stage(leg)
    others = [running[name] for name in wave.tenants if name in running and running[name].release != leg.release]
    there = not_behind(leg.tools, others)  # of the rest `shift` asks the schema itself
    unproved = sorted(entry.subject for entry in there if entry.fact["digest"] not in proved)
    if proved and unproved:
        raise StepNotProvedError(leg.release, unproved)
