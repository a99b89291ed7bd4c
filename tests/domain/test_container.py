"""The container of a bundle: the same everywhere, read by others, and nothing in it can be changed unseen."""

import hashlib
import io
import random
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain import container
from stationmaster.domain.container import ContainerError, is_name, pack, unpack

FILES = {"release.json": b"{}", "log/leaves": bytes(range(256)), "log/proofs/3.tlog-proof": b"proof\n", "empty": b""}
NAMES = st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_][a-z0-9._-]{0,8}){0,2}", fullmatch=True)


@given(st.dictionaries(NAMES, st.binary(max_size=200), min_size=1, max_size=8))
def test_what_is_packed_is_unpacked_and_the_order_does_not_matter(files: dict[str, bytes]) -> None:
    turned = dict(reversed(files.items()))
    assert unpack(pack(files)) == files
    assert pack(turned) == pack(files)


def test_the_bytes_are_the_same_on_every_machine() -> None:
    found = hashlib.sha256(pack(FILES)).hexdigest()
    assert found == "3f2d543c47c5c89da70f6c48552cc393f0494333810c5afcb230d3913204a86b"


def test_others_read_it() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(FILES))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == FILES
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.comment == b""


def test_every_bit_of_the_container_counts() -> None:
    raw = pack(FILES)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ContainerError):
            unpack(bytes(changed))


def zipped(*names: str, method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """As another program would write it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"0" * 1000, method)
        archive.comment = comment
    return out.getvalue()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no ZIP file"),
        (b"PK\x05\x06" + bytes(18), "no ZIP file"),
        (b"PK\x03\x04", "cannot be read"),
        (pack(FILES)[:-1], "frame"),
        (pack(FILES)[:300], "cut short"),
        (pack(FILES) + b"\x00", "frame"),
        (b"\x00" + pack(FILES), "no ZIP file"),
        (zipped("b", "a"), "order|header"),
        (zipped("a", method=zipfile.ZIP_DEFLATED), "header|cut short"),
        (zipped("../a"), "name"),
        (zipped("/a"), "name"),
        (zipped("a\\b"), "name"),
        (zipped("a", comment=b"hello"), "frame|header"),
    ],
)
def test_what_is_none_is_told(raw: bytes, reason: str) -> None:
    with pytest.raises(ContainerError, match=reason):
        unpack(raw)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_told() -> None:
    one = pack({"a": b"1"})
    end = one.index(b"PK\x01\x02")
    with pytest.raises(ContainerError, match="twice"):
        unpack(one[:end] + one)


def test_files_in_another_order_are_told() -> None:
    first, second = pack({"a": b"1"}), pack({"b": b"2"})
    bodies = [each[: each.index(b"PK\x01\x02")] for each in (second, first)]
    with pytest.raises(ContainerError, match="order"):
        unpack(b"".join(bodies) + b"PK\x05\x06")


@given(st.binary(max_size=400))
def test_garbage_is_no_container(raw: bytes) -> None:
    with pytest.raises(ContainerError):
        unpack(b"PK\x03\x04" + raw)


def test_garbage_behind_a_good_beginning_is_none_either() -> None:
    dice, raw = random.Random(6), pack(FILES)  # noqa: S311 - the same garbage each time
    for _ in range(300):
        at = dice.randrange(len(raw))
        with pytest.raises(ContainerError):
            unpack(raw[:at] + dice.randbytes(dice.randrange(1, 100)))


def test_what_is_too_large_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "LARGEST", 100)
    with pytest.raises(ContainerError, match="none of ours"):
        unpack(bytes(126))
    with pytest.raises(ContainerError, match="MiB"):
        pack({"a": bytes(101)})


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a\nb", "ä", "a b", "a" * 256, "-a"])
def test_some_names_are_no_names(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ContainerError, match="cannot name"):
        pack({name: b""})
