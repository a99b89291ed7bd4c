"""The tree against the vectors of transparency-dev/merkle, the eight leaves of Certificate Transparency's own tests,
and the RFC's recursive definitions written down once more.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain import merkle
from stationmaster.domain.merkle import EMPTY, OutsideTreeError, Tree, leaf, node, verify_consistency, verify_inclusion

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "merkle" / "vectors.json").read_text())
# The leaves of Certificate Transparency's reference implementation, and the roots of the first 1, 2, … 8 of them.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(min_value=1, max_value=260)


def some(size: int) -> list[bytes]:
    return [leaf(str(number).encode()) for number in range(size)]


def split(size: int) -> int:
    return max(1 << power for power in range(20) if 1 << power < size)


def mth(leaves: list[bytes]) -> bytes:
    """The RFC's definition of the Merkle tree hash, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY
    k = split(len(leaves))
    return node(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: list[bytes]) -> tuple[bytes, ...]:
    if len(leaves) == 1:
        return ()
    k = split(len(leaves))
    if m < k:
        return (*path(m, leaves[:k]), mth(leaves[k:]))
    return (*path(m - k, leaves[k:]), mth(leaves[:k]))


def subproof(m: int, leaves: list[bytes], *, whole: bool) -> tuple[bytes, ...]:
    if m == len(leaves):
        return () if whole else (mth(leaves),)
    k = split(len(leaves))
    if m <= k:
        return (*subproof(m, leaves[:k], whole=whole), mth(leaves[k:]))
    return (*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k]))


def raw(text: str) -> bytes:
    return base64.b64decode(text)


def hashes(vector: dict[str, Any]) -> list[bytes]:
    return [raw(each) for each in vector["proof"] or []]


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda one: one["name"])
def test_vectors_of_inclusion(vector: dict[str, Any]) -> None:
    asked = (raw(vector["leafHash"]), vector["leafIdx"], vector["treeSize"], hashes(vector), raw(vector["root"]))
    assert verify_inclusion(*asked) is not vector["wantErr"]


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda one: one["name"])
def test_vectors_of_consistency(vector: dict[str, Any]) -> None:
    asked = (vector["size1"], vector["size2"], raw(vector["root1"]), raw(vector["root2"]), hashes(vector))
    assert verify_consistency(*asked) is not vector["wantErr"]


def test_the_vectors_are_all_there() -> None:
    assert {kind: (len(each), sum(not one["wantErr"] for one in each)) for kind, each in VECTORS.items()} == {
        "inclusion": (98, 6),
        "consistency": (98, 6),
    }


def test_the_eight_leaves_of_certificate_transparency() -> None:
    leaves = [leaf(content) for content in CT_LEAVES]
    assert [merkle.root(leaves[:size]).hex() for size in range(1, 9)] == CT_ROOTS
    tree = Tree(leaves)
    assert [tree.root(size).hex() for size in range(1, 9)] == CT_ROOTS
    assert [each.hex()[:8] for each in tree.inclusion(0)] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [each.hex()[:8] for each in tree.consistency(6, 8)] == ["0ebc5d34", "ca854ea1", "d37ee418"]


def test_a_leaf_is_never_taken_for_a_node() -> None:
    one, other = some(2)
    assert leaf(one + other) != node(one, other)
    assert leaf(b"").hex() == CT_ROOTS[0]


@given(SIZES)
def test_roots_are_those_of_the_definition(size: int) -> None:
    leaves = some(size)
    assert merkle.root(leaves) == Tree(leaves).root() == mth(leaves)


@given(SIZES, st.data())
def test_proofs_are_those_of_the_definition_and_hold_at_every_size(size: int, data: st.DataObject) -> None:
    leaves = some(size)
    tree = Tree(leaves)
    index, m = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    at = data.draw(st.integers(max(index + 1, m), size))
    included, consistent = tree.inclusion(index, at), tree.consistency(m, at)
    assert included == path(index, leaves[:at])
    assert consistent == subproof(m, leaves[:at], whole=True)
    assert verify_inclusion(leaves[index], index, at, included, tree.root(at))
    assert verify_consistency(m, at, tree.root(m), tree.root(at), consistent)


@given(SIZES, st.data())
def test_an_inclusion_proof_holds_for_nothing_else(size: int, data: st.DataObject) -> None:
    """Another leaf, index, root or bit; a hash less, one more, two in the other order."""
    leaves = some(size)
    tree, index = Tree(leaves), data.draw(st.integers(0, size - 1))
    proof, top = list(tree.inclusion(index)), tree.root()
    other = data.draw(st.integers(0, size * 2))
    assert verify_inclusion(leaves[index], other, size, proof, top) is (other == index)
    assert not verify_inclusion(leaf(b"other"), index, size, proof, top)
    assert not verify_inclusion(leaves[index], index, size, proof, leaf(b"other"))
    for wrong in spoilt(proof, data):
        assert not verify_inclusion(leaves[index], index, size, wrong, top)


