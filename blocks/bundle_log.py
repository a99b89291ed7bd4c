"""The part of a bundle that proves: the entries, all leaf hashes, a checkpoint over them, a proof for each entry."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from stationmaster.blocks.checkpoints import make, origin
from stationmaster.domain import bundle, checkpoint
from stationmaster.domain.bundle import Head
from stationmaster.domain.checkpoint import Checkpoint, proof_text
from stationmaster.domain.entries import LOG, Entry
from stationmaster.domain.errors import StationmasterError

if TYPE_CHECKING:
    from stationmaster.blocks.collecting import Collection
    from stationmaster.blocks.toolbox import Toolbox
    from stationmaster.domain.merkle import Tree


class LogBrokenError(StationmasterError):
    """A checkpoint that was published is not one of the ledger as it is now."""

    code = "log_broken"

    def __init__(self, published: Checkpoint) -> None:
        super().__init__(
            f"the ledger does not begin with the {published.size} entries of a checkpoint that was published",
            hint="entries were changed or taken away; keep the ledger as it is and compare it with a backup",
        )


def collect_log(
    into: "Collection", tools: "Toolbox", product: str, entries: Sequence[Entry], shown: Iterable[Entry]
) -> Head:
    """Takes it along, and gives the checkpoint: the newest that was published, if it is over every entry of the
    release; else one that is made now.

    Raises LogBrokenError.
    """
    tree, last = tools.ledger.tree(), entries[-1].index
    note = _published(tools, product, tree, last) or make(tree, tools.signer, product)
    made = checkpoint.parse(note).checkpoint
    into.files[bundle.CHECKPOINT] = note.encode()
    into.files[bundle.LEAVES] = tools.ledger.leaves(made.size)
    into.files[bundle.ENTRIES] = bundle.lines(entry.canonical() for entry in shown)
    for entry in shown:
        proof = proof_text(entry.index, tree.inclusion(entry.index, made.size), note)
        into.files[bundle.proof_name(entry.index)] = proof.encode()
    return Head(origin=made.origin, size=made.size, root=f"sha256:{made.root.hex()}")


def _published(tools: "Toolbox", product: str, tree: "Tree", last: int) -> str | None:
    """The newest checkpoint that the ledger tells of, if it is over the entry `last`."""
    told = [entry for entry in tools.ledger.entries(LOG) if entry.step == "checkpointed"]
    for entry in reversed(told):
        note = str(entry.fact["note"])
        made = checkpoint.parse(note).checkpoint
        if made.origin != origin(product):
            continue  # of another product, whose ledger is this one too
        if made.size > tree.size or tree.root(made.size) != made.root:
            raise LogBrokenError(made)
        return note if made.size > last else None
    return None
