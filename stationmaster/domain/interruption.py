"""One schema change that cannot be made online, as it is planned: whose service is limited, how, when and for how long.
And which tenants are in a mode now, by the ledger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stationmaster.domain.entries import Entry
from stationmaster.domain.modes import Mode, in_words

STEPS = ("mode_on", "mode_off")  # the last of these about a tenant says whether it is in a mode
_NAMED = 10


@dataclass(frozen=True)
class Interruption:
    """Of one database, `instance`; named `cloud.tenant_acme` where each tenant has its own. `mode` is None where nobody
    is put into one, and others only wait for locks. [start, end) is the first slot that all of its tenants have, in
    RFC 3339, or None, and then `closed` says why. `seconds` is what the rehearsal expects; None where nothing was
    rehearsed.
    """

    instance: str
    mode: Mode | None
    tenants: tuple[str, ...]
    why: str
    seconds: float | None = None
    start: str | None = None
    end: str | None = None
    closed: tuple[str, ...] = ()

    def fact(self) -> dict[str, Any]:
        """As the ledger keeps it, and `--json` shows it."""
        return {
            "instance": self.instance, "mode": self.mode, "tenants": list(self.tenants), "why": self.why,
            "seconds": self.seconds, "start": self.start, "end": self.end, "closed": list(self.closed),
        }  # fmt: skip

    @classmethod
    def read(cls, fact: Mapping[str, Any]) -> "Interruption":
        """The one that was recorded."""
        lists = {name: tuple(fact[name]) for name in ("tenants", "closed")}
        return cls(**{**{name: fact[name] for name in ("instance", "mode", "why", "seconds", "start", "end")}, **lists})

    def __str__(self) -> str:
        """One line for people."""
        lasts = f" for about {max(1, round(self.seconds))} s" if self.seconds is not None else ""
        what = in_words(self.mode) if self.mode else "waiting for locks"
        when = f"expected in the slot from {self.start}" if self.start else f"no slot: {', '.join(self.closed)}"
        return f"{_some(self.tenants)} {what}{lasts}, {when}; database {self.instance}: {self.why}"


def gathered(instance: str, found: Iterable[Interruption]) -> Interruption | None:
    """Several of one instance that are made at once, as one: all their tenants, and the longest time."""
    every = list(found)
    if not every:
        return None
    seconds = max((one.seconds for one in every if one.seconds is not None), default=None)
    tenants = tuple(sorted({who for one in every for who in one.tenants}))
    return replace(every[0], instance=instance, tenants=tenants, seconds=seconds)


def in_mode(last: Mapping[str, Entry], release: str | None = None) -> dict[str, Entry]:
    """The tenants in a mode, of one release or of any. `last` maps a tenant to the last of `STEPS` about it."""
    return {
        tenant: entry for tenant, entry in sorted(last.items())
        if entry.step == "mode_on" and release in {None, entry.release}
    }  # fmt: skip


def modes_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Which tenants the entries of one release leave in which mode."""
    last = {entry.subject: entry for entry in entries if entry.step in STEPS}
    return {tenant: str(entry.fact.get("mode")) for tenant, entry in in_mode(last).items()}


def _some(tenants: tuple[str, ...]) -> str:
    named = ", ".join(tenants[:_NAMED])
    return f"{named} and {len(tenants) - _NAMED} more" if len(tenants) > _NAMED else named
