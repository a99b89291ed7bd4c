"""What makes a release a hotfix: it is cut from what runs in production. It passes every gate of any release."""

import contextlib
from collections.abc import Mapping

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.source import UnknownRefError
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.hotfix import base_of, require_descent
from stationmaster.tasks import act


class NoHotfixBranchError(RefusedError):
    """What is called a hotfix lies on no branch of one."""

    code = "no_hotfix_branch"


@act("hotfix base", timeout=120)
def require_base(leg: Leg, cut: Cut) -> None:
    """Refuse a hotfix that is not on the branch of a version that runs, or is not cut from it. Other releases have no
    base, and one that some tenant has was asked before.
    """
    runs = leg.tools.ledger.running().values()
    if leg.request.kind != "hotfix" or any((e.release, e.step) == (leg.release, "deployed") for e in runs):
        return
    running = {str(e.fact["version"]): str(e.fact["commit"]) for e in runs}
    branch = _branch(leg, cut, running)
    found = base_of(cut.product.hotfix, branch, running)
    if found is None:
        known = ", ".join(cut.product.hotfix.branch(version) for version in sorted(running))
        raise NoHotfixBranchError(
            f"{leg.request.ref} is on no hotfix branch of what runs, so it is no hotfix",
            hint=f"merge the fix into {known}, or release it without --hotfix",
        )
    base = found[1]
    require_descent(branch, base, descends=_contains(leg, cut.commit.commit, base), ahead=cut.commit.commit != base)


def _branch(leg: Leg, cut: Cut, running: Mapping[str, str]) -> str:
    """The branch that was asked for; of a commit, the hotfix branch that has it."""
    hotfix = cut.product.hotfix
    if hotfix.version(leg.request.ref) is None:
        for version in sorted(running):
            with contextlib.suppress(UnknownRefError):
                head = leg.tools.source.resolve(hotfix.branch(version)).commit
                if _contains(leg, head, cut.commit.commit):
                    return hotfix.branch(version)
    return leg.request.ref


def _contains(leg: Leg, head: str, commit: str) -> bool:
    """Whether one commit has everything that another has."""
    return not leg.tools.source.changes((head,), commit)
