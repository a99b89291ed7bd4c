"""C2SP signed notes (c2sp.org/signed-note): a text, signatures under it by key name, and the keys that verify them.

Ed25519 only. The same key may also sign DSSE envelopes: those bytes begin with `DSSEv1` and a space, and a note of
ours with an origin, which has none, so that a signature of one kind is never one of the other.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stationmaster.domain.dsse import ED25519_BYTES, MalformedError, is_weak, made_by, strict_base64

_ED25519 = b"\x01"  # the type of signature in the specification
_ID_BYTES = 4
_SIGNATURE = "\N{EM DASH} "
_LONGEST = 1 << 16  # bytes; a checkpoint with 16 signatures of other kinds is shorter
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_ID = re.compile(r"[0-9a-f]{8}")


class NoteError(ValueError):
    """This is not a signed note or a verifier key, or nobody whom we know has signed it."""


@dataclass(frozen=True, slots=True)
class Key:
    """Whose signature counts: its name, and the raw public key."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that say which key of that name it is; no proof of anything."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:_ID_BYTES]

    def vkey(self) -> str:
        """The key as one line of text."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.raw).decode()}"

    def line(self, signature: bytes) -> str:
        """The signature as it stands under a note."""
        return f"{_SIGNATURE}{self.name} {base64.b64encode(self.id + signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """What stands in a signature line."""

    name: str
    id: bytes
    sig: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends with a newline, and the signatures under it. Nothing is verified."""

    text: str
    signatures: tuple[Signature, ...]


def read_key(vkey: str) -> Key:
    """A verifier key, `name+id+base64`. Raises NoteError."""
    name, _, rest = vkey.partition("+")
    told, _, content = rest.partition("+")
    must_be_name(name)
    raw = _base64(content)
    if len(raw) != 1 + ED25519_BYTES or raw[:1] != _ED25519:
        raise NoteError("a vkey is name+id+key; this one's key is not of ed25519")
    if is_weak(raw[1:]):
        raise NoteError("anybody could sign in the name of the vkey's key: it is a point of small order")
    key = Key(name, raw[1:])
    if not _ID.fullmatch(told) or told != key.id.hex():
        raise NoteError(f"the vkey's id is {told!r}, and that of this name and key is {key.id.hex()!r}")
    return key


def must_be_name(name: str) -> None:
    """Raises NoteError unless it can name a key."""
    if not name or "+" in name or any(each.isspace() for each in name) or _CONTROL.search(name):
        raise NoteError(f"{name!r} names no key: a name has no spaces and no plus")


def write(text: str, *lines: str) -> str:
    """The note of a text, which ends with a newline, and its signature lines."""
    return f"{text}\n{''.join(lines)}"


def parse(given: bytes | str) -> Note:
    """A note, read strictly: there is one spelling of it. Raises NoteError."""
    note = _plain(given)
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not text or not signatures.endswith("\n"):
        raise NoteError("a signed note is a text, an empty line, and signature lines that each end with a newline")
    return Note(f"{text}\n", tuple(_signature(line) for line in signatures.split("\n")[:-1]))


def opened(given: bytes | str, keys: Iterable[Key]) -> str:
    """The text of a note that one of the keys has signed. Signatures of others do not count and do no harm; a wrong
    one in the name of a key that we know condemns the note. Raises NoteError.
    """
    note, known = parse(given), {(key.name, key.id): key for key in keys}
    ours = [(known[each.name, each.id], each) for each in note.signatures if (each.name, each.id) in known]
    if not ours:
        raise NoteError(f"no known key has signed it; signed by {', '.join(_who(each) for each in note.signatures)}")
    for key, each in ours:
        if not made_by(key.raw, each.sig, note.text.encode()):
            raise NoteError(f"the signature of {_who(each)} is wrong")
    return note.text


def _who(signature: Signature) -> str:
    return f"{signature.name}+{signature.id.hex()}"


def _plain(given: bytes | str) -> str:
    try:
        raw = given.encode() if isinstance(given, str) else given
        note = raw.decode()
    except UnicodeError:
        raise NoteError("a signed note is UTF-8") from None
    if len(raw) > _LONGEST:
        raise NoteError(f"a signed note of {len(raw)} bytes is none of ours")
    if _CONTROL.search(note):
        raise NoteError("a signed note has no control characters")
    return note


def _signature(line: str) -> Signature:
    name, _, content = line.removeprefix(_SIGNATURE).partition(" ")
    if not line.startswith(_SIGNATURE):
        raise NoteError("a signature line begins with an em dash and a space")
    must_be_name(name)
    raw = _base64(content)
    if len(raw) <= _ID_BYTES:
        raise NoteError("a signature has the four bytes of its key's id and more")
    return Signature(name, raw[:_ID_BYTES], raw[_ID_BYTES:])


def _base64(text: str) -> bytes:
    try:
        return strict_base64(text)
    except MalformedError as error:
        raise NoteError(str(error)) from None
