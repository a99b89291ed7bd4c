"""Checkpoints and proofs of inclusion: written as the specifications say, read strictly, believed only when signed."""

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain import signed_note
from stationmaster.domain.checkpoint import (
    Checkpoint,
    CheckpointError,
    opened,
    parse,
    parse_proof,
    proof_text,
)
from stationmaster.domain.errors import Exit
from stationmaster.domain.merkle import EMPTY, Tree, leaf

ORIGIN = "example.com/behind-the-sofa"
SECRET = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
RAW = SECRET.public_key().public_bytes_raw()
VKEY = signed_note.Key(ORIGIN, RAW).vkey()
LEAVES = [leaf(str(number).encode()) for number in range(5)]
TREE = Tree(LEAVES)


def signed(body: str, name: str = ORIGIN) -> str:
    return signed_note.write(body, signed_note.Key(name, RAW).line(SECRET.sign(body.encode())))


def of(size: int, origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, TREE.root(size))


def proved(index: int, size: int = 5, extra: bytes = b"") -> str:
    return proof_text(index, TREE.inclusion(index, size), signed(of(size).body()), extra)


def test_the_body_is_that_of_the_specification() -> None:
    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    checkpoint = Checkpoint(ORIGIN, 20852163, root)
    assert checkpoint.body() == f"{ORIGIN}\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert checkpoint.footer() == f"checkpoint 20852163 sha256:{root.hex()}"


@pytest.mark.parametrize("size", [0, 1, 5])
def test_what_is_signed_is_read_back(size: int) -> None:
    text = signed(of(size).body())
    assert opened(text, [VKEY]) == of(size) == parse(text.encode()).checkpoint
    assert parse(text.encode()).text == text


@given(st.integers(0, len(signed(of(5).body()).encode()) * 8 - 1))
def test_no_bit_of_a_checkpoint_can_be_flipped(bit: int) -> None:
    raw = bytearray(signed(of(5).body()).encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CheckpointError):
        opened(bytes(raw), [VKEY])


def test_the_key_of_another_log_says_nothing_about_this_one() -> None:
    other = signed_note.Key("example.com/other", RAW).vkey()
    for keys in ([], [other]):
        with pytest.raises(CheckpointError, match=f"checkpoint of {ORIGIN} is not to be trusted"):
            opened(signed(of(5).body()), keys)
    with pytest.raises(CheckpointError, match="no known key"):
        opened(signed(of(5).body(), "example.com/other"), [other, VKEY])
    assert opened(signed(of(5).body()), [other, VKEY]) == of(5)


def test_a_key_that_is_none_is_not_passed_over() -> None:
    with pytest.raises(CheckpointError, match="id is"):
        opened(signed(of(5).body()), [VKEY.replace("sofa", "sofas")])


def root_of(size: int = 5) -> str:
    return base64.b64encode(TREE.root(size)).decode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"{ORIGIN}\n5\n", "not 2 lines"),
        (f"{ORIGIN}\n5\n{root_of()}\nextension\n", "not 4 lines"),
        (f"{ORIGIN}\n5\n\n{root_of()}\n", "not 4 lines"),
        (f"\n5\n{root_of()}\n", "no origin"),
        (f"two words\n5\n{root_of()}\n", "no origin"),
        (f"a+b\n5\n{root_of()}\n", "no origin"),
        *(
            (f"{ORIGIN}\n{number}\n{root_of()}\n", "decimal number")
            for number in ("05", "+5", "-5", "", " 5", "5 ", "5.0", "0x5", "\u0665", "1" * 19, "1" * 5000)
        ),
        (f"{ORIGIN}\n5\n{root_of()[:-4]}\n", "32 bytes, not 3"),
        (f"{ORIGIN}\n5\n{root_of().rstrip('=')}\n", "base64"),
        (f"{ORIGIN}\n5\n{root_of()} \n", "base64"),
        (f"{ORIGIN}\n5\n{root_of()[:-2]}{chr(ord(root_of()[-2]) + 1)}=\n", "stray bits"),
        (f"{ORIGIN}\n0\n{root_of()}\n", "that of no leaves"),
    ],
)
def test_a_body_is_read_strictly(body: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        opened(signed(body), [VKEY])
    assert (caught.value.code, caught.value.exit) == ("checkpoint", Exit.NO)
    assert caught.value.hint


@pytest.mark.parametrize("wrong", ["", "a\n5\nb\n", b"\xff", "no note"])
def test_what_is_no_note_is_no_checkpoint(wrong: str | bytes) -> None:
    with pytest.raises(CheckpointError, match="not a signed checkpoint"):
        parse(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Checkpoint("", 1, EMPTY),
        lambda: Checkpoint("a b", 1, EMPTY),
        lambda: Checkpoint(ORIGIN, -1, EMPTY),
        lambda: Checkpoint(ORIGIN, bool("one"), EMPTY),
        lambda: Checkpoint(ORIGIN, 1, EMPTY[:31]),
    ],
)
def test_none_can_be_made_that_could_not_be_read(wrong: Callable[[], Checkpoint]) -> None:
    with pytest.raises(CheckpointError):
        wrong()


