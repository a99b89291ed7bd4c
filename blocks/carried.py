"""What a release brings to tenants that run different versions: whatever is new to at least one of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stationmaster.blocks.source import GitRepository
from stationmaster.domain.artifact import Change, Commit, Cut
from stationmaster.domain.boarding import Merged
from stationmaster.domain.documents import read
from stationmaster.domain.fragments import Fragment, read_fragments
from stationmaster.domain.orders import holds
from stationmaster.domain.product import Product

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

CONFIG = "stationmaster.yaml"


def product_at(source: GitRepository, commit: str) -> Product:
    """What the product says of itself at a commit."""
    return read(Product, source.read(commit, CONFIG), CONFIG).value


def describe(source: GitRepository, release: str, commit: Commit, previous: tuple[str, ...]) -> Cut:
    """The release that is cut from a commit, when `previous` are the commits that run."""
    product = product_at(source, commit.commit)
    return Cut(
        release=release,
        product=product,
        commit=commit,
        previous=previous,
        changes=changes(source, previous, commit.commit),
        fragments=added(source, previous, commit.commit, product.changes),
    )


def recalled(source: GitRepository, release: str, fact: Mapping[str, Any]) -> Cut:
    """The cut that a ledger's fact tells of, as it was then: a tag pushed since would change its version."""
    commit = source.resolve(fact["commit"]).model_copy(update={"version": fact["version"]})
    return describe(source, release, commit, tuple(fact["previous"]))


def changes(source: GitRepository, since: tuple[str, ...], until: str) -> tuple[Change, ...]:
    """Commits in `until` that at least one of `since` lacks, oldest first; all of them when nothing runs."""
    lists = [source.changes((commit,), until) for commit in since] or [source.changes((), until)]
    longest_first = sorted(lists, key=len, reverse=True)
    return tuple({change.commit: change for changes in longest_first for change in changes}.values())


def fragments_of(source: GitRepository, cut: Cut) -> tuple[Fragment, ...]:
    """What the cut's changes mean to people. Nothing to tell where nothing changed: the commit runs everywhere, or only
    goes to tenants that are new.

    Raises:
        FragmentMissingError, DocumentError: nobody wrote it down, or not well.
    """
    if cut.previous and not cut.changes:
        return ()
    texts = {path: source.read(cut.commit.commit, path) for path in cut.fragments}
    return read_fragments(texts, cut.product.changes)


def merged(source: GitRepository, since: Sequence[str], until: str) -> tuple[Merged, ...]:
    """What came into the branch that ends at `until` and at least one of `since` lacks, in the order of merging; all of
    it when nothing runs.
    """
    lists = [source.merged((commit,), until) for commit in since] or [source.merged((), until)]
    longest_first = sorted(lists, key=len, reverse=True)
    found: dict[str, Merged] = {}
    for one in (one for merged in longest_first for one in merged):
        found.setdefault(one.commit, one)
    return tuple(sorted(found.values(), key=lambda one: one.at))


def contains(source: GitRepository, commit: str, other: str) -> bool:
    """Whether a commit has everything that another one has."""
    return not source.changes((commit,), other)


def on_hold(ledger: "Ledger", product: str) -> dict[str, dict[str, Any]]:
    """The releases of a product that were rolled back and that nobody let go on, sorted, each with its cut's fact."""
    last = ledger.latest({"rollback", "lifted"})
    held = sorted(release for release, entry in last.items() if entry.step == "rollback" and holds(entry))
    first = {release: {entry.step: entry.fact for entry in reversed(ledger.entries(release))} for release in held}
    return {
        release: facts["cut"]
        for release, facts in first.items()
        if "cut" in facts and facts["started"]["product"] == product
    }


def brought(cut: Mapping[str, Any]) -> list[str]:
    """The commits that a cut brought, oldest first; the commit itself where that was nothing new."""
    return [change["commit"] for change in cut["changes"]] or [cut["commit"]]


def added(source: GitRepository, since: tuple[str, ...], until: str, folder: str) -> tuple[str, ...]:
    """Files under `folder` at `until` that at least one of `since` lacks, sorted; all of them when nothing runs."""
    lists = [source.added((commit,), until, folder) for commit in since] or [source.added((), until, folder)]
    return tuple(sorted({path for paths in lists for path in paths}))
