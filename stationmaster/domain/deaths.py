"""How often in a row a release's process died and nothing came of it. Starting such a release again helps nobody."""

from collections.abc import Sequence

from stationmaster.domain.entries import Entry

ENOUGH = 5  # legs
UNWATCHED = "unwatched"  # the cause of a hold that the watchdog records


def deaths(entries: Sequence[Entry]) -> int:
    """Legs at the end of `entries` that began and left no fact; that they failed is none. The leg that works now, if
    one does, is counted too.
    """
    count = 0
    for entry in reversed(entries):
        if not is_vain(entry):
            return count
        count += entry.step == "started"
    return count


def is_vain(entry: Entry) -> bool:
    """Whether it says no more than that somebody tried, or that nobody did."""
    return entry.step in {"started", "failed"} or is_unwatched(entry)


def is_unwatched(entry: Entry) -> bool:
    """Whether it is the hold of a wave that nobody watched: no verdict, and over when the next leg begins."""
    return entry.step == "held" and entry.fact.get("cause") == UNWATCHED
