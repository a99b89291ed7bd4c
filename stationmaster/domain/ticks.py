"""What was counted between two looks at the counters, on the new version and on the old one beside it.

It says what can be known from a pair of readings; what it means is decided by `domain/canary.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stationmaster.domain.signals import Counts, Reading, Status

# The answers that say something; NO_TRAFFIC says that nobody asked.
SEEN: frozenset[Status] = frozenset({"OK", "NO_TRAFFIC"})


@dataclass(frozen=True, slots=True)
class Tick:
    """Counts per tenant in the `seconds` before `at`. A tick that is not `seen` is frozen: it says nothing."""

    at: datetime
    seconds: float
    status: Status = "OK"
    new: Mapping[str, Counts] = field(default_factory=dict)
    old: Mapping[str, Counts] = field(default_factory=dict)

    @property
    def seen(self) -> bool:
        """Whether the tick says anything."""
        return self.status in SEEN


def tick_between(
    earlier: Reading, later: Reading, new: Mapping[str, str], old: Mapping[str, str], *, at: datetime, seconds: float
) -> Tick:
    """The tick between two readings. `new` and `old` map tenants to the backend that serves them that version.

    A reading that is not to be trusted, on either side, gives a frozen tick; so do counters that started anew. The
    caller keeps the last readable reading as `earlier`, so that nothing counted during an outage is lost.
    """
    for reading in (later, earlier):
        if reading.status not in SEEN:
            return Tick(at, seconds, reading.status)
    if earlier.generation != later.generation:
        return Tick(at, seconds, "PARTIAL")
    return Tick(at, seconds, later.status, _gained(earlier, later, new), _gained(earlier, later, old))


def _gained(earlier: Reading, later: Reading, backends: Mapping[str, str]) -> dict[str, Counts]:
    return {tenant: later.of(tenant, backend) - earlier.of(tenant, backend) for tenant, backend in backends.items()}
