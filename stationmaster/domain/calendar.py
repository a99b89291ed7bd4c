"""A calendar file: when a customer, an environment or a product may be touched. The model and what makes it wrong.

When its rules are in force is `domain/calendar_rules.py`, whether something is open `domain/calendar_answers.py`.
Everything is wall-clock time of the calendar's zone until it becomes spans. `docs/reference/calendar.md` explains it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Annotated, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from stationmaster.domain.business import BusinessDays, Fiscal, Region
from stationmaster.domain.calendar_fields import (
    AppliesTo,
    Day,
    Days,
    Governed,
    RecurrenceText,
    WallClock,
    WallTime,
    parsed,
    wrong_beginning,
)
from stationmaster.domain.duration import Seconds
from stationmaster.domain.recurrence import Recurrence
from stationmaster.domain.zones import Zone

Action = Literal["deploy", "migration", "flag", "rollback", "hotfix"]
DEFAULT = "default"  # what `rules` call a calendar's own state; no rule may be called so
_KINDS = ("rrule", "from", "business_days", "fiscal", "holidays")
_OF_RRULE = ("start", "end", "dtstart")
MOST_RULES = 2000  # of one calendar
_MOST_SECONDS = 400 * 86_400


def _refuse(place: tuple[str | int, ...], message: str, given: object = None) -> NoReturn:
    """A problem of one part of a model, which pydantic takes into its own list."""
    detail = InitErrorDetails(type="value_error", loc=place, input=given, ctx={"error": ValueError(message)})
    raise ValidationError.from_exception_data("calendar", [detail])


@dataclass(frozen=True, slots=True)
class Timing:
    """What decides when a rule is in force, and nothing else: rules that differ in name alone are expanded once."""

    recurrence: Recurrence | None
    dtstart: date | None
    start: time | None  # None: all day
    end: time | None
    since: datetime | None
    until: datetime | None
    business_days: BusinessDays | None
    fiscal: Fiscal | None
    holidays: str | None
    expires: date | None


class Rule(BaseModel):
    """A window or a blackout: on which days, at which wall-clock times, for which actions. Exactly one of `rrule`,
    `from` with `to`, `business_days`, `fiscal` and `holidays` says the days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200, description="Unique in the file; answers name it.")
    rrule: RecurrenceText | None = Field(
        default=None,
        description="The days it begins on, as an RRULE (RFC 5545) of FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, INTERVAL, "
        "COUNT, UNTIL, BYDAY, BYMONTH, BYMONTHDAY, BYSETPOS and WKST. It needs `start` and `end`, or `all_day`.",
        examples=["FREQ=WEEKLY;BYDAY=TU,WE,TH"],
    )
    dtstart: Day | None = Field(
        default=None,
        description="The first day of `rrule`, one that the rule generates. Needed with INTERVAL over 1 and COUNT.",
    )
    start: WallTime | None = Field(default=None, description="Wall-clock time at which it begins.")
    end: WallTime | None = Field(
        default=None, description="Wall-clock time at which it ends; of the next day when it is not after `start`."
    )
    all_day: bool = Field(default=False, description="From local midnight to local midnight.")
    since: WallClock | None = Field(
        default=None, alias="from", description="Once, from this wall-clock time on.", examples=["2026-12-14T00:00"]
    )
    to: WallClock | None = Field(default=None, description="Until this wall-clock time, which is not in it.")
    business_days: BusinessDays | None = Field(
        default=None, description="All days around the end of each month, counted in working days of a country."
    )
    fiscal: Fiscal | None = Field(
        default=None, description="The last day of each fiscal quarter or month and the days before."
    )
    holidays: Region | None = Field(
        default=None, description="The public holidays of a country or a part of it.", examples=["DE-BY"]
    )
    applies_to: AppliesTo | None = Field(
        default=None, description="deploy, migration, flag: those of the calendar unless given."
    )
    owner: str | None = Field(default=None, description="Who answers for it.")
    source: str | None = Field(default=None, description="Where it was agreed: a clause of a contract, a ticket.")
    expires: Day | None = Field(
        default=None, description="From local midnight of this day on it no longer counts: it neither opens nor closes."
    )

    @model_validator(mode="after")
    def _says_when_once(self) -> Self:
        if self.name == DEFAULT:
            _refuse(
                ("name",), f"no rule may be called {DEFAULT!r}: answers call the calendar's own state so", self.name
            )
        said = [kind for kind in _KINDS if self._given(kind)]
        if len(said) != 1:
            kinds = "rrule, from and to, business_days, fiscal or holidays"
            told = f"says its days twice, by {' and '.join(said)}" if said else "does not say its days"
            raise ValueError(f"rule {self.name!r} {told}; give one of {kinds}")
        for key in () if self.rrule else _OF_RRULE:
            if self._given(key):
                _refuse((key,), f"{key} belongs to `rrule`, and rule {self.name!r} has none")
        return self

    @model_validator(mode="after")
    def _says_times(self) -> Self:
        times = (self.start is not None) + (self.end is not None)
        if self.rrule is not None:
            if self.all_day and times:
                raise ValueError(f"rule {self.name!r} is all day and has times; leave one out")
            if not self.all_day and times != 2:  # noqa: PLR2004 - start and end
                raise ValueError(f"rule {self.name!r} needs `start` and `end`, or `all_day: true`")
        if self.since is not None:
            self._refuse_once(self.since)
        elif self.to is not None:
            _refuse(("to",), f"`to` needs `from`, and rule {self.name!r} has none")
        return self

    def _refuse_once(self, since: datetime) -> None:
        if self.to is None:
            raise ValueError(f"rule {self.name!r} begins with `from` and never ends; add `to`")
        if self.to <= since:
            _refuse(("to",), f"rule {self.name!r} ends at {self.to.isoformat()}, not after it begins")
        if self.all_day:
            _refuse(("all_day",), "`from` and `to` say the times themselves; leave all_day out")

    @model_validator(mode="after")
    def _begins_on_its_own_day(self) -> Self:
        if self.rrule is not None and (wrong := wrong_beginning(self.rrule, self.dtstart)):
            _refuse(("rrule",), wrong, self.rrule)
        return self

    def _given(self, key: str) -> bool:
        return getattr(self, "since" if key == "from" else key) is not None

    @cached_property
    def timing(self) -> Timing:
        """What the expansion of the rule is known by."""
        return Timing(
            parsed(self.rrule) if self.rrule is not None else None,
            self.dtstart,
            self.start,
            self.end,
            self.since,
            self.to,
            self.business_days,
            self.fiscal,
            self.holidays,
            self.expires,
        )


