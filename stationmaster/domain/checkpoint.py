"""A ledger's size and root at one moment, as a signed note (c2sp.org/tlog-checkpoint), and the proof that an entry is
under it (c2sp.org/tlog-proof). Says what was signed and by whom; whether that is the log one means, its origin says.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stationmaster.domain import merkle, signed_note
from stationmaster.domain.dsse import MalformedError, strict_base64
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.signed_note import NoteError

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_PROOF = "c2sp.org/tlog-proof@v1"
_LONGEST = 64  # hashes; no tree that fits into a machine is higher
_LINES = 3


class CheckpointError(RefusedError):
    """A checkpoint or a proof of inclusion is not one, or nobody who is trusted has signed it, or it does not hold."""

    code = "checkpoint"

    def __init__(self, message: str) -> None:
        super().__init__(
            message, hint="compare it with a copy from another place; the vkey of each log is in approvers.yaml"
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ledger `origin` had so many entries, and this root over their leaf hashes. Raises CheckpointError."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        _must_be_origin(self.origin)
        if not _NUMBER.fullmatch(str(self.size)):
            raise CheckpointError(f"{self.size} is no size of a log")
        if len(self.root) != merkle.HASH_BYTES:
            raise CheckpointError(f"a root has {merkle.HASH_BYTES} bytes, this one {len(self.root)}")
        if self.size == 0 and self.root != merkle.EMPTY:
            raise CheckpointError("the root of an empty log is that of no leaves")

    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def footer(self) -> str:
        """The line for a message: the size, and the root in hex."""
        return f"checkpoint {self.size} sha256:{self.root.hex()}"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the note it was read from. Nothing is verified: `opened` does that."""

    checkpoint: Checkpoint
    signatures: tuple[signed_note.Signature, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What says that a leaf is number `index` under a checkpoint. `extra` is signed by nobody."""

    index: int
    hashes: tuple[bytes, ...]
    signed: SignedCheckpoint
    extra: bytes = b""

    def opened(self, leaf: bytes, vkeys: Iterable[str]) -> Checkpoint:
        """The verified checkpoint, if the leaf hash is under it at that index. Raises CheckpointError."""
        checkpoint = opened(self.signed.text, vkeys)
        if not merkle.verify_inclusion(leaf, self.index, checkpoint.size, self.hashes, checkpoint.root):
            raise CheckpointError(f"the proof does not lead from the entry, as number {self.index}, to the root")
        return checkpoint


def parse(text: bytes | str) -> SignedCheckpoint:
    """A signed checkpoint, read strictly: there is one spelling of it. Raises CheckpointError."""
    try:
        note = signed_note.parse(text)
    except NoteError as error:
        raise CheckpointError(f"not a signed checkpoint: {error}") from None
    return SignedCheckpoint(_read(note.text), note.signatures, text if isinstance(text, str) else text.decode())


def opened(text: bytes | str, vkeys: Iterable[str]) -> Checkpoint:
    """The checkpoint, if one of the verifier keys *of its own origin* has signed it: another log's key says nothing
    about this one. Raises CheckpointError.
    """
    origin = parse(text).checkpoint.origin
    try:
        keys = [key for key in map(signed_note.read_key, vkeys) if key.name == origin]
        return _read(signed_note.opened(text, keys))
    except NoteError as error:
        raise CheckpointError(f"the checkpoint of {origin} is not to be trusted: {error}") from None


def proof_text(index: int, proof: Sequence[bytes], signed_checkpoint_text: str, extra: bytes = b"") -> str:
    """The proof as it is written to a file. Raises CheckpointError when it would not be read back."""
    more = [f"extra {base64.b64encode(extra).decode()}"] if extra else []
    lines = [_PROOF, *more, f"index {index}", *(base64.b64encode(each).decode() for each in proof)]
    text = "\n".join(lines) + f"\n\n{signed_checkpoint_text}"
    parse_proof(text)
    return text


def parse_proof(text: bytes | str) -> Proof:
    """A proof of inclusion, read strictly. Raises CheckpointError."""
    try:
        head, _, signed = (text if isinstance(text, str) else text.decode()).partition("\n\n")
    except UnicodeError:
        raise CheckpointError("a proof is UTF-8") from None
    lines = head.split("\n")
    if lines.pop(0) != _PROOF:
        raise CheckpointError(f"a proof begins with the line {_PROOF}")
    extra = _extra(lines)
    if not lines or not lines[0].startswith("index "):
        raise CheckpointError("a proof names the index of its entry")
    if len(lines) > 1 + _LONGEST:
        raise CheckpointError(f"a proof has {_LONGEST} hashes at most")
    index = _number(lines[0].removeprefix("index "), "an index")
    return Proof(index, tuple(_hash(line, "a hash of the proof") for line in lines[1:]), parse(signed), extra)


def _extra(lines: list[str]) -> bytes:
    """Takes the line away if it is there."""
    if not lines or not lines[0].startswith("extra "):
        return b""
    extra = _base64(lines.pop(0).removeprefix("extra "), "the extra data")
    if not extra:
        raise CheckpointError("a proof without extra data has no line for them")
    return extra


def _read(text: str) -> Checkpoint:
    lines = text.split("\n")[:-1]
    if len(lines) != _LINES:
        raise CheckpointError(f"the body of a checkpoint of ours is origin, size and root, not {len(lines)} lines")
    return Checkpoint(lines[0], _number(lines[1], "a size"), _hash(lines[2], "a root"))


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise CheckpointError(f"{what} is a decimal number without zeros in front, not {text[:40]!r}")
    return int(text)


def _hash(text: str, what: str) -> bytes:
    raw = _base64(text, what)
    if len(raw) != merkle.HASH_BYTES:
        raise CheckpointError(f"{what} has {merkle.HASH_BYTES} bytes, not {len(raw)}")
    return raw


def _base64(text: str, what: str) -> bytes:
    try:
        return strict_base64(text)
    except MalformedError as error:
        raise CheckpointError(f"{what} is {error}") from None


def _must_be_origin(origin: str) -> None:
    try:
        signed_note.must_be_name(origin)
    except NoteError:
        raise CheckpointError(f"{origin!r} is no origin of a log: one has no spaces and no plus") from None
