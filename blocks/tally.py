"""What tenants met on backends that they leave: how many requests, how many bad, and when the last one ended."""

from collections.abc import Mapping
from dataclasses import dataclass

from stationmaster.blocks.instances import backend
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.entries import Entry
from stationmaster.domain.signals import Counts
from stationmaster.domain.ticks import SEEN

_LOOK = 0.05  # seconds between looks
_PATIENCE = 100  # looks


@dataclass(frozen=True)
class Tally:
    """Tenants, each with the backend that is looked at."""

    places: Mapping[str, str]

    @classmethod
    def of_release(cls, release: str, running: Mapping[str, Entry]) -> "Tally":
        """The tenants of a release, on the version that it brought them, whether they left that already or not."""
        mine = {tenant: entry.fact for tenant, entry in running.items() if entry.release == release}
        return cls({tenant: backend(at["instance"], at.get("left", at["colour"])) for tenant, at in mine.items()})

    def bad(self, tools: Toolbox) -> dict[str, int] | None:
        """Bad requests of each; None when the metrics do not answer."""
        counts = self.counts(tools)
        return None if counts is None else {tenant: count.bad for tenant, count in counts.items()}

    def counts(self, tools: Toolbox) -> dict[str, Counts] | None:
        """What was counted of each there since the counters began; None when the metrics do not answer."""
        reading = tools.metrics.read()
        if reading.status not in SEEN:
            return None
        return {tenant: reading.of(tenant, place) for tenant, place in self.places.items()}

    def last_request(self, tools: Toolbox) -> int | None:
        """When the last request ended there, at the latest, in milliseconds since the epoch: the first of two looks
        between which nothing came. None when that could not be seen.
        """
        at, seen = self._look(tools)
        for _ in range(_PATIENCE):
            tools.sleep(_LOOK)
            again, more = self._look(tools)
            if seen is None or more is None or more == seen:
                return None if more is None or seen is None else at
            at, seen = again, more
        return None

    def _look(self, tools: Toolbox) -> tuple[int, dict[str, Counts] | None]:
        counts = self.counts(tools)
        return round(tools.now().timestamp() * 1000), counts
