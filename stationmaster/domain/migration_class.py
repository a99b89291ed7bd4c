"""How a statement of a revision may run: which locks it takes, how long it may wait for them and how long it may last.

- `short`: a change of metadata. It waits for its lock for 50 ms and is tried again.
- `watched`: VALIDATE CONSTRAINT and CONCURRENTLY. Nobody waits for it, so that it may wait and last as it needs.
- `long`: whatever reads or writes all rows, and what nobody can see into. Its lock as `short`, and bounded in time.
- `read`: no change.

It reads the parse tree and decides; it does not run anything.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_locks import has_option, of_locks
from stationmaster.domain.migration_rule import Scope
from stationmaster.domain.migration_rules import SLOW
from stationmaster.domain.migration_taken import CHANGES, WEAK, Taken, bare, detaches, quoted, strongest, taken_by
from stationmaster.domain.migration_transactions import cannot_share, commands, created, observe

Kind = Literal["short", "watched", "long", "read"]
Act = Literal["set", "release", "back"]  # of a savepoint
LOCK_TIMEOUT_MS = 50  # others stall for 58 ms at most behind a waiting statement; with 500 ms for half a second
LEAST_LIMIT_MS = 5_000  # of a `long` one, however short its rehearsal was
_SLACK = 3  # times the rehearsed duration
_READS = {"SelectStmt", "VariableSetStmt", "VariableShowStmt", "ExplainStmt", "FetchStmt", "DeclareCursorStmt"}
_ROWS = {*(one.__name__ for one in CHANGES), "CopyStmt", "CreateTableAsStmt"}
_OPAQUE = {"DoStmt", "CallStmt", "ExecuteStmt"}
_SAVEPOINTS: dict[int, "Act"] = {
    pg.TRANS_STMT_SAVEPOINT: "set", pg.TRANS_STMT_RELEASE: "release", pg.TRANS_STMT_ROLLBACK_TO: "back",
}  # fmt: skip
_BY_RANK: tuple[Kind, ...] = ("read", "short", "long")
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")
_PASSWORD = re.compile(r"(\bPASSWORD\s+)(E?'(?:[^']|'')*'|\$(\w*)\$.*?\$\3\$)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is built or dropped while its table is used. `name` is empty where PostgreSQL chooses it, `table`
    where only the index is named.
    """

    name: str
    table: str = ""
    schema: str = ""
    act: Literal["build", "drop", "rebuild"] = "build"


@dataclass(frozen=True, slots=True)
class Classed:
    """A text as it is sent. `alone` is what PostgreSQL runs outside of transactions only, as a person names it;
    `ends` is a statement that would end the runner's own transaction, `savepoint` what one does and its name.
    """

    sql: str
    kind: Kind
    taken: tuple[Taken, ...] = ()
    alone: str | None = None
    ends: str | None = None
    index: Index | None = None
    limited: bool = True
    savepoint: tuple[Act, str] | None = None

    @property
    def lock(self) -> str | None:
        """The strongest lock it takes on what was there before, as far as the text says."""
        return strongest(self.taken)

    @property
    def digest(self) -> str:
        """What a statement is told again by: of the text alone, for values may hold personal data."""
        return digest_of(self.sql)

    def limit_ms(self, rehearsed_ms: float | None, least_ms: int = LEAST_LIMIT_MS) -> int:
        """How long it may last, 0 for as long as it needs."""
        if self.kind in {"watched", "read"} or not self.limited:
            return 0
        return max(least_ms, round((rehearsed_ms or 0) * _SLACK))


def digest_of(shown: str) -> str:
    """Of a statement as records have it."""
    return hashlib.sha256(" ".join(shown.split()).encode()).hexdigest()


def classed(sql: str, scope: Scope) -> Classed:
    """What a text is that a driver is about to send; `scope` is of its revision and learns what the text creates."""
    shown = told(sql)
    try:
        nodes = [postgast.unwrap_node(raw.stmt) for raw in postgast.parse(_parsable(sql)).stmts]
    except postgast.PgQueryError:  # the server will say what is wrong with it, or it is newer than the parser
        return Classed(shown, "long")
    parts = [_of(shown, node, scope) for node in nodes]
    if len(parts) == 1:
        return parts[0]
    return _together(shown, parts)


def written(sql: str) -> tuple[str, str] | None:
    """What one statement does to a table and the table's own name, where it creates it or changes its rows."""
    try:
        (raw,) = postgast.parse(_parsable(sql)).stmts
    except (postgast.PgQueryError, ValueError):
        return None
    node = postgast.unwrap_node(raw.stmt)
    name = type(node).__name__
    changes = name == "CreateStmt" or name in _ROWS - {"CreateTableAsStmt"}
    return (name, str(node.relation.relname)) if changes else None


