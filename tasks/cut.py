"""Cut: which commit the release carries, and what changed since what runs."""

from stationmaster.blocks import carried
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.tasks import act


@act("cut", timeout=300)
def cut(leg: Leg) -> Cut:
    """Resolve the request's ref once; a later leg keeps the commit although the branch may have moved."""
    inputs = {"product": leg.request.product, "ref": leg.request.ref}
    if done := leg.recorded("cut", inputs):
        return carried.recalled(leg.tools.source, leg.release, done.fact)
    previous = sorted({entry.fact["commit"] for entry in leg.tools.ledger.running().values()})
    source = leg.tools.source
    made = carried.describe(source, leg.release, source.resolve(leg.request.ref), tuple(previous))
    fact = {
        "commit": made.commit.commit,
        "version": made.commit.version,
        "previous": previous,
        "changes": [{"commit": change.commit, "subject": change.subject} for change in made.changes],
    }
    leg.record("cut", inputs, fact, personal={"authors": {c.commit: list(c.authors) for c in made.changes}})
    return made
