"""The parts of a recurrence rule as RFC 5545 writes them, `NAME=VALUE;NAME=VALUE`, in numbers. What a part means, and
which parts there may be, is said by whoever reads the rule.
"""

import re
from collections.abc import Collection, Mapping

from stationmaster.domain.errors import nearest

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKS_OF_A_MONTH = 5


def split(text: str, known: Collection[str], whose: str, refused: Mapping[str, str] | None = None) -> dict[str, str]:
    """The value of each part, in capitals, or a ValueError about one that is not known or stands twice. `refused` are
    parts of RFC 5545 that are not read, with what to do instead.
    """
    parts: dict[str, str] = {}
    for part in text.strip().upper().split(";"):
        name, _, value = part.partition("=")
        if refused and name in refused:
            raise ValueError(f"{name} is not read: {refused[name]}")
        if name not in known:
            raise ValueError(f"{whose} has no part {name!r}; {nearest(name, known)}")
        if name in parts:
            raise ValueError(f"{name} is given twice")
        parts[name] = value
    return parts


def numbers(parts: dict[str, str], name: str, allowed: Collection[int]) -> tuple[int, ...]:
    """The distinct numbers of a part, in order."""
    said = parts[name].split(",") if name in parts else []
    if not all(re.fullmatch(r"[+-]?[0-9]{1,4}", one) and int(one) in allowed for one in said):
        raise ValueError(f"{name}={parts[name]} is not within {min(allowed)} to {max(allowed)}")
    return tuple(sorted({int(one) for one in said}))


def number(parts: dict[str, str], name: str, allowed: Collection[int]) -> int | None:
    """The one number of a part, None when it is not said."""
    if "," in parts.get(name, ""):
        raise ValueError(f"{name}={parts[name]} must be one number")
    return next(iter(numbers(parts, name, allowed)), None)


def weekdays(text: str | None) -> tuple[tuple[int, str], ...]:
    """BYDAY: the ordinal within the month, 0 for every; MO … SU."""
    found = []
    for one in text.split(",") if text is not None else ():
        match = re.fullmatch(r"([+-]?[0-9]{1,2})?([A-Z]{2})", one)
        if match is None or match[2] not in WEEKDAYS:
            raise ValueError(f"BYDAY={text}: {one!r} is no day; write {', '.join(WEEKDAYS)}, or 1TU, -1FR in a month")
        ordinal = int(match[1] or 0)
        if abs(ordinal) > _WEEKS_OF_A_MONTH or (match[1] and not ordinal):
            raise ValueError(f"BYDAY={text}: no month has a {one}")
        found.append((ordinal, match[2]))
    return tuple(dict.fromkeys(found))


def weekday_text(ordinal: int, day: str) -> str:
    """As BYDAY writes it: `TU`, `1TU`, `-1FR`."""
    return f"{ordinal or ''}{day}"
