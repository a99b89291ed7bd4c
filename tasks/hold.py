"""The hold that a rollback puts on its changes: no other release carries them until a person lifts it."""

from typing import Any

from stationmaster.blocks.carried import brought, changes, on_hold
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.tasks import act


class ChangesHeldError(RefusedError):
    """The release would carry what was rolled back."""

    code = "changes_held"

    def __init__(self, release: str, held: dict[str, list[str]]) -> None:
        told = "; ".join(f"{', '.join(one[:12] for one in changes)} of {by}" for by, changes in held.items())
        first = next(iter(held))
        super().__init__(
            f"{release} carries what was rolled back: {told}",
            hint=f"revert it, or if this release mends it: stationmaster release resume {first} --reason WHY",
        )


@act("holds", timeout=120)
def refuse_held(leg: Leg, cut: Cut) -> None:
    """Refuse a release that carries changes of one that was rolled back. A change that was reverted is not carried;
    never answered from the ledger.
    """
    known = on_hold(leg.tools.ledger, cut.product.product)
    held = {release: aboard for release, was in known.items() if (aboard := _aboard(leg.tools.source, cut, was))}
    if held:
        raise ChangesHeldError(leg.release, held)


def _aboard(source: GitRepository, cut: Cut, was: dict[str, Any]) -> list[str]:
    """The changes of a rolled back release that this one brings, oldest first. `was` is the fact of its cut."""
    since, until = tuple(was["previous"]), cut.commit.commit
    carried = {change.commit for change in changes(source, since, until)} - source.reverts(since, until)
    return [commit for commit in brought(was) if commit in carried]