def test_a_proof_is_written_as_the_specification_says() -> None:
    hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in TREE.inclusion(2))
    assert proved(2) == f"c2sp.org/tlog-proof@v1\nindex 2\n{hashes}\n{signed(of(5).body())}"
    assert proved(0, 1) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{signed(of(1).body())}"
    assert proved(2, extra=b"more").split("\n")[1] == "extra bW9yZQ=="


@given(st.integers(0, 4), st.integers(0, 4), st.binary(max_size=9))
def test_a_proof_is_read_back_and_holds_for_its_entry_alone(index: int, other: int, extra: bytes) -> None:
    proof = parse_proof(proved(index, extra=extra).encode())
    assert (proof.index, proof.hashes, proof.extra) == (index, TREE.inclusion(index), extra)
    assert proof.opened(LEAVES[index], [VKEY]) == of(5)
    if other != index:
        with pytest.raises(CheckpointError, match=f"as number {index}, to the root"):
            proof.opened(LEAVES[other], [VKEY])
    with pytest.raises(CheckpointError, match="not to be trusted"):
        proof.opened(LEAVES[index], [])


@given(st.integers(0, len(proved(2).encode()) * 8 - 1))
def test_no_bit_of_a_proof_can_be_flipped(bit: int) -> None:
    raw = bytearray(proved(2).encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CheckpointError):
        parse_proof(bytes(raw)).opened(LEAVES[2], [VKEY])


HEAD = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("@v1", "@v2"), "begins with the line"),
        (lambda text: f"\n{text}", "begins with the line"),
        (lambda text: text.replace("\n", "\r\n"), "begins with the line"),
        (lambda text: text.removeprefix(HEAD), "begins with the line"),
        (lambda text: text.replace("index 2\n", ""), "names the index"),
        (lambda text: text.replace("index 2", "index 02"), "an index is a decimal"),
        (lambda text: text.replace("index 2", "index -1"), "an index is a decimal"),
        (lambda text: text.replace("index 2", "Index 2"), "names the index"),
        (lambda text: text.replace("index 2", "extra \nindex 2"), "no line for them"),
        (lambda text: text.replace("index 2", "extra ?\nindex 2"), "extra data is not base64"),
        (lambda text: text.replace("index 2", "extra YQ==\nextra YQ==\nindex 2"), "names the index"),
        (lambda text: text.replace("index 2\n", "index 2\nYQ==\n"), "a hash of the proof has 32 bytes, not 1"),
        (lambda text: text.replace("index 2\n", f"index 2\n{root_of()}\n" + f"{root_of()}\n" * 64), "64 hashes"),
        (lambda text: text.split("\n\n")[0], "not a signed checkpoint"),
        (lambda text: text + "stray\n", "not a signed checkpoint"),
        (lambda text: text.encode() + b"\xff", "UTF-8"),
    ],
)
def test_a_proof_is_read_strictly(spoil: Callable[[str], str | bytes], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        parse_proof(spoil(proved(2)))


def test_no_proof_is_written_that_could_not_be_read() -> None:
    for index, hashes in ((-1, TREE.inclusion(2)), (2, (b"short",)), (2, (EMPTY,) * 65)):
        with pytest.raises(CheckpointError):
            proof_text(index, hashes, signed(of(5).body()))
    with pytest.raises(CheckpointError):
        proof_text(2, TREE.inclusion(2), "no checkpoint")
