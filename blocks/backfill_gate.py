"""May a tenant's rows be filled in now: does it run what has the dual write, do its calendar and freezes allow it. A
backfill has no hurry, so that no waiver lets it pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from stationmaster.blocks.agendas import agenda_of
from stationmaster.blocks.backfill_jobs import ALL, Carried, Job, Residents
from stationmaster.domain.agenda import Agenda
from stationmaster.domain.freeze import FREEZES, Freeze, closing_to, in_force
from stationmaster.domain.window import Window, all_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stationmaster.domain.tenants import Tenant

_FRESH = timedelta(seconds=5)  # for so long what was asked of everybody is taken for what is


@dataclass(frozen=True)
class _Seen:
    """All that is asked, at one moment."""

    at: datetime
    residents: Residents
    tenants: "Mapping[str, Tenant]"
    agenda: Agenda
    freezes: Sequence[Freeze]


@dataclass
class Gate:
    """Of one job. `closed` has whom a calendar or a freeze keeps out, `without` who runs what lacks the release."""

    carried: Carried
    job: Job
    closed: "dict[str, Window]" = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    _seen: _Seen | None = None

    def may(self, tenant: str) -> str | None:
        """Why the rows of a tenant, as the table calls it, must not be touched now. Whom nobody knows, nobody serves:
        their rows are filled in with the rest.
        """
        seen = self._look()
        there = seen.residents.there(self.job.database)
        asked = there if tenant == ALL else [tenant] if tenant in there else []
        self.without.pop(tenant, None)
        self.closed.pop(tenant, None)
        if lacks := [why for one in asked if (why := self._lacks(seen, one))]:
            self.without[tenant] = lacks[0]
            return lacks[0]
        answer = all_of(window for one in asked for window in _windows(seen, one))
        if not answer.open:
            self.closed[tenant] = answer
            return answer.kept
        return None

    def _lacks(self, seen: _Seen, tenant: str) -> str | None:
        entry = seen.residents.running.get(tenant)
        if entry is None or self.carried.has(entry):
            return None
        return f"{tenant} runs {entry.fact['version']}, which lacks {self.carried.cut.commit.version}"

    def _look(self) -> _Seen:
        tools, now = self.carried.tools, self.carried.tools.now()
        if self._seen is None or now - self._seen.at >= _FRESH:
            directory = tools.tenants.read()
            agenda = agenda_of(tools.tenants, directory, self.carried.cut.product)
            freezes = in_force(tools.ledger.latest(FREEZES), now)
            known = {one.id: one for one in directory.tenants}
            self._seen = _Seen(now, Residents.of(tools, self.carried.cut), known, agenda, freezes)
        return self._seen


def _windows(seen: _Seen, tenant: str) -> list[Window]:
    """What closes to a tenant; its service goes on meanwhile, so only a blackout of its calendar does, and a freeze."""
    known = seen.tenants.get(tenant)
    if known is None:
        return []
    return [seen.agenda.background(tenant, seen.at), *(one.window for one in closing_to(known, seen.freezes))]
