"""The gate of reviews: nobody released a change that others than its authors have not looked at."""

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.reviewing import must_be_reviewed
from stationmaster.domain.artifact import Cut
from stationmaster.tasks import act


@act("reviews", timeout=600)
def require_reviews(leg: Leg, cut: Cut) -> None:
    """Pass when each change aboard has the reviews that the policy asks for; wait for those that may still come, and
    refuse what came by no pull request. Never answered from the ledger.
    """
    must_be_reviewed(leg, cut)
