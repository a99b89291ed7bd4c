"""The days on which a business does not want to be touched: the turn of a month in working days, the ends of a fiscal
calendar's periods, the public holidays of a region. Dates in, dates out; every range includes both of its days.

What is a public holiday, and which weekdays are the weekend, says the package `holidays`: its category `public`, with
the days on which a holiday is observed instead, or as well, and with weekends that are worked in exchange. Half and
optional holidays are none. Holidays that follow the moon are its estimates until a state announces them. A year that it
does not know, in whole or in part, is an error: an unknown holiday must not look like a working day.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from stationmaster.domain.errors import nearest

if TYPE_CHECKING:
    from holidays import HolidayBase

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MOST_WORKING_DAYS = 10  # the shortest months, of spring festivals, have 13
_WEEKS_OF_A_QUARTER = 13
_DAY = timedelta(days=1)

# The years for which holidays 0.109 has every holiday of a region, where they are fewer than those it answers for (to
# 2100 in most countries): its tables of the Hindu and Balinese calendars and New Zealand's of Matariki are shorter.
_COMPLETE = {
    **dict.fromkeys(("BT", "FJ", "GY", "IN", "MU", "SR", "US-CA"), range(2001, 2036)),
    **dict.fromkeys(("IN-SK", "NP"), range(2001, 2033)),
    "ID": range(1983, 2051),
    "NZ": range(1894, 2053),
}


def known_region(region: str) -> str:
    """The name itself, an ISO 3166 country or a part of it as `DE` or `DE-BY`, or a ValueError with the nearest one."""
    country = region.partition("-")[0]
    known = [country, *(f"{country}-{part}" for part in _parts_of(country))]
    if region not in known:
        raise ValueError(f"unknown region {region!r}; {nearest(region, known)}")
    return region


def _parts_of(country: str) -> tuple[str, ...]:
    from holidays import country_holidays, list_supported_countries  # noqa: PLC0415 - 0.25 s that few calendars need

    if re.fullmatch("[A-Z]{2}", country):
        with suppress(NotImplementedError):
            return country_holidays(country).subdivisions
    known = list_supported_countries(include_aliases=False)
    raise ValueError(f"unknown country {country!r}, write it as DE, or DE-BY; {nearest(country.upper(), known)}")


Region = Annotated[str, AfterValidator(known_region)]
Edge = Annotated[int, Field(strict=True, ge=-_MOST_WORKING_DAYS, le=_MOST_WORKING_DAYS)]


class BusinessDays(BaseModel):
    """The turn of each month, in working days of a region: -1 is the last of a month, 1 the first of the next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_: Edge = Field(alias="from", description="The first working day that is blacked out.", examples=[-2])
    to: Edge = Field(description="The last one; every calendar day between the two is blacked out.", examples=[3])
    country: Region = Field(description="Whose holidays count: ISO 3166, a country or a part of it.", examples=["DE"])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if 0 in (self.from_, self.to):
            raise ValueError("there is no working day 0: -1 is the last of a month, 1 the first of the next")
        if self.from_ > self.to:
            raise ValueError(f"`from: {self.from_}` comes after `to: {self.to}`, around the turn of a month")
        return self


def business_days(rule: BusinessDays, first: date, last: date) -> list[tuple[date, date]]:
    """The blacked-out ranges that touch `first` to `last`, ascending and uncut.

    Raises:
        ValueError: the holidays of a month that is needed are not known.
    """
    turns = range(_month(first) - (rule.to > 0), _month(last) + 1 - (rule.from_ > 0))
    found = ((_edge(rule.country, turn, rule.from_), _edge(rule.country, turn, rule.to)) for turn in turns)
    return [(begin, end) for begin, end in found if begin <= last and end >= first]


def business_days_of_month(rule: BusinessDays, day: date) -> list[tuple[date, date]]:
    """What is blacked out of the month that has the day. The holidays of no other month are asked for; a ValueError if
    those of this one are not known.
    """
    month, country = _month(day), rule.country
    begin, end = day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    found = []
    if rule.to > 0:
        found.append(
            (_edge(country, month - 1, rule.from_) if rule.from_ > 0 else begin, _edge(country, month - 1, rule.to))
        )
    if rule.from_ < 0:
        found.append((_edge(country, month, rule.from_), _edge(country, month, rule.to) if rule.to < 0 else end))
    return found


def public_holidays(region: str, first: date, last: date) -> list[date]:
    """The public holidays of a region from `first` to `last`, both included, ascending.

    Raises:
        ValueError: the region is not known, or its holidays of a year.
    """
    years = range(first.year, last.year + 1)
    return [day for year in years for day in sorted(_holidays(region, year)) if first <= day <= last]


