"""Which tables a statement locks and how, as PostgreSQL's manual says, and what such a lock waits for.

Only what the text names: tables behind a foreign key that is dropped, or partitions, are the server's to add.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_locks import has_option
from stationmaster.domain.migration_rule import EXCLUSIVE, ROWS, SHARE, SHARE_ROW, SHARE_UPDATE, plain

Taken = tuple[str, str]  # a relation, quoted as SQL has it, and the mode
# From the weakest to the strongest, in the order in which LOCK TABLE numbers them.
MODES = ("ACCESS SHARE", "ROW SHARE", ROWS, SHARE_UPDATE, SHARE, SHARE_ROW, "EXCLUSIVE", EXCLUSIVE)
WEAK = MODES[:2]  # of those who only read: nobody waits but who would lock them out
CHANGES = (pg.InsertStmt, pg.UpdateStmt, pg.DeleteStmt, pg.MergeStmt)
# The table of conflicts of PostgreSQL's manual, section Explicit Locking.
_CONFLICTS = {
    "ACCESS SHARE": MODES[7:],
    "ROW SHARE": MODES[6:],
    ROWS: MODES[4:],
    SHARE_UPDATE: MODES[3:],
    SHARE: (ROWS, SHARE_UPDATE, *MODES[5:]),
    SHARE_ROW: MODES[2:],
    "EXCLUSIVE": MODES[1:],
    EXCLUSIVE: MODES,
}
_TABLES = {pg.OBJECT_TABLE, pg.OBJECT_VIEW, pg.OBJECT_MATVIEW, pg.OBJECT_SEQUENCE, pg.OBJECT_FOREIGN_TABLE}
_OF_TABLE = {pg.OBJECT_TRIGGER, pg.OBJECT_POLICY, pg.OBJECT_RULE}
# What takes less than ACCESS EXCLUSIVE, as the tables of ALTER TABLE in PostgreSQL's manual say.
_LIGHT = {
    pg.AT_ValidateConstraint, pg.AT_SetStatistics, pg.AT_SetOptions, pg.AT_ResetOptions, pg.AT_AttachPartition,
    pg.AT_SetRelOptions, pg.AT_ResetRelOptions, pg.AT_ClusterOn, pg.AT_DropCluster, pg.AT_DetachPartitionFinalize,
}  # fmt: skip
_TRIGGERS = {
    pg.AT_EnableTrig, pg.AT_EnableAlwaysTrig, pg.AT_EnableReplicaTrig, pg.AT_EnableTrigAll, pg.AT_EnableTrigUser,
    pg.AT_DisableTrig, pg.AT_DisableTrigAll, pg.AT_DisableTrigUser,
}  # fmt: skip
_ALONE = re.compile(r'"(?:[^"]|"")*"')  # a quoted name without a schema
_WORD = re.compile(r'"((?:[^"]|"")*)"')


def conflicting(mode: str) -> tuple[str, ...]:
    """The modes that a lock of this mode waits for."""
    return _CONFLICTS[mode]


def strongest(taken: tuple[Taken, ...]) -> str | None:
    """The strongest mode among locks; None where there is none."""
    return max((mode for _, mode in taken), key=MODES.index, default=None)


def taken_by(statement: Any) -> tuple[Taken, ...]:  # noqa: ANN401 - any node of the tree
    """The locks on what was there before, by relation. Empty also for what nobody can see into (DO, CALL)."""
    rule = _STATEMENTS.get(type(statement).__name__)
    return tuple(dict.fromkeys(rule(statement))) if rule else ()


def in_schema(taken: tuple[Taken, ...], schema: str) -> tuple[Taken, ...]:
    """As a session with another search path finds them. Names with a schema stay as they are; all do where none is
    given.
    """
    if not schema:
        return taken
    return tuple((f"{dotted([schema])}.{name}" if _ALONE.fullmatch(name) else name, mode) for name, mode in taken)


def bare(name: str) -> str:
    """A quoted name as the rules compare it: without `public` and without quotes."""
    return plain([word.replace('""', '"') for word in _WORD.findall(name)])


def quoted(relation: Any) -> str:  # noqa: ANN401 - a RangeVar
    """A relation's name as SQL has it, with its schema where one is given."""
    return dotted([relation.schemaname, relation.relname])


