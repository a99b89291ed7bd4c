"""Whether a new column, or a column's new type, makes PostgreSQL write the whole table anew."""

from collections.abc import Iterator
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_rule import Hit, Scope

# Each call gives another value, as pg_proc.provolatile says of them; a test asks PostgreSQL.
VOLATILE = frozenset({
    "random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid", "uuidv4", "uuidv7", "nextval",
    "currval", "lastval", "setval", "pg_sleep", "set_config", "uuid_generate_v1", "uuid_generate_v1mc",
    "uuid_generate_v4", "gen_random_bytes", "gen_salt",
})  # fmt: skip
# One value for the whole statement, which PostgreSQL keeps beside the table.
STEADY = frozenset({
    "now", "transaction_timestamp", "statement_timestamp", "current_setting", "date_trunc", "date_part", "timezone",
    "to_char", "to_timestamp", "to_date", "lower", "upper", "length", "concat", "coalesce", "abs", "round",
    "floor", "ceil", "jsonb_build_object", "jsonb_build_array", "json_build_object", "json_build_array", "to_jsonb",
    "to_json", "make_interval", "make_date", "array_fill", "md5", "replace", "btrim", "encode", "decode",
    "current_database", "current_schema", "version", "pg_backend_pid", "txid_current",
})  # fmt: skip
# To these some changes of type need no rewrite, by what the column was; to every other type they do.
MAYBE = frozenset({
    "text", "varchar", "numeric", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval", "cidr", "inet",
    "citext", "oid", "xml",
})  # fmt: skip


def of_new_column(column: Any, table: str) -> Iterator[Hit]:  # noqa: ANN401 - a ColumnDef of the tree
    """What ADD COLUMN writes anew."""
    name = f"{table}.{column.colname}"
    constraints = [node.constraint for node in column.constraints]
    kinds = {one.contype for one in constraints}
    if column.type_name.names[-1].string.sval.endswith("serial") or pg.CONSTR_IDENTITY in kinds:
        yield Hit("serial_column", f"numbers every row of {table} for {name}", table)
    for one in constraints:
        if one.contype == pg.CONSTR_GENERATED and one.generated_kind != "v":
            yield Hit("generated_column", f"computes {name} for every row of {table}", table)
        elif one.contype == pg.CONSTR_DEFAULT:
            yield from _of_default(one.raw_expr, name, table)


def _of_default(expression: Any, name: str, table: str) -> Iterator[Hit]:  # noqa: ANN401
    called = {node.funcname[-1].string.sval for node in postgast.find_nodes(expression, pg.FuncCall)}
    if volatile := sorted(called & VOLATILE):
        yield Hit("volatile_default", f"calls {volatile[0]}() for {name} in every row of {table}", table)
    elif unknown := sorted(called - STEADY):
        message = f"calls {unknown[0]}() for {name}, in every row of {table} if that is VOLATILE"
        yield Hit("volatile_default", message, table, "warning")


def of_new_type(command: Any, table: str, _scope: Scope) -> Iterator[Hit]:  # noqa: ANN401
    """What ALTER COLUMN TYPE writes anew, as far as the new type says; the old one is in no text."""
    column = getattr(command, "def").column_def
    kind, array = column.type_name.names[-1].string.sval, bool(column.type_name.array_bounds)
    message = f"writes all of {table} anew for {command.name} as {kind}"
    if kind not in MAYBE or array or _converts(column.raw_default):
        yield Hit("type_rewrite", message, table)
    else:
        yield Hit(
            "type_rewrite", f"{message}, unless it was a narrower one of the kind (see the page)", table, "warning"
        )


def _converts(using: Any) -> bool:  # noqa: ANN401
    """Whether USING does more than name a column, or cast one."""
    kind = using.WhichOneof("node")
    if kind == "type_cast":
        return _converts(using.type_cast.arg)
    return kind not in {None, "column_ref"}
