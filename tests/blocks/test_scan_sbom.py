"""The SBOM that is made is valid, says where each part was found and is the same for ever; one that is brought is held
to its schema.
"""

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.scan_given import Subject
from stationmaster.blocks.scan_sbom import checked, made, parts_of
from stationmaster.domain.entries import canonical
from stationmaster.domain.scan_parts import Part
from stationmaster.domain.scans import SbomUnusableError

SUBJECT = Subject("shop", "1.2.0", f"sha256:{'a' * 64}", 1_700_000_000)
PARTS = [
    Part("pypi", "alpha", "1.0", "x.whl!alpha-1.0.dist-info/METADATA", "MIT"),
    Part("npm", "@shop/left-pad", "2.0.0", "node_modules/@shop/left-pad/package.json"),
    Part("pypi", "beta", "1.0+cu118", "uv.lock"),
    Part("pypi", "beta", "1.0+cu118", "requirements.txt"),
]


def by_name(document: bytes) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(document)["components"]}


def valid(document: bytes) -> bool:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None


def test_it_is_valid_and_says_of_which_file_and_where_each_part_was_found() -> None:
    document = made(SUBJECT, PARTS, "artifact", ["layer.tar is too large"])
    assert valid(document)
    whole, parts = json.loads(document), by_name(document)
    assert whole["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert whole["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert {"name": "stationmaster:incomplete", "value": "layer.tar is too large"} in whole["metadata"]["properties"]
    assert parts["alpha"]["licenses"] == [{"expression": "MIT"}]
    assert parts["alpha"]["properties"] == [
        {"name": "stationmaster:found-in", "value": "x.whl!alpha-1.0.dist-info/METADATA"}
    ]
    assert [one["name"] for one in parts["beta"]["properties"]] == ["stationmaster:declared-in"] * 2
    assert parts["@shop/left-pad"]["purl"] == "pkg:npm/%40shop/left-pad@2.0.0"


def test_it_is_the_same_for_ever_in_whichever_order_parts_were_found() -> None:
    one, other = made(SUBJECT, PARTS, "artifact", []), made(SUBJECT, reversed(PARTS), "artifact", [])
    assert one == other == canonical(json.loads(one))
    elsewhere = made(Subject("shop", "1.2.0", f"sha256:{'b' * 64}", 1_700_000_000), PARTS, "artifact", [])
    assert json.loads(one)["serialNumber"] != json.loads(elsewhere)["serialNumber"]


def test_a_file_without_parts_is_its_own() -> None:
    document = made(SUBJECT, [], "file", [])
    assert valid(document)
    (only,) = json.loads(document)["components"]
    assert (only["type"], only["hashes"]) == ("file", [{"alg": "SHA-256", "content": "a" * 64}])


NAMES = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z")
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@given(st.lists(st.builds(Part, st.just("pypi"), NAMES, TEXTS, TEXTS), max_size=4))
def test_whatever_a_version_is_the_sbom_is_valid_and_reads_back(parts: list[Part]) -> None:
    document = made(SUBJECT, parts, "artifact", [])
    assert valid(document)
    if parts:
        back = {(part.name, part.version) for part in parts_of(json.loads(document), "x")}
        assert back == {(part.name, part.version) for part in parts}


# What a build brings


def brought(**more: Any) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, **more}).encode()


COMPONENT = {"type": "library", "name": "alpha", "version": "1.0", "purl": "pkg:pypi/alpha@1.0"}


def test_the_builds_own_names_its_parts_however_deep() -> None:
    inner = {**COMPONENT, "name": "left-pad", "purl": "pkg:npm/%40shop/left-pad@2.0.0"}
    others = [
        {"type": "library", "name": "glibc", "version": "2.36", "purl": "pkg:deb/debian/glibc@2.36"},
        {"type": "file", "name": "x"},
        {**COMPONENT, "name": "odd", "purl": "no purl"},
    ]
    found = checked(brought(components=[{**COMPONENT, "components": [inner]}, *others]), SUBJECT, "sbom.json")
    assert sorted((part.kind, part.name, part.version) for part in parts_of(found, "sbom.json")) == [
        ("npm", "@shop/left-pad", "2.0.0"), ("other", "glibc", "2.36"), ("other", "odd", "1.0"), ("other", "x", ""),
        ("pypi", "alpha", "1.0"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "left no SBOM"),
        (b"\xff", "no CycloneDX JSON"),
        (b"[]", "no CycloneDX JSON"),
        (b"{}", "no CycloneDX JSON"),
        (b"[" * 99999, "no CycloneDX JSON"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "9.9"}', "no CycloneDX JSON"),
        (b'{"spdxVersion": "SPDX-2.3"}', "no CycloneDX JSON"),
        (brought(components=[{"name": "a"}]), r"at \$.components\[0\] the SBOM is not valid: 'type' is a required"),
        (brought(surprise=1), "surprise"),
    ],
)
def test_what_is_no_sbom_is_said(content: bytes, said: str) -> None:
    with pytest.raises(SbomUnusableError, match=said) as wrong:
        checked(content, SUBJECT, "sbom.json")
    assert wrong.value.file == "sbom.json"


def test_one_about_another_file_is_refused() -> None:
    def of(content: str) -> bytes:
        component = {"type": "application", "name": "shop", "hashes": [{"alg": "SHA-256", "content": content}]}
        return brought(metadata={"component": component})

    assert checked(of("A" * 64), SUBJECT, "sbom.json")["specVersion"] == "1.5"
    with pytest.raises(SbomUnusableError, match=f"about a file of sha256:{'b' * 64}"):
        checked(of("b" * 64), SUBJECT, "sbom.json")


def test_what_is_made_here_could_have_been_brought() -> None:
    document = made(SUBJECT, PARTS, "artifact", [])
    assert {part.name for part in parts_of(checked(document, SUBJECT, "x"), "x")} == {part.name for part in PARTS}
