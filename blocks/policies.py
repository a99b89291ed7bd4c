"""Which policy a release is held to, and whether it brings another one.

A release is held to what was ratified before its own policy came in force, so that none opens its own gate.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stationmaster.blocks.carried import contains, product_at
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.product import Product
from stationmaster.domain.ratification import InForce, content_digest, policy_content, subject

if TYPE_CHECKING:
    from stationmaster.domain.artifact import Cut
    from stationmaster.domain.entries import Entry
    from stationmaster.ledger.store import Ledger


def policy_for(ledger: "Ledger", cut: "Cut") -> InForce:
    """What a release is held to; its own commit's while nothing was ratified."""
    known = _before(ledger, cut)
    return InForce.of(known[-1].fact["content"] if known else policy_content(cut.product))


def replaces(ledger: "Ledger", source: GitRepository, cut: "Cut") -> str | None:
    """The digest of the policy that a release would put another one in the place of; None when it brings none.

    It brings its own when that was never in force, or when a change aboard made it another than that of the commit
    which the release continues. What merely comes from an older commit, as a hotfix does, takes nothing back.
    """
    known, mine = [entry.fact["digest"] for entry in _before(ledger, cut)], _digest(cut.product)
    if not known or known[-1] == mine:
        return None
    brings = mine not in known or any(_digest_at(source, commit) != mine for commit in _continued(source, cut))
    return known[-1] if brings else None


def _before(ledger: "Ledger", cut: "Cut") -> Sequence["Entry"]:
    """Every ratification of the policy but the release's own and what came after that."""
    found = list(ledger.history("ratified", subject(cut.product.product, "policy")))
    own = next((place for place, entry in enumerate(found) if entry.fact["by"] == cut.release), len(found))
    return found[:own]


def _continued(source: GitRepository, cut: "Cut") -> Iterator[str]:
    """The commits that run and that the release has all of, without those that another one of them has all of."""
    has = [commit for commit in cut.previous if contains(source, cut.commit.commit, commit)]
    return (one for one in has if not any(contains(source, other, one) for other in has if other != one))


def _digest(product: Product) -> str:
    return content_digest(policy_content(product))


def _digest_at(source: GitRepository, commit: str) -> str | None:
    """None of a commit whose file cannot be read any more: then it is another one."""
    try:
        return _digest(product_at(source, commit))
    except StationmasterError:
        return None
