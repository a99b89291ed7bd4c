"""What people are told of the schema change of a release beside its forecast: kind by kind what it is expected to take,
up to when a downgrade leads back, from when only a restore of the backup does, and what each database took.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.entries import Entry
from stationmaster.domain.migration_forecast import Slack, beside, times
from stationmaster.domain.migration_rehearsal import LOCKING, Estimate, Kind, Statement
from stationmaster.domain.migration_slack import spoken
from stationmaster.domain.tenants import STAGE
from stationmaster.domain.ways_out import UNKNOWN_RESTORE, Restore

NOT_REHEARSED = "not rehearsed: nobody knows how long it takes or what waits for it meanwhile"
_KINDS: dict[Kind, str] = {
    "short": "changes of metadata",
    "watched": "validations and concurrent builds",
    "long": "work on all rows",
    "read": "reads",
}


@dataclass(frozen=True)
class Expected:
    """All statements of a kind, as rehearsed and as expected; `lock` is that for which others wait longest."""

    kind: str
    statements: int
    rehearsed_ms: float
    expected_ms: float
    lock: str | None
    held_ms: float

    def row(self) -> dict[str, Any]:
        """For a table."""
        return {
            "statements": f"{self.statements} {self.kind}",
            "rehearsed": spoken(self.rehearsed_ms),
            "expected": spoken(self.expected_ms),
            "longest lock": f"{self.lock} for {spoken(self.held_ms)}" if self.lock else "none that others wait for",
        }

    @property
    def said(self) -> str:
        lock = f"; longest lock {self.lock}, expected for {spoken(self.held_ms)}" if self.lock else ""
        times = f"{spoken(self.rehearsed_ms)} rehearsed, {spoken(self.expected_ms)} expected"
        return f"{self.kind} ({self.statements}): {times}{lock}"


def expected(estimate: Estimate, slack: Slack | None) -> list[Expected]:
    """Kind by kind, those that are there."""
    found = {kind: [one for one in estimate.statements if one.kind == kind] for kind in _KINDS}
    return [_expected(_KINDS[kind], of, times(slack)) for kind, of in found.items() if of]


def _expected(kind: str, statements: Sequence[Statement], factor: float) -> Expected:
    took = round(sum(one.ms for one in statements), 1)
    held = [(one.held_ms, one.lock) for one in statements if one.lock in LOCKING]
    longest, lock = max(held, key=lambda one: one[0], default=(0.0, None))
    return Expected(kind, len(statements), took, round(took * factor, 1), lock, round(longest * factor, 1))


def table(estimates: Iterable[Estimate], slack: Slack | None) -> list[dict[str, Any]]:
    """A row a kind, of each state that production is in."""
    return [
        {"from": ", ".join(one.before) or "nothing", "to": ", ".join(one.after), **row.row()}
        for one in estimates
        for row in expected(one, slack)
    ]


def ways_back(estimates: Sequence[Estimate], restore: Restore | None) -> list[str]:
    """Up to when a downgrade leads back, and from when only a restore does. Of a change that was not rehearsed nobody
    tried a downgrade.
    """
    after = f"only a restore of the backup leads back, which {_said(restore)}"
    if not estimates:
        return [f"way back: no downgrade was tried; as far as anybody knows {after}"]
    decided = {one.revision: one.reason for found in estimates for one in found.no_down}
    if decided:
        why = "; ".join(f"{revision}: {reason}" for revision, reason in decided.items())
        return [f"way back: none by a downgrade once {', '.join(decided)} ran ({why}): from then on {after}"]
    took = max(found.down_ms or 0.0 for found in estimates)
    return [f"way back: a downgrade, {spoken(took)} in rehearsal, until its contract runs; from then on {after}"]


def contract_way_back(restore: Restore | None) -> str:
    """The same of a contract."""
    return (
        "way back: in stage a copy of the database, until every version is proved there; in production no downgrade: "
        f"from the first statement on a database on, only a restore of its backup leads back, which {_said(restore)}"
    )


def took(entries: Iterable[Entry]) -> Iterator[str]:
    """What each database of production took beside its rehearsal."""
    for entry in entries:
        if entry.step == "expanded" and entry.subject != STAGE and (found := beside(entry.fact.get("rehearsed"))):
            yield f"{entry.subject} was expanded{found}"


def _said(restore: Restore | None) -> str:
    return restore.said if restore else f"nobody measured ({UNKNOWN_RESTORE.partition(': ')[2]})"
