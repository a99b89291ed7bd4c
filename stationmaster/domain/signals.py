"""What was counted: good and bad requests of a tenant on a version, as plain values.

It does not fetch, and it does not decide what the counts mean; that is `canary.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["OK", "NO_TRAFFIC", "SERIES_ABSENT", "PROVIDER_ERROR", "PARTIAL"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Finished requests, and how many of them were bad (5xx, or closed without an answer)."""

    total: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.total:
            raise ValueError(f"{self.bad} bad of {self.total} cannot be")

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.total + other.total, self.bad + other.bad)

    def __sub__(self, earlier: "Counts") -> "Counts":
        """What came since `earlier`, never below zero: whoever subtracts compares generations first."""
        total = max(0, self.total - earlier.total)
        return Counts(total, min(total, max(0, self.bad - earlier.bad)))


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at cumulative counters. `counts` is keyed (tenant, backend).

    Counters start at zero with each `generation` of the provider: two readings can be subtracted only when theirs
    is the same. `message` says why the status is not OK.
    """

    status: Status
    generation: str = ""
    counts: Mapping[tuple[str, str], Counts] = field(default_factory=dict)
    message: str = ""

    def of(self, tenant: str, backend: str) -> Counts:
        """The counters of a tenant on a backend; zero when it never had a request there."""
        return self.counts.get((tenant, backend), Counts())
