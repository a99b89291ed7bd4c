"""Envelopes are read strictly, and a signature counts for the key that made it."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as SystemEnvelope

from stationmaster.domain import dsse

KEY, OTHER, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2, 3))
RAW, OTHER_RAW = (key.public_key().public_bytes_raw() for key in (KEY, OTHER))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def signed(payload: bytes = b"hello", kind: str = "text/plain") -> dict[str, object]:
    sig = KEY.sign(dsse.pae(kind, payload))
    return {"payload": b64(payload), "payloadType": kind, "signatures": [{"keyid": "any", "sig": b64(sig)}]}


def made_by(envelope: dsse.Envelope) -> bytes | None:
    return dsse.verified(envelope, envelope.signatures[0], [OTHER_RAW, RAW])


def makers(envelope: dsse.Envelope, keys: list[bytes]) -> list[bytes | None]:
    """The key of each signature, in their order."""
    return [dsse.verified(envelope, one, keys) for one in envelope.signatures]


def test_the_encoding_is_the_one_of_the_specification() -> None:
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_key_that_signed_is_found_whatever_the_keyid_claims() -> None:
    assert made_by(dsse.parse(signed())) == RAW
    assert made_by(dsse.parse(json.dumps(signed()))) == RAW


def test_the_examples_payload_is_signed_as_the_specification_has_it() -> None:
    """https://github.com/secure-systems-lab/dsse/blob/master/protocol.md: its payload and type; the key is ours."""
    envelope = signed(b"hello world", "http://example.com/HelloWorld")
    assert envelope["payload"] == "aGVsbG8gd29ybGQ="
    raw = dsse.parse(envelope).signatures[0].sig
    KEY.public_key().verify(raw, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world")
    read = SystemEnvelope.from_dict(json.loads(json.dumps(envelope)))
    assert read.pae() == dsse.pae("http://example.com/HelloWorld", b"hello world")


def test_each_signature_is_of_the_key_that_made_it_and_of_no_keyid() -> None:
    kind, payload = "text/plain", b"hello"
    pae = dsse.pae(kind, payload)
    rows = [
        {"keyid": keyid, "sig": b64(key.sign(pae))}
        for keyid, key in (("a", KEY), ("b", KEY), ("a", KEY), (dsse.key_id(OTHER_RAW), STRANGER), ("", OTHER))
    ]
    envelope = dsse.parse({"payload": b64(payload), "payloadType": kind, "signatures": rows})
    assert makers(envelope, [RAW, RAW]) == [RAW, RAW, RAW, None, None]
    assert makers(envelope, [RAW, OTHER_RAW]) == [RAW, RAW, RAW, None, OTHER_RAW]
    assert makers(envelope, []) == [None] * 5


@given(st.lists(st.sampled_from([0, 1, 2]), max_size=6), st.sets(st.sampled_from([0, 1, 2])))
def test_whoever_signed_is_found_when_they_are_known(by: list[int], known: set[int]) -> None:
    keys = (KEY, OTHER, STRANGER)
    raws = [key.public_key().public_bytes_raw() for key in keys]
    pae = dsse.pae("t", b"p")
    rows = [{"keyid": "claimed", "sig": b64(keys[number].sign(pae))} for number in by]
    envelope = dsse.parse({"payload": b64(b"p"), "payloadType": "t", "signatures": rows})
    found = makers(envelope, [raws[number] for number in known])
    assert found == [raws[number] if number in known else None for number in by]


def test_a_signature_of_nobody_we_know_is_nobodys() -> None:
    envelope = dsse.parse(signed())
    assert dsse.verified(envelope, envelope.signatures[0], [OTHER_RAW]) is None


def test_the_type_is_signed_too() -> None:
    assert made_by(dsse.parse({**signed(), "payloadType": "text/html"})) is None


@pytest.mark.parametrize("text", ["YQ", "YR==", "YQ==\n", " YQ==", "YQ=", "Y-_=", "é", 3, None])
def test_base64_has_one_spelling(text: object) -> None:
    with pytest.raises(dsse.MalformedError):
        dsse.strict_base64(text)


@given(st.binary())
def test_base64_of_anything_is_read_back(raw: bytes) -> None:
    assert dsse.strict_base64(b64(raw)) == raw


@pytest.mark.parametrize(
    "given",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        {},
        {**signed(), "more": 1},
        {**signed(), "payload": 3},
        {**signed(), "payloadType": "é"},
        {**signed(), "payloadType": None},
        {**signed(), "signatures": "x"},
        {**signed(), "signatures": ["x"]},
        {**signed(), "signatures": [{"keyid": 1, "sig": "YQ=="}]},
        {**signed(), "signatures": [{"sig": "YQ=="}]},
        '{"payload": "", "payload": "", "payloadType": "", "signatures": []}',
        b"\xff",
    ],
)
def test_what_is_no_envelope_is_refused(given: object) -> None:
    with pytest.raises(dsse.MalformedError):
        dsse.parse(given)  # type: ignore[arg-type]
