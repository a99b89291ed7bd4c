"""How often in a row a release's process died and nothing came of it. Starting such a release again helps nobody."""

from collections.abc import Sequence

from stationmaster.domain.entries import Entry

ENOUGH = 5  # legs
UNWATCHED = "unwatched"  # the cause of a hold that the watchdog records


def deaths(entries: Sequence[Entry]) -> int:
    """Legs at the end of `entries` that began and left no fact. The leg that works now, if one does, is counted too."""
    count = 0
    for entry in reversed(entries):
        if entry.step == "started":
            count += 1
        elif not is_unwatched(entry):
            return count
    return count


def is_unwatched(entry: Entry) -> bool:
    """Whether it is the hold of a wave that nobody watched: no verdict, and over when the next leg begins."""
    return entry.step == "held" and entry.fact.get("cause") == UNWATCHED