@given(st.integers(2, 260), st.data())
def test_a_consistency_proof_holds_for_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = some(size)
    tree, m = Tree(leaves), data.draw(st.integers(1, size - 1))
    old, new, proof = tree.root(m), tree.root(), list(tree.consistency(m))
    for wrong in spoilt(proof, data):
        assert not verify_consistency(m, size, old, new, wrong)
    assert not verify_consistency(m, size, leaf(b"other"), new, proof)
    assert not verify_consistency(m, size, old, leaf(b"other"), proof)
    assert not verify_consistency(size, m, new, old, proof)


@given(st.integers(2, 260), st.data())
def test_a_log_that_was_rewritten_has_no_proof(size: int, data: st.DataObject) -> None:
    """Whatever entry before the old size is another one, and whatever proof the rewritten tree gives."""
    leaves = some(size)
    m = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, m - 1))
    rewritten = Tree([*leaves[:changed], leaf(b"rewritten"), *leaves[changed + 1 :]])
    assert not verify_consistency(m, size, merkle.root(leaves[:m]), rewritten.root(), rewritten.consistency(m))


def spoilt(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    wrong = [[*proof, EMPTY], [EMPTY, *proof], *([proof[1:], proof[:-1], [*proof[:-1], b"short"]] if proof else [])]
    if proof:
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[at]) ^ 1 << bit).to_bytes(32)
        wrong.append([*proof[:at], flipped, *proof[at + 1 :]])
    if len(proof) > 1:
        wrong.append([proof[1], proof[0], *proof[2:]])
    return wrong


@pytest.mark.parametrize("size", [0, -1, True, 1.0, None, "1"])
def test_a_size_that_is_none_proves_nothing(size: Any) -> None:
    one = some(1)[0]
    assert not verify_inclusion(one, 0, size, (), one)
    assert not verify_consistency(size, 2, one, one, ())
    assert not verify_consistency(1, size, one, one, (one,))


@pytest.mark.parametrize("index", [-1, 1, False, 0.0, None])
def test_an_index_that_is_none_is_not_included(index: Any) -> None:
    one = some(1)[0]
    assert verify_inclusion(one, 0, 1, (), one)
    assert not verify_inclusion(one, index, 1, (), one)


@pytest.mark.parametrize("wrong", [b"", b"x" * 31, b"x" * 33, "x" * 32, None])
def test_what_is_no_hash_proves_nothing(wrong: Any) -> None:
    one, other = some(2)
    assert verify_inclusion(one, 0, 2, (other,), node(one, other))
    assert not verify_inclusion(wrong, 0, 1, (), wrong)
    assert not verify_inclusion(one, 0, 2, (wrong,), one)
    assert not verify_consistency(1, 2, one, node(one, other), (wrong,))


def test_growing_and_proving_hash_no_more_than_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node for each entry at most, log₂ for a root, a proof and its verification; at any size."""
    made = 0

    def counted(left: bytes, right: bytes) -> bytes:
        nonlocal made
        made += 1
        return node(left, right)

    def cost(call: Callable[..., object], *given: object) -> int:
        nonlocal made
        made = 0
        call(*given)
        return made

    monkeypatch.setattr(merkle, "node", counted)
    for size in (1000, 4095, 4096, 4097):
        leaves, height = some(size), size.bit_length()
        assert cost(Tree, leaves) < size
        assert cost(merkle.root, leaves) == size - 1
        tree = Tree(leaves)
        for asked in (0, size // 3, size - 2):
            assert cost(tree.root, asked) < height
            assert cost(tree.inclusion, asked) < height
            assert cost(tree.consistency, asked + 1) < 2 * height
            proof, root = tree.inclusion(asked), tree.root()
            assert cost(verify_inclusion, leaves[asked], asked, size, proof, root) == len(proof) <= height


def test_a_tree_grows_as_it_is_built() -> None:
    leaves, grown = some(70), Tree()
    assert (grown.size, grown.root()) == (0, EMPTY)
    for size, each in enumerate(leaves, 1):
        grown.append(each)
        assert (grown.size, grown.root()) == (size, mth(leaves[:size]))
    assert [grown.root(size) for size in range(71)] == [mth(leaves[:size]) for size in range(71)]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda tree: tree.root(4), "has 3 leaves, not 4"),
        (lambda tree: tree.root(-1), "not -1"),
        (lambda tree: tree.inclusion(3), "no leaf 3 in a tree of 3"),
        (lambda tree: tree.inclusion(2, 2), "no leaf 2 in a tree of 2"),
        (lambda tree: tree.inclusion(-1), "no leaf -1"),
        (lambda tree: tree.inclusion(0, 4), "has 3 leaves"),
        (lambda tree: tree.consistency(0), "from a tree of 0 to one of 3"),
        (lambda tree: tree.consistency(3, 2), "from a tree of 3 to one of 2"),
        (lambda tree: tree.consistency(1, 4), "has 3 leaves"),
    ],
)
def test_what_is_not_in_the_tree_is_said(ask: Any, said: str) -> None:
    with pytest.raises(OutsideTreeError, match=said):
        ask(Tree(some(3)))


def test_leaves_lie_one_behind_the_other() -> None:
    leaves = some(5)
    assert merkle.split(b"".join(leaves)) == leaves
    assert merkle.split(b"") == []
    with pytest.raises(ValueError, match="these are 33 bytes"):
        merkle.split(b"x" * 33)
    with pytest.raises(ValueError, match="this one 31"):
        Tree([b"x" * 31])
