"""Emergencies of a product, and whether somebody else has looked at them. Signatures are counted anew each time."""

from typing import TYPE_CHECKING

from stationmaster.blocks.confirmation import confirmation
from stationmaster.blocks.ratification import NothingRatifiedError, approvers_of, rules_in_force
from stationmaster.blocks.signer import FileSigner
from stationmaster.domain.emergency import Holders, Review, is_emergency, reviews
from stationmaster.domain.policy import Emergency
from stationmaster.domain.ratification import approvers_in, subject

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


def emergencies(ledger: "Ledger", signer: FileSigner, product: str) -> list[Review]:
    """Every emergency of the product's releases, oldest first, and the look that each owes."""
    releases = dict.fromkeys(entry.release for entry in ledger.every("approval") if is_emergency(entry))
    mine = [release for release in releases if _product(ledger, release) == product]
    if not mine:
        return []
    people, within = holders(ledger, signer, product), _within(ledger, product)
    return [one for release in mine for one in reviews(ledger.entries(release), people, within)]


def holders(ledger: "Ledger", signer: FileSigner, product: str) -> Holders:
    """Who has keys by the approvers in force, and who had some by any that were ratified and are not erased."""
    told = [ledger.personal(entry) for entry in ledger.history("ratified", subject(product, "approvers"))]
    before = tuple(approvers_in(one) for one in told if one is not None)
    return Holders(approvers_of(ledger, signer, product), before)


def _product(ledger: "Ledger", release: str) -> str | None:
    entry = confirmation(ledger, release)
    return entry.fact["product"] if entry else None


def _within(ledger: "Ledger", product: str) -> int:
    """By the policy in force; by what it says unless told otherwise where it knows no emergencies any more."""
    default = int(Emergency.model_fields["review_within"].default)
    try:
        found = rules_in_force(ledger, product).policy.emergency
    except NothingRatifiedError:
        return default
    return found.review_within if found else default
