"""Writes the few bytes that must be written although the disk is full: where tenants go, and who may say so.

A release that fills the disk is a reason to go back, so going back keeps room for itself beforehand.
"""

import contextlib
import os
from pathlib import Path

from stationmaster.blocks import space
from stationmaster.blocks.durable import write

_ROOM = 1 << 16  # bytes; tenants times some forty


class Spare:
    """A file, and beside it one that takes up room until the disk is full."""

    def __init__(self, path: Path) -> None:
        self._path, self._spare = path, path.with_name(f"{path.name}.spare")
        self._keep()

    def write(self, text: str) -> None:
        """Replace the file by `text`.

        Raises:
            NoSpaceError: no room, and none left that was kept; nothing is changed.
        """
        with space.naming(self._path.name, self._path.parent, len(text.encode())):
            try:
                write(self._path, text)
            except OSError as error:
                if not space.is_full(error):
                    raise
                self._spare.unlink(missing_ok=True)
                write(self._path, text)
            finally:
                self._keep()

    def _keep(self) -> None:
        """Take the room again; a disk that is full now may have some at the next write."""
        with contextlib.suppress(OSError), self._spare.open("xb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, _ROOM)
            except OSError:
                self._spare.unlink()
