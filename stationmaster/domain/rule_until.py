"""UNTIL of a recurrence rule: the last day, wall-clock time or instant in UTC at which something may still begin."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from stationmaster.domain.zones import instant_of

_YEARS = range(1900, 3000)


def parse(said: str) -> date | datetime:
    """`20261231`, `20261231T220000` (naive) or `20261231T220000Z` (aware), or a ValueError."""
    match = re.fullmatch(r"([0-9]{8})(T[0-9]{6}(Z?))?", said)
    if match is None:
        raise ValueError(f"UNTIL={said} is no day; write it as UNTIL=20261231")
    try:
        at = datetime.fromisoformat(match[1] + (match[2] or "").removesuffix("Z"))
    except ValueError as wrong:
        raise ValueError(f"UNTIL={said}: {wrong}") from None
    if at.year not in _YEARS:
        raise ValueError(f"UNTIL={said} is not within {_YEARS[0]} to {_YEARS[-1]}")
    if not match[2]:
        return at.date()
    return at.replace(tzinfo=UTC) if match[3] else at


def text(until: date | datetime) -> str:
    """As it was said."""
    if not isinstance(until, datetime):
        return f"{until:%Y%m%d}"
    return f"{until:%Y%m%dT%H%M%S}{'Z' if until.tzinfo else ''}"


def day(until: date | datetime) -> date:
    """The date as it is written, whatever the time and the zone."""
    return until.date() if isinstance(until, datetime) else until


def last_beginning(until: datetime, start: time, zone: ZoneInfo) -> date:
    """The last day on which what starts at the wall-clock time `start` does so by UNTIL (RFC 5545 § 3.3.10)."""
    if until.tzinfo is None:
        local, late = until, start > until.time()
    else:
        local = until.astimezone(zone)
        late = instant_of(datetime.combine(local, start), zone) > until
    return local.date() - timedelta(days=late)


def ambiguous(until: date | datetime | None) -> str | None:
    """What two readers may take for two different last days, with what to write; None when there is nothing."""
    if not isinstance(until, datetime):
        return None
    said = "is in UTC, so that the last day depends on the zone" if until.tzinfo else "is compared with the start"
    return f"UNTIL={text(until)} {said}; write the last day alone, as UNTIL={until:%Y%m%d}"
