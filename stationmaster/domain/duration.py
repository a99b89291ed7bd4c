"""Durations as people write them (`90s|45m|2h|3d`) and instants as they are stored (RFC 3339 UTC, whole seconds)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: object) -> object:
    """`45m` → 2700. Numbers are taken as seconds; anything else is refused."""
    if isinstance(text, bool):
        raise ValueError(f"{str(text).lower()} is not a duration; write 90s, 45m, 2h or 3d")  # noqa: TRY004 - as pydantic wants it
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write 90s, 45m, 2h or 3d")
    return int(match[1]) * _UNITS[match[2]]


Seconds = Annotated[int, BeforeValidator(seconds, json_schema_input_type=str | int), Field(ge=0)]


def spelt(length: int) -> str:
    """Seconds as people write them: 172800 → `2d`, 90 → `90s`."""
    unit = next((unit for unit, size in reversed(_UNITS.items()) if length and length % size == 0), "s")
    return f"{length // _UNITS[unit]}{unit}"


def instant(at: datetime) -> str:
    """An aware datetime as RFC 3339 UTC with `Z`, whole seconds."""
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def end_of(text: str, now: datetime) -> datetime:
    """When something ends: a duration from the aware `now`, or an instant with its zone.

    Raises:
        ValueError: it is neither, or not after now. The message may be shown.
    """
    try:
        end = now + timedelta(seconds=int(str(seconds(text))))
    except OverflowError:
        raise ValueError(f"{text} is too long") from None
    except ValueError:
        end = _instant_of(text)
    if end <= now:
        raise ValueError(f"{text} is not in the future: it is {instant(now)}")
    return end.replace(microsecond=0)


def _instant_of(text: str) -> datetime:
    wrong = ValueError(f"{text!r} is neither a duration, as 2h or 3d, nor an instant, as 2026-11-24T06:00:00Z")
    try:
        at = datetime.fromisoformat(text)
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
    if at.tzinfo is None:
        raise wrong
    return at
