"""The Merkle tree of a log (RFC 6962, section 2.1; RFC 9162 has the checking): roots, proofs, whether a proof holds.

Works on leaf hashes, 32 bytes each; what a leaf says is not its business. A check answers False to whatever it is
given that is no proof, and never raises.
"""

import hashlib
from collections.abc import Iterable, Sequence

HASH_BYTES = 32
EMPTY = hashlib.sha256().digest()  # the root of no leaves


class OutsideTreeError(ValueError):
    """There is no such leaf, or no such size, in the tree."""


def leaf(content: bytes) -> bytes:
    """The hash of a leaf; its prefix keeps it from ever being taken for a node."""
    return hashlib.sha256(b"\x00" + content).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, in one pass from the bottom: a node without a sibling moves up as it is."""
    level = list(leaves)
    while len(level) > 1:
        above = [node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = above + level[len(above) * 2 :]
    return level[0] if level else EMPTY


def split(packed: bytes) -> list[bytes]:
    """Leaf hashes as a ledger or a bundle writes them, one behind the other. Raises ValueError when one is cut."""
    if len(packed) % HASH_BYTES:
        raise ValueError(f"leaf hashes have {HASH_BYTES} bytes each, these are {len(packed)} bytes")
    return [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]


class Tree:
    """A tree that grows, with every complete node kept, 64 bytes a leaf: a proof costs no more than its own length.

    Answers for each size that it ever had, not for its present one alone.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]  # a level's complete nodes, one behind the other
        self.size = 0
        for each in leaves:
            self.append(each)

    def append(self, leaf: bytes) -> None:
        """Adds the hash of a leaf, and the nodes that it completes."""
        if len(leaf) != HASH_BYTES:
            raise ValueError(f"the hash of a leaf has {HASH_BYTES} bytes, this one {len(leaf)}")
        above, height, made = self.size, 0, bytes(leaf)
        self._keep(0, made)
        while above & 1:
            height, above = height + 1, above >> 1
            made = node(bytes(self._levels[height - 1][-2 * HASH_BYTES : -HASH_BYTES]), made)
            self._keep(height, made)
        self.size += 1

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` leaves, or of all. Raises OutsideTreeError when there are fewer."""
        size = self.size if size is None else size
        self._must_have(size)
        return self._over(0, size) if size else EMPTY

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """The proof that leaf `index` is among the first `size`, from its sibling up. Raises OutsideTreeError."""
        size = self.size if size is None else size
        self._must_have(size)
        if not 0 <= index < size:
            raise OutsideTreeError(f"there is no leaf {index} in a tree of {size}")
        return self._path(index, 0, size)

    def consistency(self, m: int, n: int | None = None) -> tuple[bytes, ...]:
        """The proof that the first `m` leaves are the beginning of the first `n`. An empty tree is the beginning of
        every tree, which no proof says. Raises OutsideTreeError.
        """
        n = self.size if n is None else n
        self._must_have(n)
        if not 0 < m <= n:
            raise OutsideTreeError(f"no proof leads from a tree of {m} to one of {n}")
        return self._since(m, 0, n, known=True)

    def _keep(self, height: int, made: bytes) -> None:
        if height == len(self._levels):
            self._levels.append(bytearray())
        self._levels[height] += made

    def _must_have(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise OutsideTreeError(f"the tree has {self.size} leaves, not {size}")

    def _over(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]) of the RFC, where start is a multiple of the size's next power of two: complete nodes as
        they are kept, folded from the right.
        """
        made: bytes | None = None
        while start < end:
            width = (end - start) & -(end - start)  # the last complete subtree
            kept = self._kept(width.bit_length() - 1, (end - width) // width)
            made, end = (kept if made is None else node(kept, made)), end - width
        return made or EMPTY

    def _kept(self, height: int, position: int) -> bytes:
        at = position * HASH_BYTES
        return bytes(self._levels[height][at : at + HASH_BYTES])

    def _path(self, index: int, start: int, end: int) -> tuple[bytes, ...]:
        """PATH(m, D[n]) of the RFC."""
        if end - start == 1:
            return ()
        middle = start + _left(end - start)
        if index < middle:
            return (*self._path(index, start, middle), self._over(middle, end))
        return (*self._path(index, middle, end), self._over(start, middle))

    def _since(self, m: int, start: int, end: int, *, known: bool) -> tuple[bytes, ...]:
        """SUBPROOF(m, D[n], b) of the RFC; `known` is its b: whether the verifier has the root of D[start:m]."""
        if m == end:
            return () if known else (self._over(start, end),)
        middle = start + _left(end - start)
        if m <= middle:
            return (*self._since(m, start, middle, known=known), self._over(middle, end))
        return (*self._since(m, middle, end, known=False), self._over(start, middle))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash is number `index` of the `size` leaves under the root (RFC 9162, section 2.1.3.2)."""
    if not (_numbers(index, size) and index < size and _hashes(leaf, root, *proof)):
        return False
    mine, last, made = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return False
        if mine & 1 or mine == last:
            made = node(each, made)
            mine, last = _past_right_edge(mine, last)
        else:
            made = node(made, each)
        mine, last = mine >> 1, last >> 1
    return last == 0 and made == root


def verify_consistency(m: int, n: int, root_m: bytes, root_n: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `n` leaves begins with the tree of `m` (RFC 9162, section 2.1.4.2). Nothing can be proved
    from an empty tree. Two trees of one size are the same when their roots are, and there is nothing to prove.
    """
    if not _numbers(m, n) or not 0 < m <= n:
        return False
    if m == n:
        return not proof and root_m == root_n
    return bool(proof) and _hashes(root_m, root_n, *proof) and _leads(m, n, root_m, root_n, proof)


def _leads(m: int, n: int, root_m: bytes, root_n: bytes, proof: Sequence[bytes]) -> bool:
    """Both roots are made from the same hashes: the old one from those to the left alone."""
    first, *rest = proof if m & (m - 1) else (root_m, *proof)
    shift = (m & -m).bit_length() - 1  # levels on which the old tree's last node is a right child
    mine, last, old, new = (m - 1) >> shift, (n - 1) >> shift, first, first
    for each in rest:
        if last == 0:
            return False
        if mine & 1 or mine == last:
            old, new = node(each, old), node(each, new)
            mine, last = _past_right_edge(mine, last)
        else:
            new = node(new, each)
        mine, last = mine >> 1, last >> 1
    return last == 0 and old == root_m and new == root_n


def _past_right_edge(mine: int, last: int) -> tuple[int, int]:
    """Levels on which the node has no sibling, because the tree ends with it."""
    while mine and not mine & 1:
        mine, last = mine >> 1, last >> 1
    return mine, last


def _left(size: int) -> int:
    """The largest power of two below the size: so many leaves are left of the root."""
    return 1 << ((size - 1).bit_length() - 1)


def _numbers(*values: object) -> bool:
    return all(type(value) is int and value >= 0 for value in values)


def _hashes(*values: object) -> bool:
    return all(isinstance(value, bytes) and len(value) == HASH_BYTES for value in values)
