"""The SBOM of the built file: CycloneDX 1.6 as JSON, always the same bytes for the same file; or the product's own.

What the parts are is read by `scan_archives.py`; this writes them down, and reads and checks what a product brings.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from stationmaster.blocks.scan_given import Subject
from stationmaster.domain.entries import canonical
from stationmaster.domain.scan_locks import is_lock
from stationmaster.domain.scan_parts import Part
from stationmaster.domain.scans import SbomUnusableError

_VERSIONS = {one.to_version(): one for one in SchemaVersion if one >= SchemaVersion.V1_2}
_KINDS = {"pypi": "pypi", "npm": "npm"}
_OURS = "stationmaster"


def made(subject: Subject, parts: Iterable[Part], source: str, incomplete: Sequence[str]) -> bytes:
    """The SBOM of these parts. `source` says where they are known from, `incomplete` why there may be more."""
    serial = uuid5(NAMESPACE_URL, f"https://stationmaster.dev/sbom/{subject.digest}/{subject.version}")
    components = _components(parts) or [_file(subject)]
    bom = Bom(serial_number=serial, metadata=_about(subject, source, incomplete), components=components)
    bom.register_dependency(_product(bom), list(bom.components))
    return canonical(json.loads(JsonV1Dot6(bom).output_as_string()))


def _about(subject: Subject, source: str, incomplete: Sequence[str]) -> BomMetaData:
    ours = Component(name=_OURS, type=ComponentType.APPLICATION, version=version(_OURS), bom_ref=_OURS)
    said = [("parts", source), *(("incomplete", reason) for reason in incomplete)]
    return BomMetaData(
        timestamp=datetime.fromtimestamp(subject.at, UTC),
        tools=ToolRepository(components=[ours]),
        component=Component(
            name=subject.product,
            version=subject.version,
            type=ComponentType.APPLICATION,
            bom_ref=subject.digest,
            hashes=_hashes(subject),
        ),
        properties=[Property(name=f"{_OURS}:{name}", value=value) for name, value in said],
    )


def _hashes(subject: Subject) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=subject.sha256)]


def _file(subject: Subject) -> Component:
    """The artifact itself, when nothing in it or beside it names its parts."""
    name = f"{subject.product}-artifact"
    return Component(name=name, type=ComponentType.FILE, bom_ref=name, hashes=_hashes(subject))


def _product(bom: Bom) -> Component:
    assert bom.metadata.component is not None  # noqa: S101 - `_about` gives one
    return bom.metadata.component


def _components(parts: Iterable[Part]) -> list[Component]:
    """One for each package, in whichever files it was found."""
    places: dict[str, list[Part]] = {}
    for part in parts:
        places.setdefault(_purl(part).to_string(), []).append(part)
    return [_component(purl, sorted(same)) for purl, same in sorted(places.items())]


def _component(purl: str, same: list[Part]) -> Component:
    licence = next((part.licence for part in same if part.licence), "")
    return Component(
        name=same[0].name,
        version=same[0].version,
        type=ComponentType.LIBRARY,
        bom_ref=purl,
        purl=PackageURL.from_string(purl),
        licenses=[LicenseExpression(licence)] if licence else [],
        properties=[Property(name=f"{_OURS}:{_how(part)}", value=part.where) for part in same],
    )


def _how(part: Part) -> str:
    """A lock file says what was to be built in, not what was."""
    return "declared-in" if is_lock(PurePosixPath(part.where).name) else "found-in"


def _purl(part: Part) -> PackageURL:
    scope, _, name = part.name.rpartition("/")
    return PackageURL(type=_KINDS[part.kind], namespace=scope or None, name=name, version=part.version)


def checked(content: bytes, subject: Subject, file: str) -> dict[str, Any]:
    """An SBOM that the product brings, valid by the schema of its version and about this very file.

    Raises:
        SbomUnusableError: it is not.
    """
    if not content:
        raise SbomUnusableError("the build left no SBOM there", file=file, hint="correct `scans.sbom`, or leave it out")
    try:
        text = content.decode()
        found = json.loads(text)
        spec = _VERSIONS[found["specVersion"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SbomUnusableError(
            "the file is no CycloneDX JSON", file=file, hint=f"CycloneDX of {', '.join(sorted(_VERSIONS))} is read"
        ) from None
    if wrong := JsonStrictValidator(spec).validate_str(text):
        data: Any = wrong.data
        raise SbomUnusableError(f"at {data.json_path} the SBOM is not valid: {str(data.message)[:300]}", file=file)
    _must_be_of(found, subject, file)
    return dict(found)


def _must_be_of(found: dict[str, Any], subject: Subject, file: str) -> None:
    """One that names no digest of its file is taken at the build's word."""
    hashes = found.get("metadata", {}).get("component", {}).get("hashes", [])
    named = [one["content"].lower() for one in hashes if one["alg"] == "SHA-256"]
    if named and subject.sha256 not in named:
        raise SbomUnusableError(
            f"the SBOM is about a file of sha256:{named[0]}, and the build left {subject.digest}",
            file=file,
            hint="make it from the file that `build.output` names",
        )


def parts_of(found: dict[str, Any], where: str) -> Iterator[Part]:
    """The components of an SBOM, whatever contains them. One without a purl has a name and nothing to look up."""
    waiting = list(found.get("components", []))
    while waiting:
        one = waiting.pop()
        waiting += one.get("components", [])
        yield _part(one, where)


def _part(component: dict[str, Any], where: str) -> Part:
    name, version_ = str(component["name"]), str(component.get("version", ""))
    try:
        purl = PackageURL.from_string(component.get("purl", ""))
    except ValueError:
        return Part("other", name, version_, where)
    if purl.type not in _KINDS or not purl.version:
        return Part("other", name, version_, where, purl=purl.to_string())
    full = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
    return Part("pypi" if purl.type == "pypi" else "npm", full, purl.version, where, purl=purl.to_string())
