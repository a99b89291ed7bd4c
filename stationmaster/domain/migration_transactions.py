"""What statements of one transaction do to each other, and what the text did so far."""

from collections.abc import Iterator
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_locks import has_option
from stationmaster.domain.migration_rule import EXCLUSIVE, SHARE_ROW, Hit, Scope, joined, name_of, object_name, plain
from stationmaster.domain.migration_taken import bare, detaches, taken_by

_BOOK = "alembic_version"
_STARTS = {pg.TRANS_STMT_BEGIN, pg.TRANS_STMT_START}
_ENDS = {pg.TRANS_STMT_COMMIT, pg.TRANS_STMT_ROLLBACK, pg.TRANS_STMT_PREPARE}
_RELATIONS = {pg.OBJECT_TABLE, pg.OBJECT_VIEW, pg.OBJECT_MATVIEW}
_APART = {pg.OBJECT_INDEX, pg.OBJECT_SEQUENCE}  # what nobody reads by its name


def of_transaction(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401 - any node of the tree
    """What a statement does to the transaction it stands in. Without BEGIN in the text each stands alone."""
    yield from _validates(statement, scope)
    if scope.transaction:
        yield from _alone(statement)
        yield from _works(statement, scope)
    yield from _second(statement, scope)  # one statement that names two is a transaction by itself


def _alone(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    if what := cannot_share(statement):
        yield Hit("concurrent_in_transaction", f"{what} inside a transaction, where PostgreSQL refuses it")


def cannot_share(statement: Any) -> str | None:  # noqa: ANN401
    """What PostgreSQL runs outside of transactions only."""
    kind = type(statement).__name__
    if kind == "IndexStmt" and statement.concurrent:
        return "CREATE INDEX CONCURRENTLY"
    if kind == "DropStmt" and statement.concurrent:
        return "DROP INDEX CONCURRENTLY"
    if kind == "ReindexStmt" and has_option(statement.params, "concurrently"):
        return "REINDEX CONCURRENTLY"
    if kind == "VacuumStmt" and statement.is_vacuumcmd:
        return "VACUUM"
    if kind == "AlterTableStmt" and any(detaches(node.alter_table_cmd) for node in statement.cmds):
        return "DETACH PARTITION CONCURRENTLY"
    return {"CreatedbStmt": "CREATE DATABASE", "DropdbStmt": "DROP DATABASE", "AlterSystemStmt": "ALTER SYSTEM"}.get(
        kind
    )


def _validates(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    for table, command in commands(statement):
        lock = scope.unvalidated.get((table, command.name))
        if command.subtype == pg.AT_ValidateConstraint and lock:
            message = f"validates {command.name} of {table} while the lock of adding it is held"
            if scope.transaction is None:
                message += ", if the file is run as one transaction"
            yield Hit("validate_same_transaction", message, table, None if scope.transaction else "warning", lock)


def _works(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    what = _work(statement, scope)
    if scope.held and what:
        held = ", ".join(dict.fromkeys(scope.held))
        yield Hit("work_after_lock", f"{what} while {held} is locked against readers")


def _work(statement: Any, scope: Scope) -> str | None:  # noqa: ANN401
    """What takes as long as there are rows."""
    kind = type(statement).__name__
    if kind in {"UpdateStmt", "DeleteStmt", "MergeStmt"}:
        table = name_of(statement.relation)
        return None if table == _BOOK or table in scope.created else f"{kind[:-4].lower()}s rows of {table}"
    if kind == "InsertStmt" and not is_literal(statement):
        return f"copies rows into {name_of(statement.relation)}"
    if kind == "IndexStmt" and name_of(statement.relation) not in scope.created:
        return f"builds an index on {name_of(statement.relation)}"
    if kind == "RefreshMatViewStmt" and not statement.skip_data:
        return f"fills {name_of(statement.relation)}"
    for table, command in commands(statement):
        if command.subtype == pg.AT_ValidateConstraint and (table, command.name) not in scope.unvalidated:
            return f"validates {command.name} of {table}"
    return None


def is_literal(insert: Any) -> bool:  # noqa: ANN401
    """An INSERT of values that stand in the text, and not of a query's rows."""
    return not insert.HasField("select_stmt") or bool(insert.select_stmt.select_stmt.values_lists)


def _second(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    held = [*scope.held]
    for table in _exclusive(statement, scope):
        if held and table not in held:
            yield Hit("two_tables_locked", f"locks {table} against readers while {held[0]} is locked", table)
        held.append(table)


def _exclusive(statement: Any, scope: Scope) -> list[str]:  # noqa: ANN401
    """The tables that were there before and that nobody may read from here to the end of the transaction."""
    return [table for table in exclusive_on(statement) if table not in scope.created]


def exclusive_on(statement: Any) -> list[str]:  # noqa: ANN401
    """The tables and views that a statement names and takes an ACCESS EXCLUSIVE lock on. A test asks PostgreSQL."""
    kinds = ("remove_type", "rename_type", "objtype", "object_type")
    if _APART & {getattr(statement, kind, None) for kind in kinds} or type(statement).__name__ == "ReindexStmt":
        return []
    return list(dict.fromkeys(bare(name) for name, mode in taken_by(statement) if mode == EXCLUSIVE))


def commands(statement: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if type(statement).__name__ == "AlterTableStmt":
        for node in statement.cmds:
            yield name_of(statement.relation), node.alter_table_cmd


def observe(statement: Any, scope: Scope) -> None:  # noqa: ANN401
    """Note what the statement did, for those after it."""
    if type(statement).__name__ == "TransactionStmt":
        _turn(statement, scope)
    if scope.transaction:
        scope.held += _exclusive(statement, scope)
    for table, command in commands(statement):
        _observe_constraint(table, command, scope)
    _observe_names(statement, scope)


def _turn(statement: Any, scope: Scope) -> None:  # noqa: ANN401
    kind = statement.kind
    if kind in _STARTS:
        scope.begin()
    elif kind in _ENDS:
        scope.end()
        if statement.chain:  # COMMIT AND CHAIN
            scope.begin()


def _observe_constraint(table: str, command: Any, scope: Scope) -> None:  # noqa: ANN401
    if command.subtype == pg.AT_AddConstraint:
        constraint = getattr(command, "def").constraint
        columns = _never_null(constraint)
        if constraint.skip_validation:
            light = constraint.contype == pg.CONSTR_FOREIGN
            scope.unvalidated[table, constraint.conname] = SHARE_ROW if light else EXCLUSIVE
            scope.checks[table, constraint.conname] = columns
    elif command.subtype == pg.AT_ValidateConstraint:
        columns = scope.checks.get((table, command.name), set())
        scope.proved |= {(table, column) for column in columns}
        if (table, command.name) not in scope.checks:
            scope.validated.add(table)


def _never_null(constraint: Any) -> set[str]:  # noqa: ANN401
    """The columns that a constraint proves to be never NULL: of `x IS NOT NULL` and of an AND of them."""
    if constraint.contype == pg.CONSTR_NOTNULL:
        return {node.string.sval for node in constraint.keys}
    return _proved_by(constraint.raw_expr) if constraint.contype == pg.CONSTR_CHECK else set()


def _proved_by(expression: Any) -> set[str]:  # noqa: ANN401
    node = postgast.unwrap_node(expression)
    kind = type(node).__name__
    if kind == "NullTest" and node.nulltesttype == pg.IS_NOT_NULL and node.arg.WhichOneof("node") == "column_ref":
        return {node.arg.column_ref.fields[-1].string.sval}
    if kind == "BoolExpr" and node.boolop == pg.AND_EXPR:
        return {column for part in node.args for column in _proved_by(part)}
    return set()


def _observe_names(statement: Any, scope: Scope) -> None:  # noqa: ANN401
    kind = type(statement).__name__
    if name := created(statement):
        scope.created.add(name)
    if (renamed := _renamed(statement)) and renamed[0] in scope.created:
        scope.created.add(renamed[1])
    if kind == "IndexStmt" and name_of(statement.relation) in scope.created:
        scope.indexes.add(statement.idxname)
    if kind == "DropStmt" and statement.remove_type == pg.OBJECT_INDEX:
        scope.dropped_indexes |= {object_name(node) for node in statement.objects}


def _renamed(statement: Any) -> tuple[str, str] | None:  # noqa: ANN401
    """The old and the new name of a table or view."""
    kind = type(statement).__name__
    if kind == "RenameStmt" and statement.rename_type in _RELATIONS:
        schema = statement.relation.schemaname
        return name_of(statement.relation), plain([schema, statement.newname])
    if kind == "AlterObjectSchemaStmt" and statement.object_type in _RELATIONS:
        return name_of(statement.relation), plain([statement.newschema, statement.relation.relname])
    return None


def created(statement: Any) -> str | None:  # noqa: ANN401
    """The table, view or type that is new from here on."""
    kind = type(statement).__name__
    if kind == "CreateEnumStmt":
        return joined(statement.type_name)
    if kind == "CreateDomainStmt":
        return joined(statement.domainname)
    relation = _new_relation(statement, kind)
    return None if relation is None else name_of(relation)


def _new_relation(statement: Any, kind: str) -> Any:  # noqa: ANN401
    if kind in {"CreateStmt", "CreateTableAsStmt"} and statement.if_not_exists:
        return None  # it may be an old one
    if kind == "ViewStmt":
        return None if statement.replace else statement.view
    if kind == "SelectStmt":
        return statement.into_clause.rel if statement.HasField("into_clause") else None
    if kind == "CreateTableAsStmt":
        return statement.into.rel
    relations = {"CreateStmt": "relation", "CompositeTypeStmt": "typevar"}
    return getattr(statement, relations[kind]) if kind in relations else None
