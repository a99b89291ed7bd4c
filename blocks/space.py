"""No room on a disk, said with the folder, what is free there and what was needed, whoever met it.

The ledger has its own name for it (`ledger/faults.py`), because its disk may be another machine's.
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stationmaster.domain.errors import OutsideError

_NUMBERS = {errno.ENOSPC, errno.EDQUOT}
_WORDS = ("No space left on device", "Disk quota exceeded")  # libc's own, which programs repeat
_SHORT = 1 << 20  # bytes; below, what could not be written is taken to have had no room
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


class NoSpaceError(OutsideError):
    """The disk is full. Nothing half-written counts; the same step may be tried again when there is room."""

    code = "no_space"


def no_space(what: str, folder: Path, needed: int | None = None, said: str = "") -> NoSpaceError:
    """The error for `what` not fitting into `folder`. `said` is what a program had to say about it."""
    room = f"{amount(free(folder))} free" + (f", {amount(needed)} needed" if needed is not None else "")
    return NoSpaceError(
        f"no space left for {what} in {folder}: {room}" + (f"\n{said}" if said else ""),
        hint="free some space there, then start the release again with the same id: it goes on where it stopped",
    )


@contextmanager
def naming(what: str, folder: Path, needed: int | None = None) -> Iterator[None]:
    """A full disk leaves this block as NoSpaceError; any other error as it is."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise no_space(what, folder, needed) from error


def is_full(error: BaseException) -> bool:
    """Whether the system refused for want of room."""
    return isinstance(error, OSError) and error.errno in _NUMBERS


def was_short(folder: Path, said: str = "", needed: int = 0) -> bool:
    """Whether a program that failed there had no room: by its own words, or because hardly any is left."""
    return any(word in said for word in _WORDS) or free(folder) < needed + _SHORT


def free(folder: Path) -> int:
    """Bytes that may still be written there, or would if the folder existed."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def amount(size: int) -> str:
    """`1.5 MiB`."""
    value, unit = float(size), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} B"
