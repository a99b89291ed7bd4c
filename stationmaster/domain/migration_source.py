"""What the source of a revision says that running it does not: its downgrade, its imports, and our comments in it.

The text is read, never run. A text that cannot be read says nothing; recording it tells why.
"""

import ast
import contextlib
import io
import tokenize
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Downgrade = Literal["missing", "empty", "raises", "written"]
IDENTIFIERS = ("revision", "down_revision", "depends_on", "branch_labels")
_SAYS_NOTHING = (ast.Pass, ast.Return)


class Comment(BaseModel):
    """A comment, the line on which it stands, and the first line of the statement that it is at; None for none."""

    model_config = ConfigDict(frozen=True)

    line: int
    text: str
    statement: int | None


class Source(BaseModel):
    """Facts of one file. `lines` has the line of each name that the module binds, `spans` that of each statement, and
    `says` the identifiers that Alembic reads, as far as they stand there.
    """

    model_config = ConfigDict(frozen=True)

    downgrade: Downgrade = "missing"
    no_down: str | None = None
    phase: str | None = None
    needs: str | None = None
    says: dict[str, Any] = {}
    lines: dict[str, int] = {}
    spans: tuple[tuple[int, int], ...] = ()
    comments: tuple[Comment, ...] = ()

    def line(self, *names: str) -> int:
        """Of the first of these names that the module binds."""
        return next((self.lines[name] for name in names if name in self.lines), 1)

    def statement(self, line: int) -> int | None:
        """The first line of the innermost statement on a line."""
        around = [(end - start, start) for start, end in self.spans if start <= line <= end]
        return min(around)[1] if around else None


def source_of(text: str) -> Source:
    """Read a revision's source."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return Source()
    said = dict(_assigned(tree))
    spans = tuple(_span(node) for node in ast.walk(tree) if isinstance(node, ast.stmt))
    return Source(
        downgrade=_downgrade(tree),
        no_down=_text(said.get("no_down")),
        phase=_text(said.get("phase")),
        needs=_text(said.get("needs")),
        says={name: said[name] for name in IDENTIFIERS if name in said},
        lines=dict(_bound(tree)),
        spans=spans,
        comments=tuple(_comments(text, spans)),
    )


def _assigned(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """The literals that the module gives names."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and (value := getattr(node, "value", None)) is not None:
                with contextlib.suppress(ValueError, TypeError):  # it is no literal
                    yield target.id, ast.literal_eval(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _bound(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for one in node.names:
                yield (one.asname or one.name).partition(".")[0], node.lineno
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            for name in ast.walk(target) if target is not None else ():
                if isinstance(name, ast.Name):
                    yield name.id, node.lineno


def _downgrade(tree: ast.Module) -> Downgrade:
    """What it does, as far as its first statements say; one that another function is given as counts as written."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            body = [one for one in node.body if not _is_text(one)]
            if all(isinstance(one, _SAYS_NOTHING) for one in body):
                return "empty"
            return "raises" if isinstance(body[0], ast.Raise) else "written"
    return "written" if "downgrade" in dict(_bound(tree)) else "missing"


def _is_text(node: ast.stmt) -> bool:
    """A docstring, or an ellipsis."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _span(node: ast.stmt) -> tuple[int, int]:
    """The lines of a statement; of one with a body those of its head."""
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
    return node.lineno, max(node.lineno, last)


def _comments(text: str, spans: tuple[tuple[int, int], ...]) -> Iterator[Comment]:
    starts = sorted(start for start, _ in spans)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            alone = not token.line[: token.start[1]].strip()
            around = [(end - start, start) for start, end in spans if start <= line <= end]
            inside = around and (not alone or min(around)[0] > 0) and not _is_head_of_def(text, min(around)[1], alone)
            following = next((start for start in starts if start > line), None)
            yield Comment(line=line, text=token.string, statement=min(around)[1] if inside else following)


def _is_head_of_def(text: str, start: int, alone: bool) -> bool:  # noqa: FBT001
    """A comment alone below `def …:` or `with …:` is about what comes next."""
    return alone and text.splitlines()[start - 1].rstrip().endswith(":")
