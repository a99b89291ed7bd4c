"""How fast a backfill may go: how large the next batch is, how long to wait for a rate, and when to stand still.

It reads no gauge and no clock. The time of a batch is what is tuned, not its rows: whoever waits for one of its rows
waits that long.
"""

import math
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    SecretStr,
    model_validator,
)

TARGET_MS, LEAST, MOST = 50, 200, 20_000
STEADY = 2  # readings in a row that let go on; one alone may be odd
SECRETS = "STATIONMASTER_HOOK_"  # how the variables begin that a hook may be given: the file is the product's


class Pace:
    """The rows of the next batch, for a target in seconds. Not for two threads."""

    def __init__(self, target: float = TARGET_MS / 1000, least: int = LEAST, most: int = MOST) -> None:
        self._target, self._least, self._most = target, least, most
        self._exact = float(least)  # in fractions, so that rounding never keeps it away from its target

    @property
    def size(self) -> int:
        return round(self._exact)

    @property
    def at_least(self) -> bool:
        """Whether it cannot become smaller."""
        return self.size <= self._least

    def took(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so long. One that was not full, at a tenant's end, can only be too slow."""
        factor = min(max(self._target / seconds, 0.5), 2.0) if seconds > 0 else 2.0
        if rows >= self.size:
            self._become(self._exact * factor)
        elif factor < 1:
            self._become(rows * factor)

    def halve(self) -> None:
        """The batch could not be carried out at all."""
        self._become(self._exact / 2)

    def _become(self, size: float) -> None:
        self._exact = min(max(size, float(self._least)), float(self._most))


class Rate:
    """Rows per second that are never exceeded: what was not used is not saved up. Threads may share one."""

    def __init__(self, rows_per_second: float | None) -> None:
        self._rate = rows_per_second
        self._free = -math.inf  # when the rows so far are paid for
        self._lock = threading.Lock()

    def pause(self, rows: int, now: float) -> float:
        """Seconds to wait after a batch of so many rows that ended at `now`, a monotonic clock's."""
        if self._rate is None:
            return 0.0
        with self._lock:
            self._free = max(self._free, now) + rows / self._rate
            return self._free - now


def _text(value: object) -> object:
    """Pydantic's own words would repeat what was written here."""
    if isinstance(value, str | SecretStr):
        return value
    raise ValueError("must be text; write quotes around it")


def _named_so(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if text.startswith("env:") and not re.fullmatch(rf"{SECRETS}\w+", text.removeprefix("env:"), re.ASCII):
        raise ValueError(f"names a variable that a hook is not given; call it {SECRETS}…")
    return value


Given = Annotated[SecretStr, BeforeValidator(_text, json_schema_input_type=str), AfterValidator(_named_so)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Limits(_Part):
    """Stand still from `pause_at` on, and until `resume_at` or less is read."""

    pause_at: FiniteFloat = Field(ge=0)
    resume_at: FiniteFloat = Field(ge=0)

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.resume_at >= self.pause_at:
            raise ValueError(
                f"resume_at must be less than pause_at: {self.resume_at:g} is not less than {self.pause_at:g}"
            )
        return self


class PauseHook(_Part):
    """Whom to ask over HTTP. 200 or 204 is: go on. 429, 503, and JSON with `"wait": true` and a `reason` are: stand
    still; so is everything else, and no answer.
    """

    url: Given = Field(description=f"http(s)://…, or env:{SECRETS}NAME, a variable of whoever runs the backfill.")
    headers: dict[str, Given] = Field(default_factory=dict, description="What is sent along, or env: as for `url`.")
    timeout_s: FiniteFloat = Field(default=2, gt=0, le=30)


class Throttle(_Part):
    """`throttle:` of a backfill: what is read about once a second. A gauge that is named and cannot be read stands for
    one that is too high.
    """

    replication_lag_bytes: Limits | None = Field(default=None, description="WAL that the last standby or slot lacks.")
    archive_queue: Limits | None = Field(default=None, description="WAL files that are ready and not archived.")
    long_transaction_s: Limits | None = Field(default=None, description="Age of the oldest other transaction.")
    autovacuum: Limits | None = Field(default=None, description="How many processes vacuum the table.")
    active_sessions: Limits | None = Field(default=None, description="Sessions of the server that do something.")
    hook: PauseHook | None = None

    def limits(self) -> dict[str, Limits]:
        """Of the gauges that are declared, in the order of the page."""
        found = {name: getattr(self, name) for name in type(self).model_fields if name != "hook"}
        return {name: limits for name, limits in found.items() if limits is not None}


WORDS = {
    "replication_lag_bytes": "replication lag: {} bytes",
    "archive_queue": "WAL files that wait to be archived: {}",
    "long_transaction_s": "the oldest other transaction: {} s",
    "autovacuum": "processes that vacuum the table: {}",
    "active_sessions": "active sessions: {}",
}


@dataclass(frozen=True, slots=True)
class Unread:
    """A gauge that could not be read, or a hook that did not say go on."""

    why: str


Reading = float | Unread


class Flap:
    """Stand still or go on, from reading to reading. At its upper threshold a gauge stops at once; it lets go on after
    `STEADY` readings in a row at or below the lower one. Between the two nothing changes.
    """

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._limits = limits
        self._low = dict.fromkeys(limits, STEADY)  # readings in a row that were low; fewer stand still

    def judge(self, readings: Mapping[str, Reading]) -> str | None:
        """Why everything stands still; None: go on. A declared gauge that is missing was not read."""
        return "; ".join(self._reasons(readings)) or None

    def _reasons(self, readings: Mapping[str, Reading]) -> Iterator[str]:
        for name, limits in self._limits.items():
            reading = readings.get(name, Unread(f"{name} was not read"))
            if isinstance(reading, Unread):  # says nothing about the gauge: where it stood it stands
                yield reading.why
            elif self._stands(name, limits, reading):
                limit = f"pauses at {limits.pause_at:g}, goes on at {limits.resume_at:g}"
                said = WORDS[name].format(f"{reading:.1f}".removesuffix(".0"))
                yield f"{said} ({name}: {limit})"
        yield from (r.why for name, r in readings.items() if name not in self._limits and isinstance(r, Unread))

    def _stands(self, name: str, limits: Limits, reading: float) -> bool:
        if not reading < limits.pause_at:  # what is no number is not below either
            self._low[name] = 0
        elif self._low[name] < STEADY:
            self._low[name] = self._low[name] + 1 if reading <= limits.resume_at else 0
        return self._low[name] < STEADY
