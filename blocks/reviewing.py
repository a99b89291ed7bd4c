"""The rule for changes as a release meets it: each commit aboard was reviewed by enough people who did not write it.

Nothing is answered from the ledger: a review may have been dismissed, and the rules in force may be others by now.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from stationmaster.blocks.policies import policy_for
from stationmaster.blocks.ratification import approvers_of
from stationmaster.blocks.reviews import reviews_of
from stationmaster.domain.change_review import Standing, weigh
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import RefusedError, WaitingError

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.domain.artifact import Cut

_LOOK = timedelta(minutes=15)  # until the host is asked again: it tells us nothing by itself
_TOLD = 10  # changes that a message names


class ReviewMissingError(WaitingError):
    """A change aboard needs another review, which may still be given on the code host."""

    code = "review_missing"

    def __init__(self, release: str, lacking: Sequence[Standing], until: str) -> None:
        begin = f"{release} waits for reviews: "
        super().__init__(
            begin + _told([str(one) for one in lacking]), waiting_for="approval", until=until,
            hint=f"review it on the code host; then stationmaster release start {release}",
        )  # fmt: skip
        self.unname(begin + _told([one.unnamed for one in lacking]), hint=self.hint)


class UnreviewedChangeError(RefusedError):
    """A change aboard that no review can make up for: nobody can tell by what it came."""

    code = "unreviewed_change"

    def __init__(self, release: str, lacking: Sequence[Standing]) -> None:
        begin = f"{release} carries what nobody could review: "
        super().__init__(
            begin + _told([str(one) for one in lacking]),
            hint="revert it and bring it by a pull request; then start a release of that",
        )
        self.unname(begin + _told([one.unnamed for one in lacking]), hint=self.hint)


def must_be_reviewed(leg: "Leg", cut: "Cut") -> None:
    """Return if every change aboard has the reviews that the policy in force asks for, or it asks for none.

    Raises:
        ReviewMissingError: with each change that lacks some, and who is missing.
        UnreviewedChangeError: a change came by no pull request.
        CodeHostRefusedError, CodeHostBusyError, CodeHostUnavailableError: the host does not say.
    """
    lacking = [one for one in standings(leg, cut) if not one.satisfied]
    if unknown := [one for one in lacking if one.number is None]:
        raise UnreviewedChangeError(leg.release, unknown)
    if lacking:
        raise ReviewMissingError(leg.release, lacking, instant(leg.tools.now() + _LOOK))


def standings(leg: "Leg", cut: "Cut") -> list[Standing]:
    """How far the reviews of each change aboard go, in the order of merging; none when no rule asks for any."""
    tools = leg.tools
    rules = policy_for(tools.ledger, cut).approvals
    quorum: Mapping[str, int] = rules.quorum("change", kind=leg.request.kind)
    if not quorum:
        return []
    people = approvers_of(tools.ledger, tools.signer, cut.product.product)
    found = reviews_of(tools, cut, lambda change: weigh(change, quorum, people).satisfied)
    return [weigh(change, quorum, people) for change in found]


def _told(lacking: Sequence[str]) -> str:
    more = f"; and {len(lacking) - _TOLD} more" if len(lacking) > _TOLD else ""
    return "; ".join(lacking[:_TOLD]) + more
