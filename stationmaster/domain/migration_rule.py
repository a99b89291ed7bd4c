"""What a rule of the linter is, what a statement does to one, and what the text before it did: values, no decisions."""

from dataclasses import dataclass, field
from typing import Any, Literal

import postgast

Severity = Literal["error", "warning", "info"]
Group = Literal[
    "Locks and rewrites", "Old code on new schema", "Data and history", "Revisions: source and history",
    "The text itself",
]  # fmt: skip
SHARE_UPDATE, SHARE, SHARE_ROW, EXCLUSIVE = (
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
ROWS = "ROW EXCLUSIVE"
OF_RULE = "of the rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. `bad` and `good` are SQL that the tests run: `good` has nothing of this rule.

    `lock` is the strongest one that `bad` takes on what was there before; None where it takes none. `refused` says
    that the gate of a release, which reads what expand would run, refuses it too.
    """

    id: str
    group: Group
    severity: Severity
    lock: str | None
    title: str
    fix: str
    bad: str
    good: str
    refused: bool = False
    rewrites: bool = False
    scans: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """What a statement does to a rule. `of` is the table, view or type it changes, None where that cannot be new.
    Severity and lock are the rule's where nothing else is said.
    """

    rule: str
    message: str
    of: str | None = None
    severity: Severity | None = None
    lock: str | None = OF_RULE


@dataclass(slots=True)
class Scope:
    """What the text did so far. `transaction` is None where nothing says whether the statements are one."""

    transaction: bool | None = None
    created: set[str] = field(default_factory=set)
    checks: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    proved: set[tuple[str, str]] = field(default_factory=set)
    validated: set[str] = field(default_factory=set)
    dropped_indexes: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    unvalidated: dict[tuple[str, str], str] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """A transaction starts."""
        self.transaction = True
        self.release()

    def end(self) -> None:
        """It ended, and its locks with it."""
        self.transaction = False
        self.release()

    def release(self) -> None:
        """No lock is held, and nothing waits in this transaction to be validated."""
        self.held.clear()
        self.unvalidated.clear()


def name_of(relation: Any) -> str:  # noqa: ANN401 - a RangeVar of the tree
    """A table's name as the rules compare it: without `public`."""
    return plain([relation.schemaname, relation.relname] if relation.schemaname else [relation.relname])


def joined(nodes: Any) -> str:  # noqa: ANN401 - a list of String nodes
    """The name that a list of words is."""
    return plain([node.string.sval for node in nodes])


def plain(parts: list[str]) -> str:
    """A dotted name without `public`."""
    named = [part for part in parts if part]
    return ".".join(named[1:] if len(named) > 1 and named[0] == "public" else named)


def object_name(node: Any) -> str:  # noqa: ANN401
    """The name of a dropped or renamed object, however its kind spells it; empty where it has none (a cast)."""
    inner = postgast.unwrap_node(node)
    for attribute in ("items", "names", "objname"):
        if hasattr(inner, attribute):
            return joined(getattr(inner, attribute))
    return str(getattr(inner, "sval", ""))
