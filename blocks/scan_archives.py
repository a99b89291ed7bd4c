"""Reads the metadata of parts out of a built file: zip (wheel, zipapp, shiv, pex), tar, and archives inside of them.

What lies in an archive may be hostile. Nothing is extracted to disk, no entry's path is used as one, and what is
unpacked is counted: where that ends early, the reason stands in `Budget.stopped`.
"""

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from stationmaster.domain.scan_parts import Part, of_metadata, reader_of

_METADATA = 1 << 20  # bytes that the metadata of a part may have
_DEEPEST = 3  # archives in one another
_ARCHIVES = (
    ".whl", ".zip", ".pyz", ".pex", ".egg", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".7z",
    *(f".tar.{one}" for one in ("gz", "bz2", "xz", "zst", "lz4", "lzma", "lz", "br", "z")),
)  # fmt: skip
_LAYERS = re.compile(r"(^|/)blobs/sha\d+/[^/!]+$")  # of a container image, beside descriptions of it in JSON
_CLOSED = (  # how archives begin that are not read, or not as they are
    b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"\x04\x22\x4d\x18", b"LZIP", b"\x1f\x9d", b"Rar!", b"PK\3\4",
)  # fmt: skip
_COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError,
    NotImplementedError, OverflowError, MemoryError,
)  # fmt: skip


class _TooMuchError(Exception):
    """The archive holds more than is read of one."""


@dataclass
class Budget:
    """What may still be read of an artifact, and why reading stopped where it did."""

    entries: int = 200_000
    size: int = 2 << 30  # bytes that may be unpacked
    nested: int = 128 << 20  # bytes of an archive inside another
    stopped: list[str] = field(default_factory=list)

    def enter(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise _TooMuchError("has more entries than are read")

    def unpack(self, size: int) -> None:
        self.size -= size
        if self.size < 0:
            raise _TooMuchError("unpacks to more than is read")


def parts_in(path: Path, budget: Budget) -> Iterator[Part]:
    """The parts whose metadata a file holds, in no order; the same one may come again."""
    with path.open("rb") as file:
        yield from _walk(file, "", budget)


def _walk(file: IO[bytes], name: str, budget: Budget, depth: int = 0) -> Iterator[Part]:
    """The parts in an archive, named as its path in the artifact."""
    opener = _opener(file)
    if opener is None:
        if depth or _begins(file, *_CLOSED):
            budget.stopped.append(f"{name.removesuffix('!') or 'the artifact'} is no archive that can be read")
        return
    try:
        for path, size, read in opener(file, budget):
            yield from _entry(f"{name}{path}", size, read, budget, depth)
    except _TooMuchError as error:
        budget.stopped.append(f"{name.removesuffix('!') or 'the artifact'} {error}")
    except _DAMAGED as error:
        budget.stopped.append(f"{name.removesuffix('!') or 'the artifact'} cannot be read: {type(error).__name__}")


_Read = Callable[[int], bytes]  # at most so many bytes of an entry
_Entries = Iterator[tuple[str, int, _Read]]


def _entry(path: str, size: int, read: _Read, budget: Budget, depth: int) -> Iterator[Part]:
    reader = reader_of(path)
    if reader is not None:
        if part := reader(_taken(read, min(size, _METADATA), budget), _shown(path)):
            yield part
        elif reader is of_metadata:  # a package.json may be one that a package brings for its tests
            budget.stopped.append(f"{_shown(path)} names no part")
    elif path.lower().endswith(_ARCHIVES) or _LAYERS.search(path):
        if depth == _DEEPEST or size > budget.nested:
            budget.stopped.append(f"{_shown(path)} is {'too large' if size > budget.nested else 'nested too deeply'}")
            return
        inner = io.BytesIO(_taken(read, size, budget))
        if not (_LAYERS.search(path) and _begins(inner, b"{")):
            yield from _walk(inner, f"{_shown(path)}!", budget, depth + 1)


def _taken(read: _Read, size: int, budget: Budget) -> bytes:
    """What an entry announces, and not a byte more: what it announces may be a lie."""
    budget.unpack(size)
    return read(size)


def _begins(file: IO[bytes], *magics: bytes) -> bool:
    file.seek(0)
    return file.read(8).startswith(magics)


def _opener(file: IO[bytes]) -> Callable[[IO[bytes], Budget], _Entries] | None:
    """What lists the entries of a file, by its first bytes; a zip may begin with a line for the shell."""
    file.seek(0)
    head = file.read(512)
    if any(head.startswith(magic) for magic in _COMPRESSED) or head[257:262] == b"ustar":
        return _tar
    file.seek(0)
    return _zip if zipfile.is_zipfile(file) else None


def _zip(file: IO[bytes], budget: Budget) -> _Entries:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            budget.enter()
            if not info.is_dir():
                yield info.filename, info.file_size, _zipped(archive, info)


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Read:
    def read(size: int) -> bytes:
        with archive.open(info) as entry:
            return entry.read(size)

    return read


def _tar(file: IO[bytes], budget: Budget) -> _Entries:
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    unpack = next((one for magic, one in _COMPRESSED.items() if head.startswith(magic)), None)
    plain: Any = _Bounded(unpack(file) if unpack else file, budget)
    with tarfile.open(fileobj=plain, mode="r:") as archive:
        for member in archive:
            budget.enter()
            if member.isreg() and (entry := archive.extractfile(member)):
                yield member.name, member.size, entry.read


class _Bounded:
    """A stream that counts what is unpacked of it, for headers of a tar as well: they may announce anything."""

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        self._file, self._budget, self._reached = file, budget, 0

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("seek")
        self._reach(place)
        return self._file.seek(place)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._budget.nested:
            raise _TooMuchError("unpacks to more than is read")
        self._reach(self._file.tell() + size)
        return self._file.read(size)

    def _reach(self, place: int) -> None:
        if place > self._reached:
            self._budget.unpack(place - self._reached)
            self._reached = place


def _shown(path: str) -> str:
    """A path in an archive as a report may repeat it."""
    return "".join(sign if sign.isprintable() else "·" for sign in path[-200:])
