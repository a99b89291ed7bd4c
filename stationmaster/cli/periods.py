"""A period as it is typed, and where a CSV goes."""

import re
import sys
from datetime import datetime
from pathlib import Path

from stationmaster.cli.moments import typed_instant
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.population import Period

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class NoPeriodError(InputError):
    """What was given as a period does not begin before it ends."""

    code = "no_period"


class UnwritableFileError(OutsideError):
    """The file that was asked for cannot be written there."""

    code = "unwritable_file"


def typed_period(begin: str, end: str) -> Period:
    """From what was typed for --from (included) to what was typed for --to (excluded).

    Raises:
        NoInstantError: one is neither a day nor an instant with its zone.
        NoPeriodError: it ends before it begins, or at once.
    """
    first, last = _typed("--from", begin), _typed("--to", end)
    if last <= first:
        raise NoPeriodError(
            f"--to {end} is not after --from {begin}", hint="--to is excluded: of one day, write the next as --to"
        )
    return Period.of(first, last)


def _typed(option: str, text: str) -> datetime:
    """A day is its first instant in UTC."""
    return typed_instant(option, f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)


def write(text: str, target: str) -> None:
    """The text into a file, or onto standard output for `-`.

    Raises:
        UnwritableFileError: it cannot be written there.
    """
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_bytes(text.encode())
    except OSError as error:
        raise UnwritableFileError(f"it cannot be written: {error.strerror}", file=target) from error
