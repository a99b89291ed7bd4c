"""DSSE envelopes: the strict reading of one, what is signed, and which of our keys made a signature.

Ed25519 only. The keyid in an envelope is a claim: a signature counts for the key that verifies it and for no other.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519_BYTES = 32
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class MalformedError(ValueError):
    """This is not a DSSE envelope, or not written strictly."""


@dataclass(frozen=True)
class Signature:
    """A signature and the key it claims to be from."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload with its type and signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


def strict_base64(text: object) -> bytes:
    """Padded standard base64 with nothing beside it and no stray bits; there is one spelling of every value."""
    if not isinstance(text, str):
        raise MalformedError("base64 must be text")
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedError(f"not base64: {error}") from None
    if base64.b64encode(raw).decode() != text:
        raise MalformedError("base64 with stray bits")
    return raw


def is_weak(raw: bytes) -> bool:
    """Whether a raw public key is one of small order: signatures in its name can be made without a private key.

    The seven y coordinates, non-canonical ones too, are those of libsodium's `ge25519_has_small_order`
    (ref10/ed25519_ref10.c); the sign of x, the highest bit, does not matter.
    """
    return raw[:-1] + bytes([raw[-1] & 0x7F]) in _SMALL_ORDER


def key_id(raw: bytes) -> str:
    """The keyid of a raw public key: its SHA-256 in hex."""
    return hashlib.sha256(raw).hexdigest()


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding, DSSE v1: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse(given: str | bytes | Mapping[str, Any]) -> Envelope:
    """JSON text or object → envelope; unknown, missing and repeated keys are refused."""
    envelope = given if isinstance(given, Mapping) else _json(given)
    _has_keys(envelope, {"payload", "payloadType", "signatures"})
    if not isinstance(envelope["signatures"], list | tuple):
        raise MalformedError("signatures must be a list")
    return Envelope(
        strict_base64(envelope["payload"]),
        _text(envelope["payloadType"]),
        tuple(_signature(one) for one in envelope["signatures"]),
    )


def _json(text: str | bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object")
    return value


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    if len(dict(listed)) != len(listed):
        raise ValueError("a key is given twice")
    return dict(listed)


def _has_keys(value: Any, keys: set[str]) -> None:  # noqa: ANN401 - anything may be in a JSON text
    if not isinstance(value, Mapping) or set(value) != keys:
        raise MalformedError(f"an object with {', '.join(sorted(keys))} is wanted")


def _signature(value: Any) -> Signature:  # noqa: ANN401
    _has_keys(value, {"keyid", "sig"})
    return Signature(_text(value["keyid"]), strict_base64(value["sig"]))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isascii():
        raise MalformedError("payloadType and keyid must be plain text")
    return value


def verified(envelope: Envelope, signature: Signature, keys: Iterable[bytes]) -> bytes | None:
    """The raw public key among `keys` that made the signature, or None. The claimed keyid is not looked at."""
    signed = pae(envelope.payload_type, envelope.payload)
    return next((raw for raw in keys if made_by(raw, signature.sig, signed)), None)


def made_by(raw: bytes, sig: bytes, signed: bytes) -> bool:
    """Whether the raw public key made the signature over these bytes; with one of small order, nobody did."""
    if is_weak(raw):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(sig, signed)
    except InvalidSignature:
        return False
    return True
