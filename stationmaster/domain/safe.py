"""What a rollback cost, once its tenants are back: how long it took and how many requests were bad meanwhile."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.entries import Entry


class Safe(BaseModel):
    """The figures of a rollback that is over. Durations are in seconds from the decision."""

    model_config = ConfigDict(frozen=True)

    order: int = Field(description="Index of the entry that decided it.")
    tenants: tuple[str, ...] = Field(description="Who is back on the version before.")
    left: tuple[str, ...] = Field(description="Who keeps the release.")
    flags: str = Field(description="back: as the version before has them; kept; none: the product has no flags.")
    bad_requests: int | None = Field(description="On the release from the decision on; None when nobody counted.")
    seconds_to_routes: float | None
    seconds_to_last: float | None = Field(description="To the end of the last request on the release, at the latest.")

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps."""
        kept = self.model_dump(mode="json")
        return kept if self.left else {name: value for name, value in kept.items() if name != "left"}


def safe_after(
    decided: Entry, led: Mapping[str, Entry], left: Collection[str], flags: str, bad_after: Mapping[str, int] | None
) -> Safe:
    """`led` maps who is back to the entry that says so; `bad_after` are the bad requests counted of each on what it
    left, from the same counters as the decision's `bad_before`.
    """
    before, began = decided.fact["bad_before"], decided.fact["decided_ms"]
    return Safe(
        order=decided.index,
        tenants=tuple(sorted(led)),
        left=tuple(sorted(left)),
        flags=flags,
        bad_requests=_came(before, bad_after, led),
        seconds_to_routes=_seconds(began, [entry.fact["routed_ms"] for entry in led.values()]),
        seconds_to_last=_seconds(began, [entry.fact["last_ms"] for entry in led.values()]),
    )


def _came(before: Mapping[str, int] | None, after: Mapping[str, int] | None, tenants: Collection[str]) -> int | None:
    """How many came between two looks at the same counters; None when they were not seen, started anew between, or
    count for another release by now.
    """
    if before is None or after is None or not set(tenants) <= set(after):
        return None
    grown = [after[tenant] - before.get(tenant, 0) for tenant in tenants]
    return None if any(more < 0 for more in grown) else sum(grown)


def _seconds(began: int, ended: Collection[int | None]) -> float | None:
    """To the latest; None when one is unknown or there is none."""
    known = [ms for ms in ended if ms is not None]
    return round(max(0, max(known) - began) / 1000, 3) if known and len(known) == len(ended) else None
