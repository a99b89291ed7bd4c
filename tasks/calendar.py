"""The gates of calendars and freezes, asked for what is about to be touched, immediately before it is."""

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import must_be_open, must_be_unfrozen
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.freeze import Environment
from stationmaster.domain.plan import Wave
from stationmaster.domain.stages import has_reached
from stationmaster.tasks import act


class SupersededError(RefusedError):
    """Another release reached a tenant after this one was planned."""

    code = "superseded"

    def __init__(self, release: str, others: dict[str, str]) -> None:
        told = ", ".join(f"{tenant} by {other}" for tenant, other in others.items())
        super().__init__(
            f"{release} was superseded: {told}",
            hint=f"stationmaster release abort {release} --reason superseded",
        )


@act("window", timeout=60, shown="window {wave.ring}")
def require_window(leg: Leg, cut: Cut, wave: Wave) -> None:  # noqa: ARG001 - every act of a release is given its cut
    """Pass when every tenant of the wave that does not run the release yet may be touched. Never answered from the
    ledger. A tenant the directory no longer knows is closed, and so is one that somebody froze.
    """
    _must_be_newest(leg, wave)
    must_be_open(leg, wave.ring, wave.tenants)


@act("freeze", timeout=60, shown="freeze {environment}")
def require_unfrozen(leg: Leg, environment: Environment) -> None:
    """Pass when nobody froze the environment, before what all its tenants share is changed there. What the release
    has done there already it may go on with: nothing is changed by it, and tenants are asked for one by one.
    """
    if not _begun(leg, environment):
        must_be_unfrozen(leg, environment)


def _begun(leg: Leg, environment: Environment) -> bool:
    """Whether the release has changed already what is shared there."""
    if environment == "stage":
        return has_reached(leg.tools.ledger.entries(leg.release), "staged")
    running = leg.tools.ledger.running().values()
    return any((entry.release, entry.step) == (leg.release, "deployed") for entry in running)


def _must_be_newest(leg: Leg, wave: Wave) -> None:
    """What another release brought to a tenant after this one was planned is newer, and is never taken back by it.
    What it brought and was taken back from there does not count.
    """
    running = leg.tools.ledger.running()
    planned = next(entry for entry in reversed(leg.tools.ledger.entries(leg.release)) if entry.step == "planned")
    newer = [running[t] for t in wave.tenants if t in running and running[t].index > planned.index]
    others = {e.subject: e.release for e in newer if e.release != leg.release and e.step != "rolled_back"}
    if others:
        raise SupersededError(leg.release, others)