@lru_cache(maxsize=4096)
def _holidays(region: str, year: int) -> "HolidayBase":
    """One year of a region, or a ValueError where the package does not know all of it."""
    from holidays import country_holidays  # noqa: PLC0415 - as above

    country, _, subdivision = known_region(region).partition("-")
    found = country_holidays(country, subdiv=subdivision or None, expand=False)
    known = range(found.start_year, found.end_year + 1)
    complete = _COMPLETE.get(region) or _COMPLETE.get(country, known)
    begin, end = max(known[0], complete[0]), min(known[-1], complete[-1])
    if not begin <= year <= end:
        raise ValueError(f"the public holidays of {region} are known from {begin} to {end}, not in {year}")
    return country_holidays(country, subdiv=subdivision or None, expand=False, years=year)


@lru_cache(maxsize=16_384)
def _working_days(region: str, month: int) -> tuple[date, ...]:
    year, index = divmod(month, 12)
    holidays = _holidays(region, year)
    days = (date(year, index + 1, number + 1) for number in range(monthrange(year, index + 1)[1]))
    return tuple(day for day in days if holidays.is_working_day(day))


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _edge(region: str, turn: int, number: int) -> date:
    """The working day with the number, counted from the end of the month `turn`."""
    days = _working_days(region, turn if number < 0 else turn + 1)
    if len(days) < abs(number):
        raise ValueError(f"{region} has only {len(days)} working days in a month, and {number} was asked for")
    return days[number if number < 0 else number - 1]


@dataclass(frozen=True, slots=True)
class _YearEnd:
    """The last day of each fiscal year, in numbers."""

    weekday: int
    month: int
    day: int | None  # None: the last such weekday of the month; else the one nearest to this day

    def of(self, year: int) -> date:
        """The one of a calendar year. The nearest may lie up to three days outside of it."""
        around = date(year, self.month, self.day or monthrange(year, self.month)[1])
        back = (around.weekday() - self.weekday) % 7
        forward = self.day is not None and back > 7 // 2
        return around + timedelta(days=7 - back if forward else -back)


def _year_end(text: str) -> _YearEnd:
    """The text in numbers, or a ValueError with the nearest spelling."""
    last = re.fullmatch(r"last-([a-z]+)-of-([a-z]+)", text)
    near = re.fullmatch(r"nearest-([a-z]+)-to-([a-z]+)-([0-9]{1,2})", text)
    match = last or near
    if match is None:
        raise ValueError(f"{text!r} is no year end; write last-saturday-of-january or nearest-saturday-to-january-31")
    weekday, month = _number(match[1], _WEEKDAYS, "weekday"), _number(match[2], _MONTHS, "month") + 1
    day = int(match[3]) if near else None
    if day is not None and not 1 <= day <= monthrange(2001, month)[1]:
        raise ValueError(f"{text!r}: not every {match[2]} has a day {day}")
    return _YearEnd(weekday, month, day)


def _number(word: str, known: tuple[str, ...], kind: str) -> int:
    if word not in known:
        raise ValueError(f"{word!r} is no {kind}; {nearest(word, known)}")
    return known.index(word)


def _known_year_end(text: str) -> str:
    _year_end(text)
    return text


class Fiscal(BaseModel):
    """The ends of the periods of a fiscal calendar of whole weeks; a 53rd week joins the last period of its year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: Literal["4-4-5", "4-5-4", "5-4-4"] = Field(description="The weeks of the three months of each quarter.")
    year_end: Annotated[str, AfterValidator(_known_year_end)] = Field(
        description="The last day of the fiscal year.",
        examples=["last-saturday-of-january", "nearest-saturday-to-january-31"],
    )
    periods: Literal["quarter", "month"] = Field(default="quarter", description="Whose ends are blacked out.")
    days_before: int = Field(
        default=0, strict=True, ge=0, le=90, description="How many days before each end are blacked out too."
    )


def fiscal(rule: Fiscal, first: date, last: date) -> list[tuple[date, date]]:
    """The blacked-out ranges that touch `first` to `last`, ascending and uncut: the last day of each period and the
    days before it.
    """
    before = timedelta(days=rule.days_before)
    return [(end - before, end) for end in _ends(rule, first, last + before) if end >= first and end - before <= last]


def _ends(rule: Fiscal, first: date, last: date) -> Iterator[date]:
    """The last days of the periods of every fiscal year that has a day from `first` to `last`."""
    ends, months = _year_end(rule.year_end), [int(weeks) for weeks in rule.pattern.split("-")] * 4
    lengths = months if rule.periods == "month" else [_WEEKS_OF_A_QUARTER] * 4
    for year in range(first.year - 1, last.year + 3):  # it may end, and the next begin, in a neighbouring year
        before, end = ends.of(year - 1), ends.of(year)
        yield from (before + weeks * 7 * _DAY for weeks in list(accumulate(lengths))[:-1])
        yield end
