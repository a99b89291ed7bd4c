"""How far a rehearsal goes back: over every revision that has a downgrade, to the last that has none. It runs none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.migration_rehearsal import Finding, NoDown


@dataclass(frozen=True)
class Step:
    """A revision on the way: whether its upgrade and its downgrade do anything, and what its author says instead."""

    revision: str
    after: tuple[str, ...]
    file: str
    up: bool
    down: bool
    no_down: object = None

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Step":
        """As the guest process tells it."""
        return cls(**{**record, "after": tuple(record["after"])})

    @property
    def stops(self) -> bool:
        """Whether there is no way back over it."""
        return self.no_down is not None or (self.up and not self.down)


@dataclass(frozen=True)
class WayBack:
    """The revisions that are undone, the last one first; `to` is where that leads, None where it leads to the start."""

    undone: tuple[str, ...]
    to: str | None = None
    no_down: tuple[NoDown, ...] = ()
    findings: tuple[Finding, ...] = ()


def way_back(steps: Sequence[Step]) -> WayBack:
    """Of the revisions of an upgrade, in their order."""
    decided = tuple(NoDown(revision=one.revision, reason=reason) for one in steps if (reason := _reason(one)))
    findings = tuple(_finding(one) for one in steps if one.stops and not _reason(one))
    last = max((number for number, one in enumerate(steps) if one.stops), default=None)
    if last is None:
        return WayBack(tuple(one.revision for one in reversed(steps)), None, decided, findings)
    rest = steps[last + 1 :]
    if not rest or any(one.after != (before.revision,) for before, one in zip(steps[last:], rest, strict=False)):
        return WayBack((), None, decided, findings)  # what comes after it is on another branch: it stays untried
    return WayBack(tuple(one.revision for one in reversed(rest)), steps[last].revision, decided, findings)


def _reason(step: Step) -> str | None:
    return step.no_down.strip() or None if isinstance(step.no_down, str) else None


def _finding(step: Step) -> Finding:
    said = "`no_down` gives no reason" if step.no_down is not None else "neither a downgrade nor `no_down`"
    return Finding(
        rule="no_way_back",
        message=f"{step.file}: revision {step.revision} has {said}",
        fix='write downgrade(), or decide against it where all can read it: no_down = "reason"',
    )
