"""A generated revision as two: what is added goes to expand, what is taken away to contract. Text in, texts out.

What a statement does was recorded; how the downgrade is divided follows from Alembic's own order: it undoes each
statement, the last one first. What cannot be divided so is refused, with its line.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stationmaster.domain.errors import RefusedError
from stationmaster.domain.migration_history import History
from stationmaster.domain.migration_revisions import Judged
from stationmaster.domain.migration_source import IDENTIFIERS
from stationmaster.domain.migration_statements import Statement

PHASES = ("expand", "contract")
_ROOM = 32  # characters of alembic_version.version_num


class NotDividedError(RefusedError):
    """The revision cannot be divided by rule; a person has to."""

    code = "not_divided"


@dataclass(frozen=True)
class Half:
    """One of the two revisions."""

    phase: str
    revision: str
    text: str


@dataclass(frozen=True)
class _Unit:
    """A statement of upgrade() or downgrade(), and the batch that it stands in, if it does."""

    first: int
    last: int
    batch: tuple[int, int] | None


def split(text: str, judged: Judged, history: History) -> tuple[Half, Half]:
    """The expand and the contract revision that do together what this one does. `history` is without this one.

    Raises:
        NotDividedError: it has only one part, moves rows, or its downgrade does not undo statement by statement.
    """
    revision, file = judged.revision, judged.revision.file
    tree, lines = ast.parse(text), text.splitlines()
    up, down = _units(tree, "upgrade"), _units(tree, "downgrade")
    parts = [_part(unit, judged) for unit in up]
    if len(set(parts)) < 2:  # noqa: PLR2004 - two parts
        raise NotDividedError(f"all of it is {parts[0] if parts else 'nothing'}: there is nothing to divide", file=file)
    if len(up) != len(down):
        raise NotDividedError(
            f"downgrade() has {len(down)} statements and upgrade() {len(up)}: which undoes which is not known",
            file=file, line=revision.source.line("downgrade"), hint="one statement each, the last one first",
        )  # fmt: skip
    undone = [*zip(down, reversed(parts), strict=True)]
    halves = []
    for phase in PHASES:
        ups = [unit for unit, part in zip(up, parts, strict=True) if part == phase]
        downs = [unit for unit, part in undone if part == phase]
        heading = _heading(phase, revision.name, lines, tree, _after(phase, revision.down_revision, history))
        body = [*heading, *_function("upgrade", ups, lines), *_function("downgrade", downs, lines)]
        halves.append(Half(phase, named(revision.name, phase), "\n".join(body) + "\n"))
    return halves[0], halves[1]


def _units(tree: ast.Module, name: str) -> list[_Unit]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return list(_of_body(node.body, None))
    return []


def _of_body(body: list[ast.stmt], batch: tuple[int, int] | None) -> Iterator[_Unit]:
    for node in body:
        if isinstance(node, ast.With) and batch is None:
            yield from _of_body(node.body, (node.lineno, node.body[0].lineno - 1))
        elif not isinstance(node, ast.Pass) and not (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            yield _Unit(node.lineno, node.end_lineno or node.lineno, batch)


def _part(unit: _Unit, judged: Judged) -> str:
    """Expand or contract."""
    done = [one for one in judged.statements if unit.first <= one.operation.line <= unit.last]
    rules = {one.rule for one in judged.findings if unit.first <= one.line <= unit.last}
    return part_of(done, rules, judged.revision.file, unit.first)


def part_of(done: Sequence[Statement], rules: set[str], file: str | None = None, line: int | None = None) -> str:
    """The phase of what runs together; `rules` are those of the linter that it breaks.

    Raises:
        NotDividedError: it has none, or more than one.
    """
    parts = {_half(one) for one in done}
    problem = _problem(parts, rules, done)
    if problem:
        raise NotDividedError(problem, file=file, line=line)
    return parts.pop() if parts else "expand"


def _problem(parts: set[str], rules: set[str], done: Sequence[Statement]) -> str | None:
    if "unrenderable" in rules:
        return "was not seen to its end: `migrations lint` says why"
    if "data" in parts or "reads_data" in rules:
        return "moves rows: make it a backfill"
    if "required_column" in rules and any("ADD COLUMN" in one.sql for one in done):
        return "adds a column that must be given: make it nullable, and require it in a contract revision"
    return "does both in one statement" if len(parts) > 1 else None


def _half(statement: Statement) -> str:
    """An index that goes is still of use to old code."""
    if statement.work == "neutral":
        return "contract" if statement.sql.lstrip().upper().startswith("DROP") else "expand"
    return statement.work


def _after(phase: str, followed: Sequence[str], history: History) -> tuple[str | None, bool]:
    """What the half follows, and whether it begins the branch."""
    heads = [name for labels, names in history.heads.items() for name in names if phase in labels]
    if len(heads) > 1:
        raise NotDividedError(f"branch {phase} has several heads: {', '.join(heads)}", hint="alembic merge")
    return (heads[0], False) if heads else (beginning(followed[0] if followed else None, history), True)


def beginning(name: str | None, history: History) -> str | None:
    """Where a branch begins: below the other one, for a label is of everything that follows it."""
    found, seen = name, set[str]()
    while name is not None and name not in seen and (known := history.resolve(name)):
        seen.add(name)
        one = history.revisions[known]
        name = one.down_revision[0] if one.down_revision else None
        found = name if set(PHASES) & {*one.branch_labels} else found
    return found


def _heading(phase: str, name: str, lines: list[str], tree: ast.Module, after: tuple[str | None, bool]) -> list[str]:
    """Docstring, what the module has beside its functions, identifiers. Contract depends on expand, so that no order
    of heads runs it too early.
    """
    followed, begins = after
    kept = [line for node in tree.body if _is_kept(node) for line in _text(node, lines)]
    doc = (ast.get_docstring(tree) or name).partition("\n")[0]
    other = named(name, "expand") if phase == "contract" else None
    return [
        f'"""{doc}: {phase}"""', "", *kept, "",
        f'revision = "{named(name, phase)}"',
        f"down_revision = {_quoted(followed)}",
        f"branch_labels = {_quoted(phase if begins else None)}",
        f"depends_on = {_quoted(other)}",
    ]  # fmt: skip


def named(name: str, phase: str) -> str:
    """An id that alembic_version has room for."""
    return f"{name[: _ROOM - len(phase) - 1]}_{phase}"


def _is_kept(node: ast.stmt) -> bool:
    """Imports, constants and helpers: everything but what is written anew."""
    if isinstance(node, ast.FunctionDef):
        return node.name not in {"upgrade", "downgrade"}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return not any(isinstance(one, ast.Name) and one.id in {*IDENTIFIERS, "phase"} for one in targets)


def _text(node: ast.stmt, lines: list[str]) -> list[str]:
    return lines[node.lineno - 1 : node.end_lineno]


def _function(name: str, units: Sequence[_Unit], lines: list[str]) -> list[str]:
    found, batch = ["", "", f"def {name}() -> None:"], None
    for unit in units:
        if unit.batch != batch:
            batch = unit.batch
            found += lines[batch[0] - 1 : batch[1]] if batch else []
        found += lines[unit.first - 1 : unit.last]
    return found if units else [*found, "    pass"]


def _quoted(value: str | None) -> str:
    return "None" if value is None else f'"{value}"'
