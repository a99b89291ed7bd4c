"""The one ZIP file that some files make: sorted, stored, with fixed dates and nothing beside them; and back.

Stored and not deflated, because zlib's versions do not agree on the bytes, and so that nothing is ever larger than it
looks. `unpack` builds the container again and compares: one bit that differs, wherever, is told.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LARGEST = 512 << 20  # bytes of a container
_MOST = 65_535  # files, without ZIP64
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_LONGEST = 255  # characters of a name

# Version 2.0, no flags, stored, midnight of 1 January 1980: then CRC, size twice, and the name's length.
_SHAPE = struct.Struct("<HHHHHLLLHH")
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_MADE_BY = struct.pack("<H", 20)
_REST = struct.Struct("<HHHLL")  # comment, disk, attributes (two kinds), offset of the local header
_TAIL = struct.Struct("<HHHHLLH")


class ContainerError(ValueError):
    """These files cannot be packed, or these bytes are no container of ours."""


def is_name(name: str) -> bool:
    """Whether a file of a container may be called so: a relative path of plain ASCII that leads nowhere else."""
    return len(name) <= _LONGEST and _NAME.fullmatch(name) is not None


def pack(files: Mapping[str, bytes]) -> bytes:
    """The container. The same files give the same bytes, everywhere. Raises ContainerError."""
    if bad := sorted(name for name in files if not is_name(name)):
        raise ContainerError(f"{bad[0]!r} cannot name a file in a bundle")
    if len(files) > _MOST or sum(map(len, files.values())) > LARGEST:
        raise ContainerError(f"more than {_MOST:,} files, or {LARGEST >> 20} MiB of them")
    body, directory = bytearray(), bytearray()
    for name in sorted(files):
        shape, offset = _shape(name, files[name]), len(body)
        body += _LOCAL + shape + name.encode() + files[name]
        directory += _CENTRAL + _MADE_BY + shape + _REST.pack(0, 0, 0, 0, offset) + name.encode()
    tail = _TAIL.pack(0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory + _END + tail)


def unpack(raw: bytes) -> dict[str, bytes]:
    """The files, if `raw` is byte for byte what `pack` makes of them. Raises ContainerError."""
    if len(raw) > LARGEST + (LARGEST >> 2):
        raise ContainerError(f"a bundle of {len(raw):,} bytes is none of ours")
    files: dict[str, bytes] = {}
    for member in _members(raw):
        if member.name in files:
            raise ContainerError(f"{member.name} is there twice")
        files[member.name] = member.content
    if list(files) != sorted(files):
        raise ContainerError("its files are not in the order of their names")
    if (again := pack(files)) != raw:
        raise ContainerError(f"its frame is not that of its files: it differs at byte {_first(again, raw):,}")
    return files


@dataclass(frozen=True)
class _Member:
    name: str
    content: bytes
    end: int


def _shape(name: str, content: bytes) -> bytes:
    """What the local header and the central directory say alike of a file."""
    size = len(content)
    return _SHAPE.pack(20, 0, 0, 0, 0x21, zlib.crc32(content), size, size, len(name), 0)


def _members(raw: bytes) -> Iterator[_Member]:
    """The files as their local headers tell them, one directly behind the other."""
    at = 0
    while raw[at : at + 4] == _LOCAL:
        member = _member(raw, at)
        yield member
        at = member.end
    if raw[at : at + 4] not in {_CENTRAL, _END} or not at:
        raise ContainerError(f"it is no ZIP file of ours: byte {at:,} begins nothing that belongs there")


def _member(raw: bytes, at: int) -> _Member:
    start = at + 4 + _SHAPE.size
    try:
        *_, size, length, _ = _SHAPE.unpack(raw[at + 4 : start])
        name = raw[start : start + length].decode("ascii")
    except (struct.error, UnicodeDecodeError):
        raise ContainerError(f"the header at byte {at:,} cannot be read") from None
    content = raw[start + length : start + length + size]
    if len(content) != size or not is_name(name):
        raise ContainerError(f"the file at byte {at:,} is cut short, or has a name that none of ours has")
    if raw[at + 4 : start] != _shape(name, content):
        raise ContainerError(f"{name}: its header or its content was changed")
    return _Member(name, content, start + length + size)


def _first(one: bytes, other: bytes) -> int:
    """Where they differ first."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
