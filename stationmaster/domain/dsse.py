"""DSSE envelopes: the strict reading of one, what its signers signed, and which of our keys made a signature.

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
    return next((raw for raw in keys if _made(raw, signature.sig, signed)), None)


def _made(raw: bytes, sig: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(sig, signed)
    except InvalidSignature:
        return False
    return True
