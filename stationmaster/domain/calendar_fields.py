"""What the keys of a calendar file take: wall-clock times and dates as people write them, recurrence rules, actions."""

import re
from datetime import date, datetime, time
from functools import lru_cache
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from stationmaster.domain.errors import nearest
from stationmaster.domain.recurrence import Recurrence, must_begin, parse

Governed = Literal["deploy", "migration", "flag"]
_NEVER_BLOCKED = ("rollback", "kill")


def _wall_time(given: object) -> time | None:
    if given is None or isinstance(given, time):
        return given
    if not isinstance(given, str) or not re.fullmatch(r"([01][0-9]|2[0-3])(:[0-5][0-9]){1,2}", given):
        raise ValueError(f'{given!r} is no wall-clock time; write it as "22:00", and midnight as "00:00"')
    return time.fromisoformat(given)


def _number(given: object) -> object:
    if isinstance(given, bool):
        raise ValueError(f"{str(given).lower()} is no number of days; write it as 10")  # noqa: TRY004 - as pydantic wants it
    return given


def _written(given: object) -> object:
    """A number is no date, in quotes neither, though pydantic would count it from 1970."""
    written = re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given) if isinstance(given, str) else isinstance(given, date)
    if given is not None and not written:
        raise ValueError(f"{given!r} is no date; write it as 2026-12-14")
    return given


def _local(at: datetime) -> datetime:
    if at.tzinfo is not None:
        raise ValueError(f"{at.isoformat()} must be wall-clock time of the calendar's zone, as 2026-12-14T00:00")
    return at.replace(microsecond=0)


def _governed(given: object) -> object:
    if given in _NEVER_BLOCKED:
        raise ValueError(f"no calendar blocks a {given}; leave it out")
    if given == "hotfix":
        raise ValueError("a hotfix is a deploy that may pass by waiver; write deploy")
    if given not in get_args(Governed):
        raise ValueError(f"{given!r} is no action; {nearest(str(given), get_args(Governed))}")
    return given


@lru_cache(maxsize=16_384)
def parsed(text: str) -> Recurrence:
    """The rule, read once however many files have it; ValueError as `recurrence.parse` says."""
    return parse(text)


@lru_cache(maxsize=16_384)
def wrong_beginning(text: str, dtstart: date | None) -> str | None:
    """Why the rule cannot begin so, asked once of the same rule in ten thousand files."""
    try:
        must_begin(parsed(text), dtstart)
    except ValueError as error:
        return str(error)
    return None


def _rrule(text: str) -> str:
    parsed(text)
    return text


RecurrenceText = Annotated[str, AfterValidator(_rrule)]
WallTime = Annotated[time, BeforeValidator(_wall_time), WithJsonSchema({"type": "string", "examples": ["22:00"]})]
WallClock = Annotated[datetime, BeforeValidator(_written), AfterValidator(_local), WithJsonSchema({"type": "string"})]
Days = Annotated[int, BeforeValidator(_number)]
Day = Annotated[date, BeforeValidator(_written), WithJsonSchema({"type": "string", "format": "date"})]
AppliesTo = Annotated[tuple[Annotated[Governed, BeforeValidator(_governed)], ...], Field(min_length=1)]
