"""Cut: which commit the release carries, and what changed since what runs."""

from stationmaster.blocks import carried
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Commit, Cut
from stationmaster.domain.documents import read
from stationmaster.domain.product import Product
from stationmaster.tasks import act

CONFIG = "stationmaster.yaml"


@act("cut", timeout=300)
def cut(leg: Leg) -> Cut:
    """Resolve the request's ref once; a later leg keeps the commit although the branch may have moved."""
    inputs = {"product": leg.request.product, "ref": leg.request.ref}
    if done := leg.recorded("cut", inputs):
        commit = leg.tools.source.resolve(done.fact["commit"])  # a tag pushed since would change its version
        kept = commit.model_copy(update={"version": done.fact["version"]})
        return _describe(leg, kept, tuple(done.fact["previous"]))
    previous = sorted({entry.fact["commit"] for entry in leg.tools.ledger.running().values()})
    made = _describe(leg, leg.tools.source.resolve(leg.request.ref), tuple(previous))
    fact = {
        "commit": made.commit.commit,
        "version": made.commit.version,
        "previous": previous,
        "changes": [{"commit": change.commit, "subject": change.subject} for change in made.changes],
    }
    leg.record("cut", inputs, fact, personal={"authors": {c.commit: list(c.authors) for c in made.changes}})
    return made


def _describe(leg: Leg, commit: Commit, previous: tuple[str, ...]) -> Cut:
    source = leg.tools.source
    product = read(Product, source.read(commit.commit, CONFIG), CONFIG).value
    return Cut(
        release=leg.release,
        product=product,
        commit=commit,
        previous=previous,
        changes=carried.changes(source, previous, commit.commit),
        fragments=carried.added(source, previous, commit.commit, product.changes),
    )
