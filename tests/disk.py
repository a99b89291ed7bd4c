"""A small disk of one's own that can be filled for real. Mounting one takes root; others skip, with the reason.

The variant for everybody is `/dev/full`, SQLite's `max_page_count`, and an error raised where the system would.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_BLOCK = b"x" * 4096


@dataclass(frozen=True)
class Disk:
    """A mounted disk. What fills it is one file, so that room is made as a person would make it."""

    root: Path

    @property
    def free(self) -> int:
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all the room there is, but for `leave` bytes."""
        with (self.root / "filler").open("ab", buffering=0) as file:
            while self.free > leave:
                try:
                    file.write(_BLOCK)
                except OSError:
                    return

    def make_room(self) -> None:
        (self.root / "filler").unlink(missing_ok=True)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Disk]:
    """A fresh disk of that size, below a short path; unmounted at the end."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk to fill")
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="stm-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        root.rmdir()
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)
        root.rmdir()
