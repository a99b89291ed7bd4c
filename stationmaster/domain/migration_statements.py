"""Each statement that a revision runs: what kind of work it is, which lock it takes, and how long others wait for it.

Judged one after the other, so that what works on a table which the same revision creates makes nobody wait.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_locks import of_locks
from stationmaster.domain.migration_old_code import of_old_code
from stationmaster.domain.migration_recorded import Operation, Run
from stationmaster.domain.migration_rule import OF_RULE, ROWS, SHARE_UPDATE, Hit, Scope
from stationmaster.domain.migration_rules import RULES, SLOW
from stationmaster.domain.migration_taken import WEAK, bare, strongest, taken_by
from stationmaster.domain.migration_transactions import is_literal, observe

Work = Literal["expand", "contract", "data", "neutral"]
Wait = Literal["nobody waits", "a moment", "while it reads or writes the table", "as long as there are rows"]
_MOVES = {"UpdateStmt", "DeleteStmt", "MergeStmt"}
# A view, function or trigger may have to be made anew in either phase, so it says nothing.
_ADDS = {
    "CreateStmt", "CreateTableAsStmt", "CreateEnumStmt", "CreateDomainStmt", "CompositeTypeStmt", "AlterEnumStmt",
    "CreateSeqStmt", "CreateSchemaStmt", "CreateExtensionStmt",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, and where it came from. `lock` is the strongest on what was there before; None for none."""

    sql: str
    operation: Operation
    work: Work
    lock: str | None
    wait: Wait


def statements_of(run: Run) -> tuple[Statement, ...]:
    """Everything that a run of a revision does, reads included; SQL that does not parse is left out."""
    scope = Scope(transaction=True)
    return tuple(one for operation in run.operations for one in _of_operation(operation, scope))


def _of_operation(operation: Operation, scope: Scope) -> Iterator[Statement]:
    try:
        parsed = postgast.parse(operation.sql).stmts
    except postgast.PgQueryError:
        return
    for raw in parsed:
        node, text = postgast.unwrap_node(raw.stmt), operation.sql.encode()
        part = text[raw.stmt_location :][: raw.stmt_len or None].decode(errors="replace").strip()
        hits = [
            hit for hit in (*of_old_code(node), *of_locks(node, scope)) if hit.of is None or hit.of not in scope.created
        ]
        lock = _lock(node, hits, scope)
        yield Statement(part, operation, _work(node, hits), lock, _wait(node, hits, lock))
        observe(node, scope)


def _work(node: Any, hits: list[Hit]) -> Work:  # noqa: ANN401 - any node of the tree
    rules = [RULES[hit.rule] for hit in hits if (hit.severity or RULES[hit.rule].severity) == "error"]
    if any(rule.group == "Old code on new schema" for rule in rules):
        return "contract"
    kind = type(node).__name__
    if kind in _MOVES or (kind == "InsertStmt" and not is_literal(node)):
        return "data"
    adds = (kind in _ADDS and not _is_temporary(node)) or any(
        command.subtype == pg.AT_AddColumn for command in _commands(node)
    )
    return "expand" if adds else "neutral"


def _is_temporary(node: Any) -> bool:  # noqa: ANN401
    return getattr(getattr(node, "relation", None), "relpersistence", "") == "t"


def _lock(node: Any, hits: list[Hit], scope: Scope) -> str | None:  # noqa: ANN401
    """The strongest on what was there before: of what the text names, and of what a rule knows to hang on it."""
    named = [mode for name, mode in taken_by(node) if bare(name) not in scope.created]
    known = [RULES[hit.rule].lock if hit.lock == OF_RULE else hit.lock for hit in hits]
    return strongest(tuple(("", mode) for mode in (*named, *known) if mode and mode not in WEAK))


def _wait(node: Any, hits: list[Hit], lock: str | None) -> Wait:  # noqa: ANN401
    if lock == ROWS:
        return "a moment" if type(node).__name__ == "InsertStmt" and is_literal(node) else "as long as there are rows"
    if lock in {None, SHARE_UPDATE}:
        return "nobody waits"
    long = any(hit.rule in SLOW for hit in hits)
    return "while it reads or writes the table" if long else "a moment"


def _commands(node: Any) -> list[Any]:  # noqa: ANN401
    return [one.alter_table_cmd for one in node.cmds] if type(node).__name__ == "AlterTableStmt" else []


def reads_rows(sql: str) -> bool:
    """Whether a query reads a table that is not PostgreSQL's own; also what cannot be parsed."""
    try:
        found = list(postgast.find_nodes(postgast.parse(sql), pg.RangeVar))
    except postgast.PgQueryError:
        return True
    return any(
        one.schemaname not in {"pg_catalog", "information_schema"} and not one.relname.startswith("pg_")
        for one in found
    )
