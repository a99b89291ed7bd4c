"""What an artifact is made of: parts, read out of the metadata that they carry. Lock files are `scan_locks.py`'s.

Text in, parts out. Which files are read, and out of which archive, is `blocks/scan_archives.py`'s.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.metadata import RawMetadata, parse_email
from packaging.utils import InvalidName, canonicalize_name

Kind = Literal["pypi", "npm", "other"]
_LONGEST = 214  # characters of a name, npm's own limit; and of a version
_NPM = re.compile(r"(@[a-z0-9~._-]+/)?[a-z0-9~._-]+", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Part:
    """A package, as its ecosystem spells its name."""

    kind: Kind
    name: str
    version: str
    where: str = ""  # the file that says so
    licence: str = ""  # an SPDX expression
    purl: str = ""  # as it was given, of a part that others listed

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def of_metadata(content: bytes, where: str) -> Part | None:
    """The part that a METADATA or PKG-INFO describes; None when it describes none."""
    raw, _ = parse_email(content)
    return pypi(raw.get("name"), raw.get("version"), where, _licence(raw))


def of_package(content: bytes, where: str) -> Part | None:
    """The part that a `package.json` in a `node_modules` describes."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return npm(found.get("name"), found.get("version"), where) if isinstance(found, dict) else None


def reader_of(path: str) -> Callable[[bytes, str], Part | None] | None:
    """What reads a file of an archive, by its path; None when it describes no part."""
    above = PurePosixPath(path).parts[-2:-1]
    name = PurePosixPath(path).name
    if above and ((name, above[0][-10:]) == ("METADATA", ".dist-info") or (name, above[0][-9:]) == _EGG):
        return of_metadata
    return of_package if _PACKAGE.search(path) else None


_EGG = ("PKG-INFO", ".egg-info")
_PACKAGE = re.compile(r"(^|/)node_modules/(@[^/]+/)?[^/]+/package\.json$")


def pypi(name: object, version: object, where: str, licence: str = "") -> Part | None:
    """A part of PyPI; None when its name or version is none."""
    if not _is_plain(name) or not _is_plain(version):
        return None
    try:
        return Part("pypi", canonicalize_name(str(name), validate=True), str(version), where, licence)
    except InvalidName:
        return None


def npm(name: object, version: object, where: str) -> Part | None:
    """A part of npm; None when its name or version is none."""
    if not _is_plain(name) or not _is_plain(version) or not _NPM.fullmatch(str(name)):
        return None
    return Part("npm", str(name), str(version), where)


def _is_plain(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _LONGEST and text.isascii() and text.isprintable()


def _licence(raw: RawMetadata) -> str:
    try:
        return str(canonicalize_license_expression(raw.get("license_expression", "")))
    except InvalidLicenseExpression:
        return ""
