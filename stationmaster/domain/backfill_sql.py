"""The SQL of a backfill as people write it, parsed: the names of tables, the list behind SET, conditions. What runs is
text in `backfill_statements.py`; whether a column is there is asked of PostgreSQL.
"""

import re
from dataclasses import dataclass
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

_PART = r'("(?:[^"]|"")+"|[^\W\d][\w$]*)'
_NAME = re.compile(rf"{_PART}(?:\.{_PART})?")


@dataclass(frozen=True)
class Assignment:
    """`column = expression`. `sql` is the expression; None where several columns are set by one."""

    column: str
    sql: str | None
    reads: frozenset[str]
    functions: frozenset[str]


def names_of(table: str) -> tuple[str, ...]:
    """The parts of TABLE or SCHEMA.TABLE, exactly as PostgreSQL has them; a part may be in double quotes.

    Raises:
        ValueError: it is no such name.
    """
    match = _NAME.fullmatch(table)
    if match is None:
        raise ValueError(
            f"{table!r} is not the name of a table; write TABLE or SCHEMA.TABLE, in double quotes if need be"
        )
    return tuple(part[1:-1].replace('""', '"') if part[0] == '"' else part for part in match.groups() if part)


def assignments(text: str) -> tuple[Assignment, ...]:
    """What stands behind SET.

    Raises:
        ValueError: it is not exactly that, with the place where it stops to be.
    """
    statement = _only(f"UPDATE t SET\n{text}\nWHERE true", pg.UpdateStmt, "`column = expression, …`")
    if statement.from_clause or statement.where_clause.WhichOneof("node") != "a_const":
        raise ValueError("it is the list behind SET alone, without FROM and WHERE; which rows are done is said by todo")
    return tuple(_assignment(node.res_target) for node in statement.target_list)


def condition(text: str) -> str:
    """One expression, as it was given.

    Raises:
        ValueError: it is not exactly one.
    """
    _only(f"SELECT (\n{text}\n)", pg.SelectStmt, "one expression of SQL")
    statement = _only(f"SELECT\n{text}\n", pg.SelectStmt, "one expression of SQL")
    targets = statement.target_list
    if len(targets) != 1 or targets[0].res_target.name or statement.from_clause:
        raise ValueError("must be one expression of SQL")
    return text


def is_volatile_word(function: str) -> bool:
    """What is no function of the catalog and yet changes by itself."""
    return function.startswith("SVFOP_")


def _only(sql: str, kind: Any, what: str) -> Any:  # noqa: ANN401 - nodes of the tree
    try:
        statements = postgast.parse(sql).stmts
    except postgast.PgQueryError as error:
        raise ValueError(f"must be {what}: {error.message if hasattr(error, 'message') else error}") from None
    found = [postgast.unwrap_node(raw.stmt) for raw in statements]
    if len(found) != 1 or not isinstance(found[0], kind):
        raise ValueError(f"must be {what}, and nothing else")
    if any(True for _ in postgast.find_nodes(found[0], pg.ParamRef)):
        raise ValueError("has a parameter ($1); write the value")
    return found[0]


def _assignment(target: Any) -> Assignment:  # noqa: ANN401
    single = target.val.WhichOneof("node") not in {"multi_assign_ref", "set_to_default"} and not target.indirection
    return Assignment(target.name, _text(target.val) if single else None, _reads(target.val), _functions(target.val))


def _text(node: Any) -> str:  # noqa: ANN401
    statement = pg.SelectStmt(target_list=[pg.Node(res_target=pg.ResTarget(val=node))], op=pg.SETOP_NONE)
    statement.limit_option = pg.LIMIT_OPTION_DEFAULT
    tree = pg.ParseResult(stmts=[pg.RawStmt(stmt=pg.Node(select_stmt=statement))])
    return str(postgast.deparse(tree)).removeprefix("SELECT ")


def _reads(node: Any) -> frozenset[str]:  # noqa: ANN401
    refs = postgast.find_nodes(node, pg.ColumnRef)
    return frozenset(
        ref.fields[-1].string.sval if ref.fields[-1].WhichOneof("node") == "string" else "*" for ref in refs
    )


def _functions(node: Any) -> frozenset[str]:  # noqa: ANN401
    calls = (call.funcname[-1].string.sval for call in postgast.find_nodes(node, pg.FuncCall))
    words = (pg.SQLValueFunctionOp.Name(one.op) for one in postgast.find_nodes(node, pg.SQLValueFunction))
    return frozenset((*calls, *words))
