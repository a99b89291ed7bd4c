"""A file of lines that is appended to for ever and does not grow for ever: when it is too long, its older half goes.

Whoever reads it meanwhile keeps the file that was opened. Lines that find no room on the disk are lost, not whoever
writes them.
"""

import contextlib
import io
import shutil
from pathlib import Path
from typing import IO

from stationmaster.blocks.durable import draft, settle

LIMIT = 16 << 20  # bytes; some eight hours of traffic without failures, of which at least four stay


class BoundedLines(io.TextIOBase):
    """Appends to `path`. Every `write` must end a line."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path, self._limit = path, limit
        self._file = _open(path)
        self._torn = False

    def write(self, text: str, /) -> int:
        """How many characters, written or lost."""
        line = (b"\n" if self._torn else b"") + text.encode()
        try:
            self._torn = self._file.write(line) < len(line)
        except OSError:
            self._torn = True
        if self._file.tell() > self._limit:
            self._halve()
        return len(text)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _halve(self) -> None:
        """Where there is no room for the newer half beside the whole, the file stays and is tried again."""
        with contextlib.suppress(OSError):
            with self._path.open("rb") as old, draft(self._path.parent) as new:
                old.seek(-(self._limit // 2), io.SEEK_END)
                old.readline()  # the rest of a line
                shutil.copyfileobj(old, new)
                settle(new, self._path, 0o600)
            self._file.close()
            self._file = _open(self._path)


def _open(path: Path) -> IO[bytes]:
    return path.open("ab", buffering=0)
