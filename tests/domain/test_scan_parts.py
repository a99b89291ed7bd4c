"""What metadata says of parts, and that nothing it holds breaks the reading of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.scan_parts import Part, of_metadata, of_package, reader_of

METADATA = (
    b"Metadata-Version: 2.4\nName: Zope.Interface\nVersion: 1.0rc1\nLicense-Expression: mit OR apache-2.0\n\nText"
)


def test_metadata_names_its_part_as_the_index_spells_it() -> None:
    part = of_metadata(METADATA, "x/METADATA")
    assert part == Part("pypi", "zope-interface", "1.0rc1", "x/METADATA", "MIT OR Apache-2.0")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\x00", b"Name: a", b"Version: 1", b"Name: ../a\nVersion: 1", b"Name: a\nVersion: 1\x00",
        b"Name: a\nVersion: " + b"1" * 999, b"Name: a\nName: b\nVersion: 1", "Name: ä\nVersion: 1".encode(),
        b"Name: \nVersion: 1",
    ],
)  # fmt: skip
def test_metadata_that_names_nothing_gives_nothing(content: bytes) -> None:
    assert of_metadata(content, "x") is None


def test_a_licence_that_is_no_expression_is_left_out() -> None:
    part = of_metadata(METADATA.replace(b"mit OR apache-2.0", b"mine, all mine"), "x")
    assert part is not None
    assert part.licence == ""


@pytest.mark.parametrize("name", ["left-pad", "@shop/left-pad"])
def test_a_package_of_npm_names_itself(name: str) -> None:
    assert of_package(json.dumps({"name": name, "version": "1.2.3"}).encode(), "x") == Part("npm", name, "1.2.3", "x")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"1", b"{", b'{"name": "a"}', b'{"name": "a b", "version": "1"}', b"[" * 99999]
)
def test_a_package_that_names_nothing_gives_nothing(content: bytes) -> None:
    assert of_package(content, "x") is None


@given(st.binary())
def test_no_bytes_break_the_reading_of_metadata(content: bytes) -> None:
    for reader in (of_metadata, of_package):
        part = reader(content, "x")
        assert part is None or (part.name and part.version)


@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("a-1.dist-info/METADATA", of_metadata),
        ("site-packages/a-1.dist-info/METADATA", of_metadata),
        ("a.egg-info/PKG-INFO", of_metadata),
        ("app/node_modules/a/package.json", of_package),
        ("node_modules/@s/a/package.json", of_package),
        ("METADATA", None),
        ("a-1.dist-info/RECORD", None),
        ("a-1.dist-info/sub/METADATA", None),
        ("node_modules/a/lib/package.json", None),
        ("package.json", None),
    ],
)
def test_only_files_that_describe_a_part_are_read(path: str, reader: object) -> None:
    assert reader_of(path) is reader
