"""Writes files so that a reader, or a crash, sees the old content or the new one and never a part.

A writer that is killed leaves a draft, which has no meaning to anybody; a later writer removes it.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_ABANDONED = 3600  # seconds after the last byte; a writer that was only paused begins again
_DRAFT = ".draft-"


@contextmanager
def draft(folder: Path) -> Iterator[IO[bytes]]:
    """A new file in `folder` that nobody knows, readable by its owner alone; removed at the end unless settled."""
    _sweep(folder)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_DRAFT, delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def settle(file: IO[bytes], target: Path, mode: int) -> None:
    """Make the draft's content that of `target`; it is on the disk when this returns."""
    file.flush()
    os.fchmod(file.fileno(), mode)
    os.fsync(file.fileno())
    Path(file.name).replace(target)
    sync(target.parent)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace `path` by `text`. Raises OSError; nothing is changed then."""
    with draft(path.parent) as file:
        file.write(text.encode())
        settle(file, path, mode)


def sync(folder: Path) -> None:
    """What was added to the folder and taken from it is on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Removes what killed writers left."""
    for left in folder.glob(f"{_DRAFT}*"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()
        except FileNotFoundError:
            continue  # its writer has just settled it
