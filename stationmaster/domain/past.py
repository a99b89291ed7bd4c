"""What a tenant ran before a version, by its whole past: several releases may have come and gone since."""

from collections.abc import Iterable

from stationmaster.domain.entries import Entry


def ran_before(past: Iterable[Entry], digest: str) -> Entry | None:
    """The entry that says what the tenant ran before the artifact of that digest came, None if nothing did. `past` are
    the entries that say what it runs, in order.

    What was taken back again does not count: it is as if it had never come. Nor does what only led back to the
    artifact.
    """
    came: list[Entry] = []  # what would be found below, if each were taken back in turn
    for entry in past:
        if entry.step == "rolled_back" and any(_is(entry, one) for one in came):
            while not _is(entry, came[-1]):
                came.pop()
        elif not came or not _is(entry, came[-1]):
            came.append(entry)
    while came and came[-1].fact["digest"] != digest:
        came.pop()
    return came[-2] if len(came) > 1 else None


def _is(entry: Entry, other: Entry) -> bool:
    return bool(entry.fact["digest"] == other.fact["digest"])
