"""What people and verdicts have ordered about a release, as far as it is still in force. It carries nothing out."""

from collections.abc import Iterable
from typing import Literal

from stationmaster.domain.entries import Entry

Order = Literal["abort", "rollback", "pause"]

ABORT = "abort"  # the cause of the rollback that an abort orders

# The entries about the release itself that give an order or end it.
ORDERS = frozenset({"aborted", "rollback", "restored", "contained", "lifted", "paused", "resumed"})


def in_force(entries: Iterable[Entry]) -> Order | None:
    """The strongest order in force: a rollback under way, else an abort, else a pause. `entries` in order."""
    known = list(entries)
    last = _last(known)
    ended = max(last.get("restored", -1), last.get("lifted", -1), _carried_out(known))
    if last.get("rollback", -1) > ended:
        return "rollback"
    if "aborted" in last:
        return "abort"
    return "pause" if last.get("paused", -1) > last.get("resumed", -1) else None


def on_hold(entries: Iterable[Entry]) -> bool:
    """Whether its changes may not be carried by any release: it was rolled back, or is being, and nobody lifted that
    since. `entries` in order.
    """
    last = {entry.step: entry for entry in entries if entry.step in {"rollback", "lifted"}}
    back, lifted = last.get("rollback"), last.get("lifted")
    return back is not None and holds(back) and (lifted is None or lifted.index < back.index)


def holds(rollback: Entry) -> bool:
    """Whether this order puts the release's changes on hold; that of an abort does not: they were only given up."""
    return bool(rollback.fact.get("cause") != ABORT)


def _carried_out(entries: Iterable[Entry]) -> int:
    """The index of the newest order of which only the others keep the release."""
    ended = [entry for entry in entries if entry.step == "contained" and entry.subject == entry.release]
    return max((int(entry.fact.get("order", entry.index)) for entry in ended), default=-1)


def _last(entries: Iterable[Entry]) -> dict[str, int]:
    return {entry.step: entry.index for entry in entries if entry.step in ORDERS and entry.subject == entry.release}
