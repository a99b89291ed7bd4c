"""Parts are found in what products ship, and nothing that an archive holds costs more than it may."""

import tracemalloc
import zipapp
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stationmaster.blocks.scan_archives import Budget, parts_in
from tests.built import bomb, dist_info, installed, metadata, tarred, zipped


def found(path: Path, content: bytes | None = None, budget: Budget | None = None) -> tuple[list[str], list[str]]:
    """The parts, and why there may be more."""
    if content is not None:
        path.write_bytes(content)
    budget = budget or Budget()
    return sorted({str(part) for part in parts_in(path, budget)}), budget.stopped


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "artifact"


INSIDE = {**dist_info("Alpha", "1.0"), **dist_info("beta", "2.0rc1", "site-packages/"), "main.py": b"import alpha"}
NAMED = ["alpha 1.0", "beta 2.0rc1"]


@pytest.mark.parametrize(
    "content",
    [
        zipped(INSIDE),
        zipped(INSIDE, head=b"#!/usr/bin/env python3\n"),
        tarred(INSIDE),
        tarred(INSIDE, "w:gz"),
        tarred(INSIDE, "w:bz2"),
        tarred(INSIDE, "w:xz"),
        zipped({"wheels/alpha.whl": zipped(dist_info("alpha", "1.0")), **dist_info("beta", "2.0rc1")}),
        tarred({"layer.tar": tarred({"x.tar.gz": tarred(INSIDE, "w:gz")})}),
        tarred({"blobs/sha256/" + "a" * 64: tarred(INSIDE, "w:gz")}),
    ],
    ids=["zip", "zipapp", "tar", "gz", "bz2", "xz", "wheels inside", "layers", "image"],
)
def test_parts_are_found_in_what_products_ship(file: Path, content: bytes) -> None:
    assert found(file, content) == (NAMED, [])


def test_a_zipapp_with_real_packages_names_them_with_licences(tmp_path: Path) -> None:
    for path, content in installed("packaging", "semver").items():
        (tmp_path / "app" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "app" / path).write_bytes(content)
    (tmp_path / "app" / "__main__.py").write_text("print('hello')")
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz", interpreter="/usr/bin/env python3", compressed=True)
    parts = {part.name: part for part in parts_in(tmp_path / "app.pyz", Budget())}
    assert sorted(parts) == ["packaging", "semver"]
    assert parts["packaging"].licence == "Apache-2.0 OR BSD-2-Clause"
    assert parts["packaging"].where.startswith("site-packages/packaging-")


def test_where_a_part_was_found_is_told_through_every_archive(file: Path) -> None:
    file.write_bytes(zipped({"lib/a.whl": zipped(dist_info("a", "1"))}))
    (part,) = parts_in(file, Budget())
    assert part.where == "lib/a.whl!a-1.dist-info/METADATA"


@pytest.mark.parametrize("content", [b"", b"\x7fELF\0\0", b"#!/bin/sh\necho hello\n", b"PK", b"PK\5\6" + bytes(9)])
def test_any_other_file_has_no_parts(file: Path, content: bytes) -> None:
    assert found(file, content) == ([], [])


@pytest.mark.parametrize("head", [b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"PK\3\4", b"Rar!\x1a\7"])
def test_an_archive_that_is_not_read_is_said(file: Path, head: bytes) -> None:
    said = "is no archive that can be read"
    assert found(file, head + bytes(600)) == ([], [f"the artifact {said}"])
    layer = f"blobs/sha256/{'b' * 64}"
    assert found(file, tarred({**dist_info("a", "1"), layer: head + bytes(600)})) == (["a 1"], [f"{layer} {said}"])
    for name in ("broken.whl", "x.tar.zst", "x.ZIP"):
        inner = tarred({name: head + bytes(9)})
        assert found(file, tarred({**dist_info("a", "1"), "in.tar": inner})) == (["a 1"], [f"in.tar!{name} {said}"])


def test_descriptions_of_an_image_are_no_layers(file: Path) -> None:
    blobs = {f"blobs/sha256/{sign * 64}": content for sign, content in (("a", b'{"layers": []}'), ("b", b"{}"))}
    assert found(file, tarred({**blobs, **dist_info("a", "1"), "index.json": b"{}"})) == (["a 1"], [])
    assert found(file, tarred({f"blobs/sha512/{'c' * 128}": b"text"}))[1] != []
    assert found(file, tarred({"x.whl": b"{}"}))[1] == ["x.whl is no archive that can be read"]


def test_metadata_that_names_no_part_is_said(file: Path) -> None:
    files = {"a-1.dist-info/METADATA": b"Name: a\n", "node_modules/x/package.json": b"{}"}
    assert found(file, zipped({**files, **dist_info("b", "2")})) == (["b 2"], ["a-1.dist-info/METADATA names no part"])


