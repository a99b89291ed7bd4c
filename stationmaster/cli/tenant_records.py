"""A tenant as `tenants list|show` tells it: the directory beside what the ledger says, at one instant."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stationmaster.domain.agenda import Agenda
from stationmaster.domain.calendar_answers import state
from stationmaster.domain.calendar_slots import Slot
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.freeze import FREEZES, Freeze, closing_to, in_force, touchable
from stationmaster.domain.interruption import STEPS, in_mode
from stationmaster.domain.modes import SERVED
from stationmaster.domain.release import Status, status
from stationmaster.domain.stages import CLOSED
from stationmaster.domain.tenant_slot import slot_of
from stationmaster.domain.tenants import Tenant

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


@dataclass(frozen=True)
class Moment:
    """What the ledger and the calendars say at an instant: who runs what, what is frozen, who is open."""

    at: datetime
    agenda: Agenda
    running: dict[str, Entry]
    freezes: tuple[Freeze, ...]
    modes: dict[str, Entry]

    @classmethod
    def of(cls, ledger: "Ledger", agenda: Agenda, at: datetime) -> "Moment":
        """What it says now, read at `at`."""
        return cls(at, agenda, ledger.running(), in_force(ledger.latest(FREEZES), at), in_mode(ledger.latest(STEPS)))

    def record(self, tenant: Tenant) -> dict[str, Any]:
        """One tenant: what it is, what it runs since when, whether it may be touched and until when that holds."""
        entry, asked = self.running.get(tenant.id), touchable(tenant, self.agenda, self.freezes, self.at)
        until = self._closes(tenant) if asked.open else asked.until
        return {
            **tenant.model_dump(mode="json"),
            "instance": tenant.instance,
            "version": entry.fact["version"] if entry else None,
            "digest": entry.fact["digest"] if entry else None,
            "since": entry.at if entry else None,
            "release": entry.release if entry else None,
            "mode": self.modes[tenant.id].fact["mode"] if tenant.id in self.modes else SERVED,
            "window": "open" if asked.open else "closed",
            "why": asked.reason,
            "until": instant(until) if until else None,
        }

    def slot(self, tenant: Tenant, length: timedelta) -> dict[str, Any]:
        """The tenant's next slot of that length, or why there is none."""
        freezes = closing_to(tenant, self.freezes)
        found = slot_of(tenant, self.agenda.of(tenant.id), freezes, self.at, length)
        if isinstance(found, Slot):
            return {"start": instant(found.start), "end": instant(found.end)}
        return {"start": None, "why": list(found.why)}

    def _closes(self, tenant: Tenant) -> datetime | None:
        """When a tenant that is open closes by its calendar."""
        found = self.agenda.of(tenant.id)
        return None if isinstance(found, str) else state(found, self.at).next_transition

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
