"""Makes checkpoints of a ledger and publishes them where the database's administrator does not rule. None is published
that does not continue what is published already.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stationmaster.domain.checkpoint import Checkpoint, CheckpointError, opened
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.merkle import Tree, verify_consistency

if TYPE_CHECKING:
    from stationmaster.blocks.artifact_store import DirectoryStore
    from stationmaster.blocks.checkpoint_places import Kept, Place
    from stationmaster.blocks.signer import FileSigner
    from stationmaster.ledger.store import Ledger


class LogRewrittenError(RefusedError):
    """The ledger is not the continuation of a checkpoint that was published: entries were changed or taken away."""

    code = "log_rewritten"

    def __init__(self, place: str, published: Checkpoint, size: int) -> None:
        why = f"it has {size} entries now" if size < published.size else "their root is another one now"
        super().__init__(
            f"the log was rewritten: a checkpoint of {published.origin} {place} speaks of {published.size} entries with"
            f" root {published.root.hex()[:16]}…, and {why}",
            hint="nothing was published; keep the ledger and every checkpoint as they are, and compare with a backup",
        )
        self.place = place
        self.published = published
        self.size = size


class PublishedDamagedError(RefusedError):
    """What is published at a place is no checkpoint of this ledger that we trust."""

    code = "published_damaged"

    def __init__(self, kept: "Kept", why: str) -> None:
        super().__init__(
            f"what is published {kept.place} for {kept.size} entries is not to be trusted: {why}",
            hint="a key that signed before belongs under `logs` of approvers.yaml, or compare with another place",
        )


@dataclass(frozen=True)
class Published:
    """A checkpoint that is now at every place, and how it continues what was there."""

    checkpoint: Checkpoint
    text: str
    vkey: str
    previous: Checkpoint | None
    consistency: tuple[bytes, ...]  # from the previous one; none is needed from an empty log, or to the same

    def record(self) -> dict[str, Any]:
        """As JSON shows it."""
        made, before = self.checkpoint, self.previous
        return {
            "origin": made.origin, "size": made.size, "root": f"sha256:{made.root.hex()}", "vkey": self.vkey,
            "checkpoint": self.text, "footer": made.footer(), "previous": before.size if before else None,
            "consistency": [each.hex() for each in self.consistency],
        }  # fmt: skip


def origin(product: str) -> str:
    """What the checkpoints of a product's ledger begin with, wherever it lies and whoever signs. Two ledgers of one
    product (of two installations) must not have one key: their checkpoints would contradict each other.
    """
    return f"stationmaster.dev/ledger/{product}"


def shelf(evidence: "DirectoryStore", product: str) -> Path:
    """The folder for the checkpoints of a product's ledger, in the store of its evidence."""
    return Path(evidence.root) / "checkpoints" / product


def make(tree: Tree, signer: "FileSigner", product: str) -> str:
    """A signed checkpoint of a ledger's tree, published nowhere."""
    return signer.checkpoint(Checkpoint(origin(product), tree.size, tree.root()))


def publish(ledger: "Ledger", signer: "FileSigner", product: str, places: Sequence["Place"]) -> Published:
    """Publishes a checkpoint of the ledger as it is now at each place, in their order. Safe to repeat.

    Raises:
        LogRewrittenError: what is published at one of them is not the beginning of this ledger. Nothing is published.
        PublishedDamagedError: what is published there is no checkpoint of this ledger, or nobody we trust signed it.
        OutsideError: a place, or the ledger, cannot be asked; the places before it have the checkpoint.
    """
    trusted = _trusted(signer, product)
    before = [(kept.place, _read(kept, trusted)) for place in places for kept in place.newest()]
    tree = ledger.tree()  # read after what is published, so that it cannot be behind it
    for place, published in before:
        _must_continue(place, published, tree)
    text = make(tree, signer, product)
    for each in places:  # a size that was published before, under another key too, has the same root
        kept = each.put(tree.size, text)
        _must_continue(kept.place, _read(kept, trusted), tree)
    previous = max((published for _, published in before), key=lambda one: one.size, default=None)
    return Published(opened(text, trusted), text, signer.vkey(origin(product)), previous, _since(previous, tree))


def disagreements(
    ledger: "Ledger", signer: "FileSigner", product: str, places: Sequence["Place"]
) -> Iterator[RefusedError]:
    """Compares every checkpoint that was ever published with the ledger, and tells what is wrong, place by place.

    Raises OutsideError as `publish`.
    """
    trusted = _trusted(signer, product)
    published = [kept for place in places for kept in place.every()]
    tree = ledger.tree()
    for kept in published:
        try:
            _must_continue(kept.place, _read(kept, trusted), tree)
        except RefusedError as error:
            yield error


def _trusted(signer: "FileSigner", product: str) -> Collection[str]:
    """Our key of today, and those of before that approvers.yaml lists."""
    name = origin(product)
    return {signer.vkey(name), *signer.people().vkeys(name)}


def _read(kept: "Kept", trusted: Collection[str]) -> Checkpoint:
    try:
        found = opened(kept.text, trusted)
    except CheckpointError as error:
        raise PublishedDamagedError(kept, error.message) from None
    if found.size != kept.size:
        raise PublishedDamagedError(kept, f"it is a checkpoint of {found.size} entries")
    return found


def _must_continue(place: str, published: Checkpoint, tree: Tree) -> None:
    """By the proof that anybody can check, made from the ledger as it is now."""
    if published.size > tree.size:
        raise LogRewrittenError(place, published, tree.size)
    if published.size == 0:
        return  # every log continues an empty one; a checkpoint of none has no other root
    proof = tree.consistency(published.size)
    if not verify_consistency(published.size, tree.size, published.root, tree.root(), proof):
        raise LogRewrittenError(place, published, tree.size)


def _since(previous: Checkpoint | None, tree: Tree) -> tuple[bytes, ...]:
    return tree.consistency(previous.size) if previous is not None and previous.size else ()
