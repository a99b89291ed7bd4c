"""Instants and durations as they are typed, and what is wrong with one that is none."""

import re
from datetime import UTC, datetime, timedelta

from stationmaster.cli.person import now
from stationmaster.domain.duration import seconds
from stationmaster.domain.errors import InputError

_FURTHEST = timedelta(days=3660)
_FIRST, _LAST = 1970, 2180  # years; calendars answer about no others


class NoInstantError(InputError):
    """What was given is no instant with its zone."""

    code = "no_instant"


class NoDurationError(InputError):
    """What was given is no duration that can be looked for."""

    code = "no_duration"


def _instant(text: str) -> datetime:
    """RFC 3339 lets people write the Z small."""
    return datetime.fromisoformat(re.sub(r"(?<=[0-9])z$", "Z", text))


def typed_instant(option: str, text: str) -> datetime:
    """What was typed for an option, with its zone; one that UTC has, too."""
    try:
        at = _instant(text)
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        at = None
    if at is None or at.tzinfo is None:
        missing = "has no zone" if at else "is no instant"
        raise NoInstantError(f"{option} {text!r} {missing}", hint="write it as 2026-11-24T21:30:00Z")
    return at


def typed_duration(option: str, text: str) -> timedelta:
    """What was typed for an option: some time, and not too long for calendars."""
    try:
        found = int(str(seconds(text)))
    except ValueError:
        wrong = "has no unit" if text.strip().isdecimal() else "is no duration"
    else:
        if 0 < found <= _FURTHEST.total_seconds():
            return timedelta(seconds=found)
        wrong = "is no time at all" if found == 0 else f"is longer than {_FURTHEST.days}d"
    raise NoDurationError(f"{option} {text!r} {wrong}", hint="write 90s, 45m, 2h or 3d")


def typed_begin(text: str | None) -> datetime:
    """The whole second, in UTC, at or after what was typed for --from, of which calendars can answer; now for None."""
    try:
        at = now() if text is None else _instant(text)
        begin = (at + timedelta(microseconds=999_999)).replace(microsecond=0).astimezone(UTC)
    except (ValueError, OverflowError):
        at = None
    if at is None or at.tzinfo is None or not _FIRST <= begin.year <= _LAST:
        raise NoInstantError(f"--from {text!r} is no instant with its zone", hint="write it as 2026-11-24T06:00:00Z")
    return begin


def typed_slot(text: str | None) -> int | None:
    """How many seconds a wave takes, as was typed for --duration; None when nothing was."""
    return None if text is None else int(typed_duration("--duration", text).total_seconds())
