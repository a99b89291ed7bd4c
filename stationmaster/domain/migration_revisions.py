"""Judges recorded revisions: the rules for SQL over what each runs, with the line in its file, and the rules that need
its source or the revisions beside it.

A revision is one transaction, what stands in an autocommit_block is outside of it. What takes something from old code
is allowed where the branch or the file says that it is of the contract.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stationmaster.domain.migration_allowed import Allowed, faults, is_ours, read_comment
from stationmaster.domain.migration_chain import of_chain, of_phase
from stationmaster.domain.migration_history import History
from stationmaster.domain.migration_phase import Phased, phased
from stationmaster.domain.migration_recorded import Operation, Recorded, Run
from stationmaster.domain.migration_rule import Scope
from stationmaster.domain.migration_rules import EVERY
from stationmaster.domain.migration_source_facts import of_source
from stationmaster.domain.migration_statements import Statement, statements_of
from stationmaster.domain.migrations import Finding, finding, lint

_OLD_CODE = "Old code on new schema"
_PYTHON = "record with the Python in which the product is installed: --python .venv/bin/python"


@dataclass(frozen=True)
class Judged:
    """One revision with its phase, what it runs, and what is said of it."""

    revision: Recorded
    phase: Phased
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]


def judge(recorded: Sequence[Recorded]) -> tuple[Judged, ...]:
    """Every revision, in the order in which they run; those without an id come last."""
    history, scopes = History.of(list(recorded)), dict[str, Scope]()
    first = [history.revisions[name] for name in history.order]
    known = {id(one) for one in first}
    ordered = first + [one for one in recorded if id(one) not in known]
    return tuple(_judged(one, history, scopes) for one in ordered)


def _judged(revision: Recorded, history: History, scopes: dict[str, Scope]) -> Judged:
    statements = _distinct(one for run in revision.runs for one in statements_of(run))
    phase = phased(revision, statements, history)
    found: dict[tuple[str, int, str], Finding] = {}
    for run in revision.runs:
        scope = _before(revision, history, scopes)
        for one in _of_run(revision, run, scope):
            if not _is_let(one, phase, revision):
                found.setdefault((one.rule, one.line, one.message), one)
        if run.fault is None:
            scopes[revision.name] = scope
    hits = (*of_source(revision), *of_chain(revision, history), *of_phase(revision, phase, statements))
    said = [
        *found.values(),
        *(_pointed(finding(hit, line, revision.name, revision.file), revision) for hit, line in hits),
    ]
    return Judged(revision, phase, statements, tuple(_excused(revision, said)))


def _pointed(one: Finding, revision: Recorded) -> Finding:
    """To the Python that has what is missing."""
    missing = revision.unrenderable is not None and revision.unrenderable.module is not None
    return replace(one, fix=_PYTHON) if missing and one.rule == "unrenderable" else one


def _distinct(statements: Iterator[Statement]) -> tuple[Statement, ...]:
    """What both runs of a revision do is one thing."""
    return tuple({(one.operation.line, one.sql): one for one in statements}.values())


def _before(revision: Recorded, history: History, scopes: dict[str, Scope]) -> Scope:
    """The checks that the revisions before have added and proved; every lock of theirs is gone."""
    scope = Scope()
    for name in history.after(revision.name) if revision.revision in history.revisions else ():
        if name in scopes:
            scope.checks.update(scopes[name].checks)
            scope.proved |= scopes[name].proved
    return scope


def _is_let(one: Finding, phase: Phased, revision: Recorded) -> bool:
    """What a contract may do, and an index whose validity the revision looks at."""
    if one.rule == "concurrent_if_not_exists":
        return any("indisvalid" in operation.sql for run in revision.runs for operation in run.operations)
    return EVERY[one.rule].group == _OLD_CODE and phase.declared and phase.name == "contract"


def _of_run(revision: Recorded, run: Run, scope: Scope) -> Iterator[Finding]:
    """What the rules for SQL say of a run, on the lines of the revision."""
    text, places = _script(run.operations)
    for one in lint(text, revision.file, revision.name, scope):
        at = places[min(one.line, len(places)) - 1]
        yield replace(one, line=at.line, message=f"{one.message}{at.through}")


def _script(operations: Sequence[Operation]) -> tuple[str, list[Operation]]:
    """The operations as one text, and the operation of each of its lines."""
    lines, places, inside = list[str](), list[Operation](), None  # the first says whether there is a transaction
    for one in operations:
        if inside is not (not one.autocommit):
            inside = not one.autocommit
            lines.append("BEGIN;" if inside else "COMMIT;")
            places.append(one)
        part = one.sql.rstrip().removesuffix(";").split("\n")
        lines += [*part, ";"]
        places += [one] * (len(part) + 1)
    return "\n".join(lines), places or [Operation(line=1, sql="", kind="operation")]


def _excused(revision: Recorded, said: list[Finding]) -> Iterator[Finding]:
    """In the order of the file; exceptions in its comments count, and what is wrong with them is said too."""
    source = revision.source
    allowed = [read_comment(one.text, one.line, one.statement) for one in source.comments if is_ours(one.text)]
    known = {(one.rule, source.statement(one.line)) for one in said}
    faulty = [(hit, one.offset) for one in allowed for hit in faults(one, known)]
    every = [*said, *(finding(hit, line, revision.name, revision.file) for hit, line in faulty)]
    for one in sorted(every, key=lambda one: one.line):
        reason = _reason(one, allowed, source.statement(one.line))
        yield replace(one, severity="info", reason=reason) if reason else one


def _reason(one: Finding, allowed: list[Allowed], statement: int | None) -> str | None:
    return next((exception.reason for exception in allowed if exception.excuses(one.rule, statement)), None)