def test_nothing_is_written_wherever_a_path_leads(tmp_path: Path) -> None:
    evil = "../../evil/a-1.dist-info/METADATA"
    for content in (zipped({evil: metadata("a", "1")}), tarred({evil: metadata("a", "1"), "/etc/x": b"x"})):
        assert found(tmp_path / "artifact", content)[0] == ["a 1"]
    assert [path.name for path in tmp_path.rglob("*")] == ["artifact"]


# What is hostile


def test_more_entries_than_are_read_are_said(file: Path) -> None:
    many = {**dist_info("a", "1"), **{f"f{number}": b"" for number in range(99)}}
    for content in (zipped(many), tarred(many)):
        assert found(file, content, Budget(entries=50)) == (["a 1"], ["the artifact has more entries than are read"])


def test_archives_in_one_another_end(file: Path) -> None:
    content = zipped(dist_info("a", "1"))
    for _ in range(9):
        content = zipped({"inner.zip": content})
    assert found(file, content) == ([], ["inner.zip!inner.zip!inner.zip!inner.zip is nested too deeply"])


def test_an_archive_that_is_too_large_to_look_into_is_said(file: Path) -> None:
    content = zipped({"big.whl": bytes(2000), **dist_info("a", "1")})
    assert found(file, content, Budget(nested=1000)) == (["a 1"], ["big.whl is too large"])


def test_a_tar_that_unpacks_to_more_than_is_read_ends(file: Path) -> None:
    content = tarred({**dist_info("a", "1"), "zeros": bytes(9 << 20), **dist_info("late", "1")}, "w:gz")
    assert found(file, content, Budget(size=5 << 20)) == (["a 1"], ["the artifact unpacks to more than is read"])


def test_a_header_of_a_tar_may_announce_anything_and_costs_no_memory(file: Path) -> None:
    file.write_bytes(bomb(256 << 20))
    assert file.stat().st_size < 1 << 20
    tracemalloc.start()
    assert found(file, budget=Budget(nested=8 << 20)) == ([], ["the artifact unpacks to more than is read"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_metadata_is_read_no_further_than_metadata_goes(file: Path) -> None:
    content = metadata("a", "1") + bytes(64 << 20)
    tracemalloc.start()
    assert found(file, zipped({"a-1.dist-info/METADATA": content})) == (["a 1"], [])
    tracemalloc.stop()
    budget = Budget()
    found(file, budget=budget)
    assert budget.size >= (2 << 30) - (1 << 20)


def test_a_zip_that_is_damaged_in_the_middle_is_said(file: Path) -> None:
    whole = bytearray(zipped({**dist_info("a", "1"), **dist_info("b", "2")}))
    at = whole.index(b"a-1.dist-info/METADATA") + 40
    whole[at : at + 20] = b"\xff" * 20
    parts, stopped = found(file, bytes(whole))
    assert parts == []
    assert stopped[0].startswith("the artifact cannot be read: ")


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_a_tar_that_ends_early_is_said(file: Path, mode: str) -> None:
    content = tarred({**dist_info("a", "1"), "noise": bytes(range(256)) * 900}, mode)
    _, stopped = found(file, content[: len(content) * 2 // 3])
    assert stopped or mode == "w"  # a plain tar may end anywhere after a whole entry


def test_what_is_encrypted_is_said(file: Path) -> None:
    whole = bytearray(zipped(dist_info("a", "1")))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a-1.dist-info/METADATA", metadata("a", "1"))
    whole = bytearray(file.read_bytes())
    whole[6] |= 1
    whole[whole.index(b"PK\1\2") + 8] |= 1
    assert found(file, bytes(whole)) == ([], ["the artifact cannot be read: RuntimeError"])


@example(noise=b"\x08", at=121, kind="gz")
@given(st.binary(max_size=300), st.integers(0, 400), st.sampled_from(["zip", "tar", "gz"]))
def test_no_bytes_break_the_reading(noise: bytes, at: int, kind: str) -> None:
    whole = bytearray(zipped(INSIDE) if kind == "zip" else tarred(INSIDE, "w:gz" if kind == "gz" else "w"))
    whole[at : at + len(noise)] = noise
    with TemporaryDirectory() as folder:
        parts, stopped = found(Path(folder, "artifact"), bytes(whole), Budget(size=8 << 20, nested=1 << 20))
    described = [one for one in stopped if one.endswith(" names no part")]  # each says so of itself
    assert len(parts) + len(described) <= 2
    assert len(stopped) - len(described) <= 1
