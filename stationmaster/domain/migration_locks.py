"""What a statement locks or writes anew, so that others wait: judged one statement at a time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_columns import of_new_column, of_new_type
from stationmaster.domain.migration_rule import EXCLUSIVE, SHARE, SHARE_ROW, Hit, Scope, joined, name_of, object_name

_STORED = {pg.OBJECT_TABLE, pg.OBJECT_MATVIEW, pg.OBJECT_INDEX}
# Of LOCK TABLE; those that are weaker make neither readers nor writers wait.
_MODES = {5: SHARE, 6: SHARE_ROW, 7: "EXCLUSIVE", 8: EXCLUSIVE}


def of_locks(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401 - any node of the tree
    """What others wait for while this one statement runs."""
    rule = _STATEMENTS.get(type(statement).__name__)
    if rule:
        yield from rule(statement, scope)


def _index(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if statement.concurrent:
        return
    table, only = name_of(statement.relation), not statement.relation.inh
    message = f"builds index {statement.idxname} on {table} while nobody may write to it".replace("  ", " ")
    if only:  # the way to an index on a partitioned table, where it builds nothing
        yield Hit("index_not_concurrent", f"{message}, unless {table} is partitioned", table, "info")
    else:
        yield Hit("index_not_concurrent", message, table)


def _drop(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if statement.remove_type != pg.OBJECT_INDEX or statement.concurrent:
        return
    for node in statement.objects:
        if (name := object_name(node)) not in scope.indexes:
            yield Hit("drop_index_not_concurrent", f"drops index {name} while nobody may use its table")


def _domain(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    constraint = postgast.unwrap_node(getattr(statement, "def")) if statement.HasField("def") else None
    if statement.subtype == "C" and constraint and not constraint.skip_validation:
        name = joined(statement.type_name)
        yield Hit("domain_check_validates", f"reads every table with a column of domain {name} for the new check", name)


def _lock(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if statement.mode in _MODES:
        for node in statement.relations:
            table = name_of(node.range_var)
            message = f"locks {table} by hand until the transaction ends"
            yield Hit("lock_table", message, table, lock=_MODES[statement.mode])


def _vacuum(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if statement.is_vacuumcmd and has_option(statement.options, "full"):
        tables = [name_of(node.vacuum_relation.relation) for node in statement.rels]
        for table in tables or ["every table"]:
            yield Hit("vacuum_full", f"writes {table} anew while nobody may read it", table)


def _cluster(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    table = name_of(statement.relation) or "every table"
    yield Hit("cluster", f"writes {table} anew while nobody may read it", table)


def _reindex(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if not has_option(statement.params, "concurrently"):
        what = name_of(statement.relation) or statement.name or "everything"
        yield Hit("reindex", f"builds the indexes of {what} anew while nobody may write", what)


def _refresh(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if not statement.concurrent and not statement.skip_data:
        view = name_of(statement.relation)
        yield Hit("refresh_view", f"fills {view} anew while nobody may read it", view)


def _trigger(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    table = name_of(statement.relation)
    yield Hit("create_trigger", f"creates trigger {statement.trigname} on {table}", table)


def _create(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if statement.HasField("partbound"):
        for node in statement.inh_relations:
            parent = name_of(node.range_var)
            yield Hit("create_partition", f"locks all of {parent} against readers to create a partition", parent)


def _alter_table(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    table = name_of(statement.relation)
    for node in statement.cmds if statement.objtype in _STORED else ():
        rule = _COMMANDS.get(node.alter_table_cmd.subtype)
        if rule:
            yield from rule(node.alter_table_cmd, table, scope)


def _add_constraint(command: Any, table: str, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    constraint = getattr(command, "def").constraint
    yield from of_constraint(constraint, table)


def of_constraint(constraint: Any, table: str) -> Iterator[Hit]:  # noqa: ANN401
    """What adding a constraint to a table that has rows costs."""
    kind, name = constraint.contype, constraint.conname or "a constraint"
    if kind in {pg.CONSTR_UNIQUE, pg.CONSTR_PRIMARY} and not constraint.indexname:
        reads = ", and reads all of it where a column may be NULL" if kind == pg.CONSTR_PRIMARY else ""
        yield Hit("unique_builds_index", f"builds the index of {name} while nobody may read {table}{reads}", table)
    elif kind == pg.CONSTR_EXCLUSION:
        yield Hit("exclusion_constraint", f"builds the index of {name} while nobody may read {table}", table)
    elif constraint.skip_validation or kind not in _VALIDATED or _is_unenforced(constraint):
        return
    else:
        yield Hit(_VALIDATED[kind], f"reads all of {table} for {name}, under the lock of adding it", table)


def _is_unenforced(constraint: Any) -> bool:  # noqa: ANN401
    return constraint.contype != pg.CONSTR_NOTNULL and not constraint.is_enforced


_VALIDATED = {
    pg.CONSTR_FOREIGN: "foreign_key_validates",
    pg.CONSTR_CHECK: "check_validates",
    pg.CONSTR_NOTNULL: "not_null_scans",
}


def _set_not_null(command: Any, table: str, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    if (table, command.name) in scope.proved:
        return
    message = f"reads all of {table} to see that {command.name} is never NULL"
    if table in scope.validated:  # its CHECK may be of another file
        yield Hit("not_null_scans", f"{message}, unless what was validated here says so", table, "warning")
    else:
        yield Hit("not_null_scans", message, table)


def _rewrite(command: Any, table: str, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    what = pg.AlterTableType.Name(command.subtype).removeprefix("AT_")
    yield Hit("table_rewrite", f"writes all of {table} anew ({what})", table)


def _move_all(statement: Any, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    yield Hit("table_rewrite", f"moves everything of tablespace {statement.orig_tablespacename}")


def _attach(command: Any, table: str, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    part = name_of(getattr(command, "def").partition_cmd.name)
    if table not in scope.created:
        yield Hit(
            "attach_partition", f"reads all of {part} to attach it to {table}, unless a CHECK says its bounds", part
        )


def _detach(command: Any, table: str, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    partition = getattr(command, "def").partition_cmd
    if not partition.concurrent:
        message = f"locks all of {table} against readers to detach {name_of(partition.name)}"
        yield Hit("detach_not_concurrent", message, table)


def _add_column(command: Any, table: str, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    column = getattr(command, "def").column_def
    yield from of_new_column(column, table)
    filled = any(node.constraint.contype == pg.CONSTR_DEFAULT for node in column.constraints)
    for node in column.constraints:
        kind = node.constraint.contype
        # PostgreSQL knows that a column which is NULL in every row keeps its foreign key, and one that is filled is
        # not NULL; everything else it reads.
        if kind != pg.CONSTR_NOTNULL and (kind != pg.CONSTR_FOREIGN or filled):
            yield from (replace(hit, lock=EXCLUSIVE) for hit in of_constraint(node.constraint, table))


def has_option(options: Any, name: str) -> bool:  # noqa: ANN401
    """Whether an option is there and not turned off."""
    for node in options:
        option = node.def_elem
        if option.defname == name:
            said = postgast.unwrap_node(option.arg) if option.HasField("arg") else None
            return str(getattr(said, "sval", getattr(said, "ival", "on"))).lower() not in {"off", "false", "0"}
    return False


_COMMANDS: dict[int, Callable[[Any, str, Scope], Iterator[Hit]]] = {
    pg.AT_AddConstraint: _add_constraint,
    pg.AT_AddColumn: _add_column,
    pg.AT_SetNotNull: _set_not_null,
    pg.AT_AlterColumnType: of_new_type,
    pg.AT_SetLogged: _rewrite,
    pg.AT_SetUnLogged: _rewrite,
    pg.AT_SetTableSpace: _rewrite,
    pg.AT_SetAccessMethod: _rewrite,
    pg.AT_SetExpression: _rewrite,
    pg.AT_AttachPartition: _attach,
    pg.AT_DetachPartition: _detach,
}
_STATEMENTS: dict[str, Callable[[Any, Scope], Iterator[Hit]]] = {
    "IndexStmt": _index,
    "DropStmt": _drop,
    "AlterDomainStmt": _domain,
    "AlterTableStmt": _alter_table,
    "LockStmt": _lock,
    "VacuumStmt": _vacuum,
    "ClusterStmt": _cluster,
    "ReindexStmt": _reindex,
    "RefreshMatViewStmt": _refresh,
    "CreateTrigStmt": _trigger,
    "CreateStmt": _create,
    "AlterTableMoveAllStmt": _move_all,
}
