"""Attest: every gate that was passed and everything that was done leaves a statement signed by the service's key."""

from stationmaster.blocks.attesting import sign_facts
from stationmaster.blocks.leg import Leg
from stationmaster.tasks import act


@act("attest", timeout=1800, even_paused=True)
def attest(leg: Leg) -> None:
    """Sign each fact of the release that has a predicate and no statement yet; nothing when there is none. Also while
    the release is paused, and on its way back: a statement tells what was done, and does nothing.
    """
    sign_facts(leg)
