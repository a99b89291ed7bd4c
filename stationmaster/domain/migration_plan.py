"""What runs when: the revisions between two points in their order, each with its phase, what it runs, and what it
waits for. Which conditions hold right now is not decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.migration_history import History
from stationmaster.domain.migration_revisions import Judged
from stationmaster.domain.migration_statements import Statement

CONTRACT = (
    "every tenant's backfill there is verified",
    "no instance older than the release that no longer needs it is connected to that database",
    "the minimum age has passed",
    "it is approved",
)
_NOT_YET = {
    "mixed": "nothing yet: split it, its parts run at different times",
    "data": "nothing yet: make it a backfill, after the deploy that writes both",
    "unknown": "nothing yet: what it does is not known",
}
_LONG = ("while it reads or writes the table", "as long as there are rows")


class RevisionNotHereError(InputError):
    """No revision of the folder has this id or label."""

    code = "revision_not_here"


@dataclass(frozen=True)
class Step:
    """One revision that would run, and what it waits for, in words."""

    judged: Judged
    waits_for: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """The step of `--json`."""
        return {
            "phase": self.judged.phase.name,
            "declared": self.judged.phase.declared,
            "revision": self.judged.revision.name,
            "file": self.judged.revision.file,
            "doc": self.judged.revision.doc,
            "statements": [_recorded(one) for one in shown(self.judged)],
            "needs": needs(self.judged),
            "waits_for": list(self.waits_for),
        }


def plan(judged: Sequence[Judged], begin: Sequence[str] = (), to: Sequence[str] = ()) -> tuple[Step, ...]:
    """The revisions that a database at `begin` does not have, up to `to`, or all of them.

    Raises:
        RevisionNotHereError: one of the names is no revision here.
    """
    history = History.of([one.revision for one in judged])
    done = _with_ancestors(begin, history)
    wanted = _with_ancestors(to, history) if to else frozenset(one.revision.name for one in judged)
    left = [one for one in judged if one.revision.name in wanted - done]
    return tuple(Step(one, tuple(_gates(one, left, history))) for one in left)


def _with_ancestors(names: Sequence[str], history: History) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        known = history.resolve(name)
        if known is None:
            raise RevisionNotHereError(f"no revision here is {name!r}", hint=nearest(name, history.revisions))
        found |= {known, *history.ancestors(known)}
    return frozenset(found)


def _gates(one: Judged, left: Sequence[Judged], history: History) -> list[str]:
    gates = [_lint(one)]
    if one.phase.name == "contract":
        gates += CONTRACT
    elif one.phase.name in _NOT_YET:
        gates.append(_NOT_YET[one.phase.name])
    if (needed := needs(one)) == "window":
        gates.append("a window, or read-only mode: others wait for as long as it works")
    elif needed is not None:
        gates.append(f"every tenant's window, and {needed.replace('_', '-')} mode, which it says it needs")
    return gates + [f"{other}, which is of the contract and comes before it" for other in _earlier(one, left, history)]


def _lint(one: Judged) -> str:
    errors = [finding for finding in one.findings if finding.severity == "error"]
    lines = ", ".join(f"{finding.rule} on line {finding.line}" for finding in errors[:3])
    more = ", …" if len(errors) > 3 else ""  # noqa: PLR2004 - to read
    counted = "1 error stands" if len(errors) == 1 else f"{len(errors)} errors stand"
    return f"lint: {counted}: {lines}{more}" if errors else "lint"


def _earlier(one: Judged, left: Sequence[Judged], history: History) -> list[str]:
    """The last contract that an expand stands on, and so has to wait for; those before it are implied."""
    if one.phase.name == "contract" or one.revision.name not in history.revisions:
        return []
    before = history.ancestors(one.revision.name)
    found = [other.revision.name for other in left if other.phase.name == "contract" and other.revision.name in before]
    return found[-1:]


def shown(judged: Judged) -> list[Statement]:
    """What it runs that changes something."""
    return [one for one in judged.statements if one.operation.kind != "read"]


def needs(judged: Judged) -> str | None:
    """The mode that it says it needs, else `window` where others wait for as long as it works."""
    if judged.revision.source.needs is not None:
        return judged.revision.source.needs
    return "window" if any(statement.wait in _LONG for statement in shown(judged)) else None


def _recorded(one: Statement) -> dict[str, Any]:
    return {
        "sql": one.sql, "line": one.operation.line, "lock": one.lock, "wait": one.wait, "work": one.work,
        "transaction": not one.operation.autocommit,
    }  # fmt: skip
