"""Signed notes: the examples of the specification verify, and nothing that differs from them by a byte does."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.signed_note import Key, NoteError, opened, parse, read_key, write

# The example of c2sp.org/signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXs"
    "YjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SECRET = Ed25519PrivateKey.from_private_bytes(b"n" * 32)
OURS = Key("log.example/1", SECRET.public_key().public_bytes_raw())
OTHER = Key("log.example/2", Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key().public_bytes_raw())
TEXT = "log.example/1\n\nfree text — with everything\n"


def signed(text: str = TEXT, *more: str) -> str:
    return write(text, OURS.line(SECRET.sign(text.encode())), *more)


def test_the_example_of_the_specification() -> None:
    key = read_key(VKEY)
    assert (key.name, key.vkey()) == ("example.com/foo", VKEY)
    assert opened(NOTE, [key]) == "This is an example message.\n"
    assert parse(NOTE).signatures[0].id == key.id


def test_the_signature_is_over_the_text_with_its_newline_and_empty_lines() -> None:
    assert opened(signed(), [OURS]) == TEXT == opened(signed().encode(), [OTHER, OURS])


@given(st.integers(0, len(NOTE.encode()) * 8 - 1))
def test_no_bit_can_be_flipped(bit: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NoteError):
        opened(bytes(raw), [read_key(VKEY)])


def test_signatures_of_others_do_no_harm_and_do_not_count() -> None:
    theirs = OTHER.line(b"of a kind we do not know")
    assert opened(signed(TEXT, theirs, theirs), [OURS]) == TEXT
    with pytest.raises(NoteError, match=rf"no known key .* log.example/1\+{OURS.id.hex()}"):
        opened(signed(), [OTHER])


def test_a_wrong_signature_of_a_known_key_condemns_the_note() -> None:
    with pytest.raises(NoteError, match=r"the signature of log.example/2\+.* is wrong"):
        opened(signed(TEXT, OTHER.line(b"x" * 64)), [OURS, OTHER])


def test_the_same_key_under_another_name_is_another_key() -> None:
    renamed = Key("log.example/other", OURS.raw)
    assert renamed.id != OURS.id
    with pytest.raises(NoteError, match="no known key"):
        opened(write(TEXT, renamed.line(SECRET.sign(TEXT.encode()))), [OURS])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("", "a text, an empty line"),
        ("\n\n", "a text, an empty line"),
        (NOTE[:-1], "each end with a newline"),
        (NOTE.replace("\n\n", "\n"), "a text, an empty line"),
        ("text\n\n", "each end with a newline"),
        (f"{NOTE}\n", "em dash|newline"),
        (f"{NOTE}stray\n", "em dash"),
        (NOTE.replace("—", "-"), "em dash"),
        (NOTE.replace("foo ", "foo"), "no spaces|bytes of its key|base64"),
        (NOTE.replace("foo ", "foo  "), "base64"),
        (NOTE.replace("/foo", "/f+o"), "names no key"),
        (NOTE.replace("/foo", "/f\u2003o"), "names no key"),
        (NOTE.replace("QM=\n", "QN=\n"), "stray bits"),
        (NOTE.replace("QM=\n", "QM\n"), "base64"),
        (NOTE.replace("QM=\n", "QM= \n"), "base64"),
        (NOTE.replace("\n", "\r\n"), "control"),
        (NOTE.replace("example ", "example\t"), "control"),
        (NOTE.replace("example ", "example\0"), "control"),
        (f"{'x' * 70_000}{NOTE}", "70120 bytes|bytes is none"),
        ("text\n\n— a UwA=\n", "four bytes"),
        ("text\n\n—  UwA=\n", "names no key"),
        (b"\xff" + NOTE.encode(), "UTF-8"),
        ("\ud800" + NOTE, "UTF-8"),
    ],
)
def test_a_note_is_read_strictly(wrong: str | bytes, said: str) -> None:
    with pytest.raises(NoteError, match=said):
        parse(wrong)


def vkey(kind: bytes, raw: bytes) -> str:
    return f"a+00000000+{base64.b64encode(kind + raw).decode()}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("", "names no key"),
        ("a", "not of ed25519"),
        (VKEY.replace("foo", "bar"), "'530d903a', and that of this name"),
        (VKEY.replace("530d903a", "530d903b"), "is '530d903b'"),
        (VKEY.replace("530d903a", "530D903A"), "is '530D903A'"),
        (VKEY.replace("530d903a", ""), "is ''"),
        (VKEY.replace("/foo", "/f o"), "names no key"),
        (VKEY[:-4], "not of ed25519"),
        (VKEY + "\n", "base64"),
        (VKEY + "=", "base64"),
        (VKEY + "+", "base64"),
        (vkey(b"\x02", b"k" * 32), "not of ed25519"),
        (vkey(b"\x01", b"k" * 31), "not of ed25519"),
        (vkey(b"\x01", b"k" * 33), "not of ed25519"),
    ],
)
def test_a_verifier_key_is_read_strictly(wrong: str, said: str) -> None:
    with pytest.raises(NoteError, match=said):
        read_key(wrong)


def test_a_key_is_written_and_read_back() -> None:
    assert read_key(OURS.vkey()) == OURS
    assert read_key(OURS.vkey()) != OTHER