def told(sql: str) -> str:
    """The text as people and records get it: no value of a parameter, no password."""
    return _PASSWORD.sub(r"\1'***'", sql.replace("%%", "%").strip().rstrip(";"))


def _parsable(sql: str) -> str:
    """A driver's placeholders are no SQL."""
    return _PLACEHOLDER.sub("$1", sql).replace("%%", "%")


def _of(sql: str, node: Any, scope: Scope) -> Classed:  # noqa: ANN401 - any node of the tree
    old = tuple(one for one in taken_by(node) if bare(one[0]) not in scope.created)
    kind = _kind(node, scope)
    makes = created(node) or any(mode not in WEAK for _, mode in taken_by(node))
    new = bool(makes and all(mode in WEAK for _, mode in old))  # nobody but this revision knows what it changes
    observe(node, scope)
    return Classed(
        sql, "short" if new and not old and kind == "long" else kind, old, cannot_share(node), _ends(node),
        _index(node), not new,
        _savepoint(node),
    )  # fmt: skip


def _kind(node: Any, scope: Scope) -> Kind:  # noqa: ANN401
    name = type(node).__name__
    if name == "ExplainStmt" and has_option(node.options, "analyze"):  # it runs what it explains
        return _kind(postgast.unwrap_node(node.query), scope)
    if (name in _READS and not _writes(node)) or name == "TransactionStmt":
        return "read"
    if _is_watched(node):
        return "watched"
    if name in _ROWS | _OPAQUE | _READS or any(hit.rule in SLOW for hit in _hits(node, scope)):
        return "long"
    return "short"


def _writes(query: Any) -> bool:  # noqa: ANN401
    """Whether a query makes a table, or has a part that changes rows: WITH … DELETE."""
    parts = (pg.IntoClause, *CHANGES) if type(query).__name__ == "SelectStmt" else ()
    return any(next(postgast.find_nodes(query, part), None) is not None for part in parts)


def _hits(node: Any, scope: Scope) -> Iterator[Any]:  # noqa: ANN401
    return (hit for hit in of_locks(node, scope) if hit.severity != "info" and hit.of not in scope.created)


def _is_watched(node: Any) -> bool:  # noqa: ANN401
    """What takes no lock that readers or writers wait for, and lasts as long as there are rows or old transactions."""
    name = type(node).__name__
    if name in {"IndexStmt", "DropStmt"}:
        return bool(node.concurrent)
    if name == "ReindexStmt":
        return has_option(node.params, "concurrently")
    if name == "VacuumStmt":
        return not has_option(node.options, "full")
    altered = [command for _, command in commands(node)]
    return bool(altered) and all(one.subtype == pg.AT_ValidateConstraint or detaches(one) for one in altered)


def _ends(node: Any) -> str | None:  # noqa: ANN401
    if type(node).__name__ != "TransactionStmt" or node.kind in _SAVEPOINTS:
        return None
    return str(pg.TransactionStmtKind.Name(node.kind)).removeprefix("TRANS_STMT_")


def _savepoint(node: Any) -> tuple[Act, str] | None:  # noqa: ANN401
    if type(node).__name__ != "TransactionStmt" or node.kind not in _SAVEPOINTS:
        return None
    return _SAVEPOINTS[node.kind], node.savepoint_name


def _index(node: Any) -> Index | None:  # noqa: ANN401
    name = type(node).__name__
    if name == "IndexStmt" and node.concurrent:
        return Index(node.idxname, quoted(node.relation), node.relation.schemaname)
    if name == "DropStmt" and node.concurrent:
        words = [item.string.sval for item in postgast.unwrap_node(node.objects[0]).items]
        return Index(words[-1], schema=words[-2] if len(words) > 1 else "", act="drop")
    if name == "ReindexStmt" and has_option(node.params, "concurrently") and node.HasField("relation"):
        table = node.kind == pg.REINDEX_OBJECT_TABLE
        return Index("" if table else node.relation.relname, quoted(node.relation) if table else "",
                     node.relation.schemaname, "rebuild")  # fmt: skip
    return None


def _together(sql: str, parts: list[Classed]) -> Classed:
    """Several statements in one text run as the slowest of them."""
    kinds = {part.kind for part in parts}
    if kinds == {"watched"}:
        kind: Kind = "watched"
    else:
        ranks = [_BY_RANK.index("long" if part.kind == "watched" else part.kind) for part in parts]
        kind = _BY_RANK[max(ranks, default=0)]
    alone, ends = [part.alone for part in parts if part.alone], [part.ends for part in parts if part.ends]
    return Classed(
        sql,
        kind,
        tuple(dict.fromkeys(one for part in parts for one in part.taken)),
        alone[0] if alone else None,
        ends[0] if ends else None,
        limited=any(part.limited for part in parts),
    )
