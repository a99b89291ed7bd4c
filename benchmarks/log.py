"""What the log costs at 10,000 and at 100,000 entries: appending, a root, proofs and their verification, and the way
from the ledger's table to a tree.

`python benchmarks/log.py`. The work of a bare SHA-256 over two hashes, in the same run, is the measure: a tree cannot
be grown with less than one for each entry.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from sqlalchemy import insert, update

from stationmaster.domain import merkle
from stationmaster.domain.entries import Draft, compose
from stationmaster.domain.merkle import Tree, verify_consistency, verify_inclusion
from stationmaster.ledger import tables
from stationmaster.ledger.connection import alone
from stationmaster.ledger.rows import to_row
from stationmaster.ledger.store import Ledger

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SIZES = (10_000, 100_000)
PROOFS = 500


def main(sizes: tuple[int, int] = SIZES) -> dict[str, float]:
    few, many = (_figures(size) for size in sizes)
    named = {f"{name}_at_{sizes[1]}": value for name, value in many.items()}
    growth = {f"{name}_at_{sizes[1]}_vs_{sizes[0]}": many[name] / few[name] for name in few}
    return {name: round(value, 4) for name, value in {**named, **growth}.items()}


def _figures(size: int) -> dict[str, float]:
    leaves = [merkle.leaf(str(number).encode()) for number in range(size)]
    grown = _best(lambda: _grow(leaves))
    bare = _best(lambda: [hashlib.sha256(b"\x01" + leaf + leaf).digest() for leaf in leaves])
    return {
        "grow_s": grown,
        "grow_vs_bare_hashing": grown / bare,
        "root_of_leaves_s": _best(lambda: merkle.root(leaves)),
        **_proofs(_grow(leaves), leaves),
        **_from_ledger(size),
    }


def _grow(leaves: list[bytes]) -> Tree:
    """One append after the other, as a ledger grows."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def _proofs(tree: Tree, leaves: list[bytes]) -> dict[str, float]:
    """Milliseconds by the median, over indexes and sizes spread through the whole tree."""
    size, root = tree.size, tree.root()
    places = [number * size // PROOFS for number in range(PROOFS)]
    included, consistent = [tree.inclusion(at) for at in places], [tree.consistency(at + 1) for at in places]
    roots = [tree.root(at + 1) for at in places]
    asked: dict[str, Callable[[int], object]] = {
        "root_ms": lambda n: tree.root(places[n] + 1),
        "prove_inclusion_ms": lambda n: tree.inclusion(places[n]),
        "verify_inclusion_ms": lambda n: verify_inclusion(leaves[places[n]], places[n], size, included[n], root),
        "prove_consistency_ms": lambda n: tree.consistency(places[n] + 1),
        "verify_consistency_ms": lambda n: verify_consistency(places[n] + 1, size, roots[n], root, consistent[n]),
    }
    return {name: 1000 * median(_each(ask)) for name, ask in asked.items()}


def _each(ask: Callable[[int], object]) -> list[float]:
    return [_seconds(partial(ask, number)) for number in range(PROOFS)]


def _from_ledger(size: int) -> dict[str, float]:
    """A tree as a checkpoint needs it, read from SQLite; and the audit, which reads and checks every entry."""
    with TemporaryDirectory() as folder, Ledger.open(f"sqlite:///{folder}/ledger.db") as ledger:
        _fill(ledger, size)
        read, planted = _best(ledger.leaves), _best(ledger.tree)
        flaws: list[object] = []
        audited = _seconds(lambda: flaws.extend(ledger.audit()))
        assert not flaws  # noqa: S101 - else the figures are of another work
        return {"read_leaves_s": read, "ledger_to_tree_s": planted, "audit_s": audited}


def _fill(ledger: Ledger, size: int) -> None:
    """Entries as `append` makes them, in one transaction."""
    rows = []
    for index in range(size):
        draft = Draft(
            release=f"release-{index // 20}", step="deployed", subject=f"t{index % 20}", fact={"version": "1"}
        )
        rows.append(to_row(compose(draft, index=index, at=AT, attempt=1, salt="00" * 16, payload=None)))
    with alone(ledger.engine) as connection:
        connection.execute(insert(tables.entries), rows)
        connection.execute(update(tables.head).values(size=size))


def _best(call: Callable[[], object]) -> float:
    """Seconds at the best of three: a busy machine only ever adds."""
    return min(_seconds(call) for _ in range(3))


def _seconds(call: Callable[[], object]) -> float:
    begin = perf_counter()
    call()
    return perf_counter() - begin


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