def dotted(parts: list[str]) -> str:
    """Words as one quoted name; empty ones do not count."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts if part)


def _one(mode: str) -> Callable[[Any], Iterator[Taken]]:
    def rule(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
        yield quoted(statement.relation), mode

    return rule


def _words(node: Any) -> list[str]:  # noqa: ANN401
    inner = postgast.unwrap_node(node)
    return [item.string.sval for item in getattr(inner, "items", [])]


def _index(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    yield quoted(statement.relation), SHARE_UPDATE if statement.concurrent else SHARE


def _drop(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    for node in statement.objects:
        if statement.remove_type in _TABLES:
            yield dotted(_words(node)), EXCLUSIVE
        elif statement.remove_type in _OF_TABLE:
            yield dotted(_words(node)[:-1]), EXCLUSIVE
        elif statement.remove_type == pg.OBJECT_INDEX:
            yield dotted(_words(node)), SHARE_UPDATE if statement.concurrent else EXCLUSIVE


def _alter(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    for node in statement.cmds:
        command = node.alter_table_cmd
        yield quoted(statement.relation), _mode(command)
        yield from _others(command)


def _mode(command: Any) -> str:  # noqa: ANN401
    if command.subtype == pg.AT_AddConstraint:
        return SHARE_ROW if getattr(command, "def").constraint.contype == pg.CONSTR_FOREIGN else EXCLUSIVE
    if command.subtype in _TRIGGERS:
        return SHARE_ROW
    return SHARE_UPDATE if command.subtype in _LIGHT or detaches(command) else EXCLUSIVE


def detaches(command: Any) -> bool:  # noqa: ANN401 - of an ALTER TABLE
    """Whether it is DETACH PARTITION CONCURRENTLY."""
    return bool(command.subtype == pg.AT_DetachPartition and getattr(command, "def").partition_cmd.concurrent)


def _others(command: Any) -> Iterator[Taken]:  # noqa: ANN401
    """The table that a foreign key refers to, and the one that becomes a partition or ceases to be one."""
    inner = getattr(command, "def")
    if command.subtype == pg.AT_AddConstraint:
        yield from _referenced(inner.constraint)
    elif command.subtype == pg.AT_AddColumn:
        for node in inner.column_def.constraints:
            yield from _referenced(node.constraint)
    elif command.subtype in {pg.AT_AttachPartition, pg.AT_DetachPartition}:
        yield quoted(inner.partition_cmd.name), SHARE_UPDATE if detaches(command) else EXCLUSIVE


def _referenced(constraint: Any) -> Iterator[Taken]:  # noqa: ANN401
    if constraint.contype == pg.CONSTR_FOREIGN:
        yield quoted(constraint.pktable), SHARE_ROW


def _create(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    for node in statement.inh_relations:
        yield quoted(node.range_var), EXCLUSIVE if statement.HasField("partbound") else SHARE_UPDATE
    for node in statement.table_elts:
        inner = postgast.unwrap_node(node)
        for constraint in [inner] if type(inner).__name__ == "Constraint" else getattr(inner, "constraints", []):
            yield from _referenced(getattr(constraint, "constraint", constraint))


def _rename(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    if statement.HasField("relation"):
        index = getattr(statement, "rename_type", None) == pg.OBJECT_INDEX
        yield quoted(statement.relation), SHARE_UPDATE if index else EXCLUSIVE


def _listed(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    mode = MODES[statement.mode - 1] if type(statement).__name__ == "LockStmt" else EXCLUSIVE
    yield from ((quoted(node.range_var), mode) for node in statement.relations)


def _refresh(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    yield quoted(statement.relation), "EXCLUSIVE" if statement.concurrent else EXCLUSIVE


def _reindex(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    """Whoever reads a table holds a lock of each of its indexes, so that one by itself is for nobody else."""
    if statement.HasField("relation"):
        alone = EXCLUSIVE if statement.kind == pg.REINDEX_OBJECT_INDEX else SHARE
        yield quoted(statement.relation), SHARE_UPDATE if has_option(statement.params, "concurrently") else alone


def _vacuum(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    mode = EXCLUSIVE if has_option(statement.options, "full") else SHARE_UPDATE
    yield from ((quoted(node.vacuum_relation.relation), mode) for node in statement.rels)


def _policy(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    yield quoted(statement.table), EXCLUSIVE


def _view(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    if statement.replace:
        yield quoted(statement.view), EXCLUSIVE


def _comment(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    if statement.objtype in {*_TABLES, pg.OBJECT_COLUMN}:
        parts = _words(getattr(statement, "object"))  # noqa: B009 - a word of protobuf's, not of ours
        yield dotted(parts[:-1] if statement.objtype == pg.OBJECT_COLUMN else parts), SHARE_UPDATE


def _query(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    """Of a query, or a statement that has one, at any depth: what it changes, and what it only reads."""
    changed = [node.relation for kind in CHANGES for node in postgast.find_nodes(statement, kind)]
    yield from ((quoted(relation), ROWS) for relation in changed)
    locking = list(postgast.find_nodes(statement, pg.LockingClause))
    others = [*changed, *(node.range_var for clause in locking for node in clause.locked_rels)]
    others += [clause.rel for clause in postgast.find_nodes(statement, pg.IntoClause)]
    parts = {part.ctename for part in postgast.find_nodes(statement, pg.CommonTableExpr)}
    for relation in postgast.find_nodes(statement, pg.RangeVar):
        if relation not in others and (relation.schemaname or relation.relname not in parts):
            yield quoted(relation), WEAK[bool(locking)]


def _explain(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    yield from taken_by(postgast.unwrap_node(statement.query))


def _copy(statement: Any) -> Iterator[Taken]:  # noqa: ANN401
    if statement.HasField("relation"):
        yield quoted(statement.relation), ROWS if statement.is_from else "ACCESS SHARE"
    else:
        yield from _query(statement)


_STATEMENTS: dict[str, Callable[[Any], Iterator[Taken]]] = {
    "IndexStmt": _index,
    "DropStmt": _drop,
    "AlterTableStmt": _alter,
    "CreateStmt": _create,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _rename,
    "TruncateStmt": _listed,
    "LockStmt": _listed,
    "RefreshMatViewStmt": _refresh,
    "ReindexStmt": _reindex,
    "VacuumStmt": _vacuum,
    "ClusterStmt": _one(EXCLUSIVE),
    "RuleStmt": _one(EXCLUSIVE),
    "CreateTrigStmt": _one(SHARE_ROW),
    "CreatePolicyStmt": _policy,
    "AlterPolicyStmt": _policy,
    "ViewStmt": _view,
    "CommentStmt": _comment,
    **{kind.__name__: _query for kind in (pg.SelectStmt, pg.CreateTableAsStmt, pg.DeclareCursorStmt, *CHANGES)},
    "ExplainStmt": _explain,
    "CopyStmt": _copy,
}
