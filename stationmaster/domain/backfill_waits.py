"""What a run of a release's backfills left, and so what the release waits for: people, calendars, better verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from stationmaster.domain.duration import instant

Kind = Literal[
    "failed",  # a row is in the way; a person mends it or leaves it out
    "paused",  # a person stopped it
    "closed",  # a blackout or a freeze, until its end
    "held",  # it stood still, because things were not well
    "open",  # it was not come to: another works on it, or the database was away
]
BY_ROLLBACK = "it goes back: "  # how the reason of a pause begins that a rollback made, and that a release ends itself
_NAMED = 3


@dataclass(frozen=True)
class Left:
    """One tenant that is not verified, and when it may be looked at again, where that is known."""

    tenant: str
    kind: Kind
    why: str
    until: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """One backfill on one database after a run."""

    database: str
    name: str
    left: tuple[Left, ...] = ()


@dataclass(frozen=True)
class Wait:
    """By which name it is awaited, until when, in words, and what to do."""

    awaited: str
    until: datetime | None
    message: str
    hint: str


def wait_of(release: str, ended: Iterable[Outcome]) -> Wait | None:
    """What the release waits for; None when nothing is left. A person is awaited before a calendar; it is looked at
    again when the first of those who are waited for may go on.
    """
    waits = [one for one in ended if one.left]
    left = [each for one in waits for each in one.left]
    if not left:
        return None
    told = "; ".join(f"backfill {one.name} on {one.database}: {_some(one.left)}" for one in waits)
    until = min((each.until for each in left if each.until), default=None)
    awaited = "window" if {each.kind for each in left} == {"closed"} else "person"
    return Wait(awaited, until, f"{release} waits: {told}", _hint(release, waits))


def _some(left: Sequence[Left]) -> str:
    told = [f"{one.tenant}: {one.why}{f' until {instant(one.until)}' if one.until else ''}" for one in left[:_NAMED]]
    return ", ".join([*told, *([f"and {len(left) - _NAMED} more"] if len(left) > _NAMED else [])])


def _hint(release: str, waits: Sequence[Outcome]) -> str:
    """The way out of the first that needs a person, then how the release goes on."""
    again = f"stationmaster release start {release}"
    for kind in ("failed", "paused"):
        for one in waits:
            for each in one.left:
                if each.kind == kind:
                    return f"{_way_out(one.name, each)}; then: {again}"
    return f"it is looked at again by itself, or now: {again}"


def _way_out(name: str, left: Left) -> str:
    if left.kind == "paused":
        return f"stationmaster backfill resume --database URL {name} --tenant {left.tenant}"
    return (
        f"mend the row, or leave it out: stationmaster backfill skip --database URL {name} --tenant {left.tenant} "
        "--key KEY --reason WHY"
    )
