"""What makes a release a hotfix: it is cut from what runs in production. It passes every gate of any release."""

from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.hotfix import base_of, require_descent
from stationmaster.tasks import act


@act("hotfix base", timeout=120)
def require_base(leg: Leg, cut: Cut) -> None:
    """Refuse a hotfix that is not cut from the commit of the version that it mends. Other releases have no base."""
    if leg.request.kind != "hotfix":
        return
    running = {str(e.fact["version"]): str(e.fact["commit"]) for e in leg.tools.ledger.running().values()}
    running = {version: commit for version, commit in running.items() if commit != cut.commit.commit} or running
    named = base_of(cut.product.hotfix, leg.request.ref, running)
    bases = [named[1]] if named else [commit for commit in running.values() if _contains(leg, cut, commit)]
    base = bases[0] if bases else next(iter(running.values()), cut.commit.commit)
    require_descent(
        leg.request.ref,
        base,
        descends=_contains(leg, cut, base),
        ahead=cut.commit.commit != base,
    )


def _contains(leg: Leg, cut: Cut, commit: str) -> bool:
    """Whether the cut has everything that a commit has."""
    return not leg.tools.source.changes((cut.commit.commit,), commit)
