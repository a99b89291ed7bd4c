"""A tenant as `tenants list|show` tells it: the directory beside what the ledger says, at one instant."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.freeze import FREEZES, Freeze, closing_to, in_force, touchable
from stationmaster.domain.release import Status, status
from stationmaster.domain.stages import CLOSED
from stationmaster.domain.tenants import Tenant

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


@dataclass(frozen=True)
class Moment:
    """What the ledger says at an instant: who runs what, and what is frozen."""

    at: datetime
    running: dict[str, Entry]
    freezes: tuple[Freeze, ...]

    @classmethod
    def of(cls, ledger: "Ledger", at: datetime) -> "Moment":
        """What it says now, read at `at`."""
        return cls(at, ledger.running(), in_force(ledger.latest(FREEZES), at))

    def record(self, tenant: Tenant) -> dict[str, Any]:
        """One tenant: what it is, what it runs since when, whether it may be touched and until when that holds."""
        entry, asked = self.running.get(tenant.id), touchable(tenant, self.freezes, self.at)
        return {
            **tenant.model_dump(mode="json", exclude={"window"}),
            "instance": tenant.instance,
            "version": entry.fact["version"] if entry else None,
            "digest": entry.fact["digest"] if entry else None,
            "since": entry.at if entry else None,
            "release": entry.release if entry else None,
            "window": "open" if asked.open else "closed",
            "why": asked.reason,
            "until": instant(asked.until) if asked.until else None,
        }

    def frozen(self, tenant: Tenant) -> list[dict[str, Any]]:
        """The freezes that keep new versions away from a tenant."""
        return [
            {"scope": one.scope, "reason": one.reason, "until": instant(one.until) if one.until else None}
            for one in closing_to(tenant, self.freezes)
        ]


def pending(ledger: "Ledger", tenant: str, running: dict[str, Entry]) -> list[dict[str, Any]]:
    """The releases that are to reach a tenant and have not, the oldest first. One without a plan may reach anybody."""
    return [
        {
            "release": one.id,
            "version": one.version,
            "stage": one.stage,
            "waits_for": one.waiting_for,
            "until": one.until,
        }
        for one in _on_their_way(ledger, tenant, running)
    ]


def _on_their_way(ledger: "Ledger", tenant: str, running: dict[str, Entry]) -> Iterator[Status]:
    there = running.get(tenant)
    for name in ledger.releases():
        entries = ledger.entries(name)
        found = status(name, entries, running)
        planned = next((entry.fact["waves"] for entry in reversed(entries) if entry.step == "planned"), None)
        left_out = planned is not None and not any(tenant in wave["tenants"] for wave in planned)
        if found.stage not in CLOSED and not left_out and (there is None or there.release != name):
            yield found
