"""An advisory database as it is mirrored: a folder, a zip, zips in folders; and one that is damaged or none."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.scan_database import AdvisoriesUnreadableError, advisories
from stationmaster.domain.scan_parts import Part
from tests.advisories import osv, write_zip

A = Part("pypi", "alpha-beta", "1.0")
RECORDS = {"PYSEC-1.json": osv("PYSEC-1", "Alpha_Beta"), "GHSA-2.json": osv("GHSA-2", "@s/pad", ecosystem="npm")}


def folder(path: Path, records: dict[str, str]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in records.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def test_what_it_says_is_the_same_from_a_folder_a_zip_and_zips_in_folders(tmp_path: Path) -> None:
    places = [
        folder(tmp_path / "folder", RECORDS),
        write_zip(tmp_path / "all.zip", RECORDS),
        write_zip(tmp_path / "osv" / "GHSA" / "all.zip", {"GHSA-2.json": RECORDS["GHSA-2.json"]}).parent.parent,
    ]
    write_zip(tmp_path / "osv" / "PyPI" / "all.zip", {"PYSEC-1.json": RECORDS["PYSEC-1.json"]})
    for place in places:
        read = advisories(place, [A, Part("npm", "@s/pad", "1.0.0"), Part("npm", "alpha-beta", "1.0.0")])
        assert [(str(one.part), one.ids[0]) for one in sorted(read.found, key=lambda one: one.ids)] == [
            ("@s/pad 1.0.0", "GHSA-2"), ("alpha-beta 1.0", "PYSEC-1"),
        ]  # fmt: skip
        assert (read.records, set(read.newest)) == (2, {"PyPI", "npm"})


def test_which_data_it_was_is_told(tmp_path: Path) -> None:
    old = osv("X-1", "a", modified="2026-01-01T00:00:00Z")
    new = osv("X-2", "a", modified="2026-11-29T10:11:12.123456789Z")
    one = advisories(write_zip(tmp_path / "one.zip", {"1.json": old, "2.json": new}), [])
    same = advisories(folder(tmp_path / "same", {"1.json": old, "2.json": new}), [])
    other = advisories(write_zip(tmp_path / "other.zip", {"1.json": old}), [])
    assert one.newest["PyPI"].replace(microsecond=0) == datetime(2026, 11, 29, 10, 11, 12, tzinfo=UTC)
    assert one.digest == same.digest != other.digest


def test_a_name_with_escapes_is_read_all_the_same(tmp_path: Path) -> None:
    record = RECORDS["GHSA-2.json"].replace("@s/pad", "\\u0040s\\/pad")
    assert advisories(write_zip(tmp_path / "z.zip", {"1.json": record}), [Part("npm", "@s/pad", "1.0.0")]).found


def test_a_suffix_of_an_ecosystem_does_not_hide_it(tmp_path: Path) -> None:
    record = RECORDS["PYSEC-1.json"].replace('"PyPI"', '"PyPI:https://index.example"')
    assert advisories(write_zip(tmp_path / "z.zip", {"1.json": record}), [A]).found


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ({}, "no OSV record"),
        ({"readme.txt": "x"}, "no OSV record"),
        ({"1.json": "{}"}, "1.json is no OSV record"),
        ({"1.json": "[]"}, "1.json is no OSV record"),
        ({"1.json": "\0"}, "1.json is no OSV record"),
        ({"1.json": '{"modified": "yesterday", "ecosystem": "PyPI"}'}, "1.json is no OSV record"),
        ({"1.json": RECORDS["PYSEC-1.json"][:-9]}, "1.json is no OSV record"),
        ({"1.json": RECORDS["PYSEC-1.json"].replace('"events"', '"evnts"')}, r"1.json is no OSV record \(KeyError\)"),
    ],
)
def test_what_is_no_database_is_an_error_and_never_an_empty_one(
    tmp_path: Path, records: dict[str, str], why: str
) -> None:
    for place in (write_zip(tmp_path / "all.zip", records), folder(tmp_path / "folder", records)):
        with pytest.raises(AdvisoriesUnreadableError, match=why):
            advisories(place, [A])


def test_what_is_not_there_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(AdvisoriesUnreadableError):
        advisories(tmp_path / "nowhere", [A])
    (tmp_path / "cut.zip").write_bytes(write_zip(tmp_path / "all.zip", RECORDS).read_bytes()[:-30])
    with pytest.raises(AdvisoriesUnreadableError, match="the zip is damaged"):
        advisories(tmp_path / "cut.zip", [A])
    noise = bytearray((tmp_path / "all.zip").read_bytes())
    noise[60:90] = b"\xff" * 30
    (tmp_path / "noise.zip").write_bytes(noise)
    with pytest.raises(AdvisoriesUnreadableError, match="the zip is damaged"):
        advisories(tmp_path / "noise.zip", [A])


def test_a_record_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.json", bytes(33 << 20))
    with pytest.raises(AdvisoriesUnreadableError, match=r"1\.json is larger than a record"):
        advisories(tmp_path / "all.zip", [A])


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda one: st.lists(one, max_size=3), max_leaves=6
)
KEYS = ("id", "aliases", "affected", "severity", "database_specific", "withdrawn", "summary")


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.dictionaries(st.sampled_from(("ranges", "versions")), JSON))
def test_no_record_breaks_the_reading(more: dict[str, Any], affected: dict[str, Any]) -> None:
    record = json.loads(RECORDS["PYSEC-1.json"])
    record["affected"][0] |= affected
    record |= more
    record["affected"] = record["affected"] or [{"package": {"ecosystem": "PyPI", "name": "alpha-beta"}}]
    with TemporaryDirectory() as root:
        place = folder(Path(root), {"1.json": json.dumps(record), "2.json": RECORDS["GHSA-2.json"]})
        try:
            records = advisories(place, [A]).records
        except AdvisoriesUnreadableError as error:
            records, why = 2, error.message
        else:
            why = "1.json is no OSV record"
    assert records == 2
    assert "1.json is no OSV record" in why