class Calendar(BaseModel):
    """A calendar file, or a calendar written inside another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: Zone = Field(description="IANA zone of every wall-clock time in the file.", examples=["Europe/Berlin"])
    default: Literal["open", "closed"] = Field(
        default="closed", description="closed: open only inside a window. open: open except in a blackout."
    )
    windows: tuple[Rule, ...] = Field(default=(), description="When it is open, if it is closed by default.")
    blackouts: tuple[Rule, ...] = Field(default=(), description="When it is closed, whatever a window says.")
    cutoff: Annotated[Seconds, Field(le=_MOST_SECONDS)] = Field(
        default=0, description="What cannot end this long before the window closes is not started."
    )
    min_notice_days: Days = Field(
        default=0, ge=0, le=3660, description="Whole local days between the notice and what it tells."
    )
    applies_to: AppliesTo = Field(
        default=("deploy", "flag"),
        description="For an action that is not listed it is open except in blackouts that list it themselves.",
    )

    @model_validator(mode="after")
    def _has_rules_in_reason(self) -> Self:
        if (count := len(self.windows) + len(self.blackouts)) > MOST_RULES:
            raise ValueError(f"it has {count} rules, and {MOST_RULES} are read at most; say what recurs with rrule")
        return self

    @model_validator(mode="after")
    def _names_each_rule_once(self) -> Self:
        met: set[str] = set()
        for place, rule in self.placed():
            if rule.name in met:
                _refuse((*place, "name"), f"the name {rule.name!r} is given twice; answers could not tell which", rule)
            met.add(rule.name)
        return self

    @model_validator(mode="after")
    def _has_no_window_where_it_is_open(self) -> Self:
        if self.default == "open" and self.windows:
            _refuse(("windows",), "a calendar that is open by default has no windows; write `default: closed`")
        return self

    def placed(self) -> Iterator[tuple[tuple[str, int], Rule]]:
        """Every rule with its place in the file, as `Document.line` takes it."""
        for key, rules in (("windows", self.windows), ("blackouts", self.blackouts)):
            for index, rule in enumerate(rules):
                yield (key, index), rule

    def counts(self, rule: Rule, action: Governed) -> bool:
        """Whether one of its rules is about the action."""
        return action in (rule.applies_to if rule.applies_to is not None else self.applies_to)


@dataclass(frozen=True, slots=True)
class Named:
    """A calendar and the file it stands in, as it was typed: answers name its rules `FILE#name`."""

    file: str
    calendar: Calendar

    def ref(self, name: str) -> str:
        return f"{self.file}#{name}"
