"""What is wrong with how revisions hang together, and with the phase that each says or has."""

from collections.abc import Iterator

from stationmaster.domain.errors import nearest
from stationmaster.domain.migration_history import History
from stationmaster.domain.migration_phase import DECLARED, Phased
from stationmaster.domain.migration_recorded import Recorded
from stationmaster.domain.migration_rule import Hit
from stationmaster.domain.migration_statements import Statement
from stationmaster.domain.modes import MODES

Placed = tuple[Hit, int]
_SAID = {"expand": "adds", "contract": "takes something from old code", "data": "moves rows", "neutral": "changes"}


def of_chain(revision: Recorded, history: History) -> Iterator[Placed]:
    """About its place in the history."""
    if revision.revision is None:
        return
    if (first := history.revisions[revision.revision]) is not revision:
        line = revision.source.line("revision")
        yield Hit("broken_history", f"has the id {revision.revision}, as {first.file} has"), line
        return
    yield from _unknown(revision, history)
    at = revision.source.line("down_revision", "revision")
    if revision.revision in history.round:
        yield Hit("broken_history", "stands on itself: the revisions go round"), at
    for labels, heads in history.heads.items():
        if len(heads) > 1 and revision.revision in heads:
            branch = f"branch {', '.join(sorted(labels))}" if labels else "the history"
            others = ", ".join(name for name in heads if name != revision.revision)
            yield Hit("several_heads", f"is one of {len(heads)} heads of {branch}; the others: {others}"), at


def _unknown(revision: Recorded, history: History) -> Iterator[Placed]:
    for key in ("down_revision", "depends_on"):
        for name in getattr(revision, key):
            if history.resolve(name) is None:
                hint = nearest(name, history.revisions) or "there is no other"
                yield (
                    Hit("broken_history", f"{key} {name!r} is not here; {hint}"),
                    revision.source.line(key, "revision"),
                )


def of_phase(revision: Recorded, phase: Phased, statements: tuple[Statement, ...]) -> Iterator[Placed]:
    """About the phase that it says, or the phases that it mixes, and the mode that it says it needs."""
    needs, said = revision.source.needs, revision.source.phase
    if needs is not None and needs not in MODES:
        yield Hit("mode_unknown", f"needs {needs!r}; {nearest(needs, MODES)}"), revision.source.line("needs")
    if said is not None and said not in DECLARED:
        yield Hit("phase_unknown", f"phase {said!r}; {nearest(said, DECLARED)}"), revision.source.line("phase")
    elif phase.declared:
        against = "contract" if phase.name == "expand" else "expand"
        if (one := next((one for one in statements if one.work == against), None)) is not None:
            rule = f"{against}_in_{phase.name}"
            yield Hit(rule, f"{_SAID[against]} in a revision of {phase.name}: {_short(one.sql)}"), one.operation.line
    elif phase.name == "mixed":
        yield Hit("mixed_phase", _mixed(statements, phase)), revision.source.line("upgrade", "revision")


def _mixed(statements: tuple[Statement, ...], phase: Phased) -> str:
    """Which lines are of which phase."""
    parts = []
    for work in ("expand", "neutral", "data", "contract"):
        lines = sorted({one.operation.line for one in statements if one.work == work and one.operation.kind != "read"})
        if lines:
            parts.append(f"{_SAID[work]} (line {', '.join(map(str, lines))})")
        elif work == "data" and "data" in phase.works:
            parts.append("reads rows or uses a session")
    return "; ".join(parts)


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004 - a line
