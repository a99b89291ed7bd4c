"""Is the release still good while its rows are filled in: the counts of everybody who has it, by the hard limit of its
waves. It asks no journeys and decides nothing for good: a backfill stands still, and goes on when it is better.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from stationmaster.blocks.backfill_jobs import Carried
from stationmaster.blocks.instances import backend
from stationmaster.blocks.policies import policy_for
from stationmaster.domain.canary import BLIND_AFTER_SECONDS, judge
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.product import HardLimit
from stationmaster.domain.signals import Reading
from stationmaster.domain.ticks import SEEN, Tick, tick_between

_TICK = timedelta(seconds=1)
_LOOKS_BACK = timedelta(seconds=120)  # what was bad before that is over
_BLIND = timedelta(seconds=2 * BLIND_AFTER_SECONDS)


@dataclass
class Standing:
    """Looks at most once a second, however often it is asked."""

    carried: Carried
    ticks: list[Tick] = field(default_factory=list)
    _last: Reading | None = None
    _at: datetime | None = None
    _said: str | None = None

    def why_not(self) -> str | None:
        """Why nothing is filled in now; None while the release is good, or nothing says that it is not."""
        now = self.carried.tools.now()
        if self._at is None or now - self._at >= _TICK:
            try:
                self._said = self._look(now)
            except OutsideError as error:  # unknown means not allowed
                self._said = error.message
            self._at = now
        return self._said

    def _look(self, now: datetime) -> str | None:
        reading = self.carried.tools.metrics.read()
        if self._last is not None and self._at is not None:
            new, old = self._sides()
            seconds = (now - self._at).total_seconds()
            self.ticks.append(tick_between(self._last, reading, new, old, at=now, seconds=seconds))
        if reading.status in SEEN or self._last is None:  # through an outage the last good reading stays
            self._last = reading
        self.ticks = [one for one in self.ticks if one.at > now - (_LOOKS_BACK if one.seen else _BLIND)]
        verdict = judge(self._limit, self.ticks, [], deadline=False)
        return f"{verdict.verdict}: {verdict.reason}" if verdict.verdict in {"rollback", "hold"} else None

    @cached_property
    def _limit(self) -> HardLimit:
        return policy_for(self.carried.tools.ledger, self.carried.cut).hard_limits["availability"]

    def _sides(self) -> tuple[dict[str, str], dict[str, str]]:
        """Where who has the release is served, and their neighbours who have not."""
        running, routes = self.carried.tools.ledger.running(), self.carried.tools.target.routes()
        sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for tenant, place in routes.items():
            if tenant in running:
                sides[0 if self.carried.has(running[tenant]) else 1][tenant] = backend(*place)
        return sides
