"""What moves rows inside a schema change, and what leaves a broken index or a cut name behind."""

from collections.abc import Iterator
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_rule import Hit, Scope, name_of
from stationmaster.domain.migration_transactions import is_literal

_BOOK = "alembic_version"
_RUN = {"UpdateStmt", "DeleteStmt", "InsertStmt", "SelectStmt", "MergeStmt", "CreateTableAsStmt"}
_WORDS = {"UpdateStmt": ("update_without_where", "updates"), "DeleteStmt": ("delete_without_where", "deletes")}


def of_data(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401 - any node of the tree
    """What one statement does to rows; Alembic's own bookkeeping does not count."""
    kind = type(statement).__name__
    if kind == "IndexStmt":
        yield from _kept_index(statement, scope)
    for written in _written(statement):
        if name_of(written.relation) != _BOOK:
            yield from _rows(written, *_WORDS[type(written).__name__])
    if kind in {"MergeStmt", "InsertStmt"} and not (kind == "InsertStmt" and is_literal(statement)):
        table = name_of(statement.relation)
        yield Hit("backfill", f"copies rows into {table} in one transaction", table)


def _written(statement: Any) -> Iterator[Any]:  # noqa: ANN401
    """Every UPDATE and DELETE that runs with the statement: itself, and those in WITH. The body of a rule or a function
    does not run.
    """
    if type(statement).__name__ in _RUN:
        for kind in (pg.UpdateStmt, pg.DeleteStmt):
            yield from postgast.find_nodes(statement, kind)


def _rows(statement: Any, whole: str, verb: str) -> Iterator[Hit]:  # noqa: ANN401
    table, where = name_of(statement.relation), statement.where_clause
    if where.WhichOneof("node") in {None, "a_const"}:  # nothing, or WHERE true
        yield Hit(whole, f"{verb} every row of {table} at once", table)
    elif not _names_one_row(where):
        yield Hit("backfill", f"{verb} rows of {table} in one transaction, as many as its WHERE finds", table)


def _names_one_row(where: Any) -> bool:  # noqa: ANN401
    """`id = constant`: the one row that somebody had in mind."""
    if where.WhichOneof("node") != "a_expr" or [node.string.sval for node in where.a_expr.name] != ["="]:
        return False
    sides = (where.a_expr.lexpr, where.a_expr.rexpr)
    keys = [side.column_ref.fields[-1].string.sval for side in sides if side.WhichOneof("node") == "column_ref"]
    return keys == ["id"] and "a_const" in {side.WhichOneof("node") for side in sides}


def _kept_index(statement: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    name = statement.idxname
    if statement.concurrent and statement.if_not_exists and name not in scope.dropped_indexes:
        message = f"keeps index {name} as it is, also when a failed run left it INVALID"
        yield Hit("concurrent_if_not_exists", message, name_of(statement.relation))
