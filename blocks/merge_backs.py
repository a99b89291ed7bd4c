"""Hotfixes that are in production, and whether the release branch has them by now."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from stationmaster.blocks.confirmation import StarterErasedError, starter_of
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.entries import Entry
from stationmaster.domain.hotfix import MergeBack, merge_back
from stationmaster.domain.product import Product

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


class Books(Protocol):
    """Where it is written what a product did: a toolbox, or what a question has of one."""

    @property
    def ledger(self) -> "Ledger": ...

    @property
    def source(self) -> GitRepository: ...

    @property
    def now(self) -> Callable[[], datetime]: ...


def merge_backs(tools: Books, product: Product, into: str) -> list[MergeBack]:
    """Every hotfix of the product that reached a tenant and stayed there, oldest first, and its way back into the
    branch `into`. It is there when that branch has its commits, or what they change by cherry-picks, and when the
    ledger says so: what was squashed has neither.
    """
    found = [_merge_back(tools, product, release, into) for release in _hotfixes(tools, product.product)]
    return [one for one in found if one is not None]


def owed(tools: Books, product: Product, into: str) -> list[MergeBack]:
    """Those that the branch lacks."""
    return [one for one in merge_backs(tools, product, into) if one.owed(tools.now())]


def _hotfixes(tools: Books, product: str) -> Iterator[str]:
    asked = {entry.release: entry for entry in tools.ledger.every("confirmed")}
    for release, entry in asked.items():
        if (entry.fact["kind"], entry.fact["product"]) == ("hotfix", product):
            yield release


def _merge_back(tools: Books, product: Product, release: str, into: str) -> MergeBack | None:
    entries = tools.ledger.entries(release)
    since = _arrived(entries)
    if since is None:
        return None
    commit = next(entry.fact["commit"] for entry in entries if entry.step == "cut")
    known = next((entry for entry in entries if entry.step == "merged_back" and entry.fact["into"] == into), None)
    merged = datetime.fromisoformat(known.at) if known else None if tools.source.missing(into, commit) else tools.now()
    return merge_back(
        product.hotfix, release=release, owner=_owner(tools, release), into=into, since=since, merged=merged
    )


def _arrived(entries: list[Entry]) -> datetime | None:
    """When it reached its first tenant; None when nobody has it, or nobody kept it."""
    deployed = [entry for entry in entries if entry.step == "deployed"]
    if not deployed or any(entry.step == "restored" for entry in entries):
        return None
    return datetime.fromisoformat(deployed[0].at)


def _owner(tools: Books, release: str) -> str:
    try:
        return starter_of(tools.ledger, release)
    except StarterErasedError:
        return "whoever asked for it"
