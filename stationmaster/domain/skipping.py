"""Tenants that a person left out of a release, and rings that a person let be followed although they were held."""

from collections.abc import Iterable, Sequence

from stationmaster.domain.entries import Entry
from stationmaster.domain.plan import Wave

ADVANCES = frozenset({"hold", "inconclusive"})  # verdicts that a person may set aside; a breach never


def skipped_tenants(entries: Iterable[Entry]) -> dict[str, str]:
    """Whom a release does not go to, each with the reason. `entries` are the release's, in order."""
    last = {entry.subject: entry for entry in entries if entry.step in {"skipped", "unskipped"}}
    return {name: str(e.fact["reason"]) for name, e in sorted(last.items()) if e.step == "skipped"}


def advanced(entries: Sequence[Entry], wave: Wave) -> Entry | None:
    """The word of a person that lets the wave be followed; it counts for what the wave's tenants have had since then.
    `entries` are the release's, in order.
    """
    moved = [
        entry.index for entry in entries if entry.step in {"deployed", "rolled_back"} and entry.subject in wave.tenants
    ]
    last = next((entry for entry in reversed(entries) if (entry.step, entry.subject) == ("advanced", wave.name)), None)
    return last if last is not None and last.index > max(moved, default=-1) else None
