"""The hold that a rollback puts on its changes: no other release carries them until a person lifts it."""

from typing import Any

from stationmaster.blocks.carried import changes
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.orders import holds
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
    held = {release: changes for release in _holding(leg) if (changes := _aboard(leg, cut, release))}
    if held:
        raise ChangesHeldError(leg.release, held)


def _holding(leg: Leg) -> list[str]:
    """The releases whose changes are on hold."""
    last = leg.tools.ledger.latest({"rollback", "lifted"})
    return sorted(release for release, entry in last.items() if entry.step == "rollback" and holds(entry))


def _aboard(leg: Leg, cut: Cut, release: str) -> list[str]:
    """The changes of a rolled back release that this one brings, oldest first."""
    first = {entry.step: entry.fact for entry in reversed(leg.tools.ledger.entries(release))}
    if first["started"]["product"] != cut.product.product:
        return []
    source, was = leg.tools.source, first["cut"]
    since, until = tuple(was["previous"]), cut.commit.commit
    carried = {change.commit for change in changes(source, since, until)} - source.reverts(since, until)
    return [commit for commit in _commits(was) if commit in carried]


def _commits(cut: dict[str, Any]) -> list[str]:
    """What it brought; the commit itself where that was nothing new."""
    return [change["commit"] for change in cut["changes"]] or [cut["commit"]]
