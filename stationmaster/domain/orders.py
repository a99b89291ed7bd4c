"""What people and verdicts have ordered about a release, as far as it is still in force. It carries nothing out."""

from collections.abc import Iterable
from typing import Literal

from stationmaster.domain.entries import Entry

Order = Literal["abort", "rollback", "pause"]

# The entries about the release itself that give an order or end it.
ORDERS = frozenset({"aborted", "rollback", "restored", "contained", "lifted", "paused", "resumed"})


def in_force(entries: Iterable[Entry]) -> Order | None:
    """The strongest order in force: a rollback under way, else an abort, else a pause. `entries` in order."""
    last = _last(entries)
    back = last.get("rollback", -1)
    if back > max(last.get("restored", -1), last.get("contained", -1)):
        return "rollback"
    if "aborted" in last:
        return "abort"
    return "pause" if last.get("paused", -1) > last.get("resumed", -1) else None


def on_hold(entries: Iterable[Entry]) -> bool:
    """Whether its changes may not be carried by any release: it was rolled back, or is being, and nobody lifted that
    since. `entries` in order.
    """
    last = _last(entries)
    return last.get("rollback", -1) > last.get("lifted", -1)


def _last(entries: Iterable[Entry]) -> dict[str, int]:
    return {entry.step: entry.index for entry in entries if entry.step in ORDERS and entry.subject == entry.release}
