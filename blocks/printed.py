"""Reads what a process printed into its log file, as much of it as is kept."""

import os
from pathlib import Path

from stationmaster.domain.printed import LARGEST, Printed


def read_printed(log: Path, start: int = 0) -> Printed:
    """What was written to a log file from byte `start` on. A log that is not there is empty: a process without one
    serves all the same.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END) - start
            file.seek(start)
            if size <= LARGEST:
                return Printed(file.read(max(0, size)))
            head = file.read(LARGEST // 2)
            file.seek(start + size - LARGEST // 2)
            return Printed(head, size - 2 * (LARGEST // 2), file.read(LARGEST // 2))
    except FileNotFoundError:
        return Printed(b"")
