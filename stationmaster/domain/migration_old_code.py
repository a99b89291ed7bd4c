"""What a statement takes away from the code that still runs on the old schema.

It looks at parsed statements (libpg_query's tree by postgast); severity, lock and the way out are in
`migration_old_code_rules.py`, and where a statement stands in a text is `migrations.py`'s.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_old_code_rules import OLD_CODE
from stationmaster.domain.migration_rule import SHARE, Hit, joined, name_of, object_name, plain


def of_old_code(statement: Any) -> Iterator[Hit]:  # noqa: ANN401 - any node of the tree
    """What one statement takes away."""
    rule = _STATEMENTS.get(type(statement).__name__)
    if rule:
        yield from rule(statement)


# What old code does not see: dropping or renaming these is allowed in expand.
_UNSEEN = {pg.OBJECT_INDEX, pg.OBJECT_STATISTIC_EXT}
# What shares the names of tables and types, and what hangs on a table.
_NAMED = {pg.OBJECT_TABLE, pg.OBJECT_VIEW, pg.OBJECT_MATVIEW, pg.OBJECT_FOREIGN_TABLE, pg.OBJECT_TYPE}
_ON_TABLE = {pg.OBJECT_TRIGGER, pg.OBJECT_POLICY, pg.OBJECT_RULE}
_WORDS = {
    pg.OBJECT_TABCONSTRAINT: "constraint",
    pg.OBJECT_DOMCONSTRAINT: "constraint",
    pg.OBJECT_MATVIEW: "view",
    pg.OBJECT_FOREIGN_TABLE: "table",
    pg.OBJECT_ROUTINE: "function",
    pg.OBJECT_ATTRIBUTE: "column",
}
_IDS = {rule.id for rule in OLD_CODE}


def _word(kind: int) -> str:
    return _WORDS.get(kind) or pg.ObjectType.Name(kind).removeprefix("OBJECT_").lower()


def _id(verb: str, word: str) -> str:
    """The rule of a kind of object; the rare kinds share one."""
    return f"{verb}_{word}" if f"{verb}_{word}" in _IDS else f"{verb}_object"


def _drop(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    kind = statement.remove_type
    if kind in _UNSEEN:
        return
    word = _word(kind)
    for node in statement.objects:
        name = object_name(node)
        of = name if kind in _NAMED else name.rpartition(".")[0] if kind in _ON_TABLE else None
        yield Hit(_id("drop", word), f"drops {word} {name or ''}".rstrip() + ", which old code still uses", of)


def _drop_whole(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    what = {"DropdbStmt": "database", "DropOwnedStmt": "owned", "DropRoleStmt": "role"}[type(statement).__name__]
    yield Hit(f"drop_{what}", f"drops {what}, which the running product needs")


def _truncate(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    for node in statement.relations:
        name = name_of(node.range_var)
        yield Hit("truncate", f"empties table {name}, which old code still reads", name)


def _rename(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    if statement.rename_type in _UNSEEN:
        return
    word, owner, part = _word(statement.rename_type), _owner(statement), statement.subname
    message = f"renames {word} {plain([owner, part])} to {statement.newname}, and old code still uses the old name"
    new = statement.relation.relname or statement.rename_type in _NAMED
    yield Hit(_id("rename", word), message, owner if new else None)


def _owner(statement: Any) -> str:  # noqa: ANN401
    """The table, or whatever else stands before the renamed part."""
    return name_of(statement.relation) if statement.relation.relname else object_name(statement.object)


def _rename_value(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    if statement.old_val:
        name = joined(statement.type_name)
        yield Hit(
            "rename_value", f"renames value {statement.old_val!r} of type {name}, which old code still writes", name
        )


def _move(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    word, name = _word(statement.object_type), _owner(statement)
    message = f"moves {word} {name} to schema {statement.newschema}, where old code does not find it"
    yield Hit(_id("rename", word), message, name if statement.relation.relname else None)


def _domain(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    rules = {"X": "drop_constraint", "O": "set_not_null"}
    if statement.subtype in rules:
        message = f"changes domain {joined(statement.type_name)} under old code"
        yield Hit(rules[statement.subtype], message, lock=SHARE if statement.subtype == "O" else None)


def _dynamic(_statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    yield Hit("unrenderable", "runs code whose statements cannot be seen before it runs")


def _revoke(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    if not statement.is_grant:
        yield Hit("write_restriction", "takes privileges back that old code may use", lock=None)


def _in_the_way(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    if statement.instead:
        table = name_of(statement.relation)
        yield Hit(
            "write_restriction", f"puts rule {statement.rulename} in the way of old code's writes to {table}", table
        )


def _alter_table(statement: Any) -> Iterator[Hit]:  # noqa: ANN401
    table = name_of(statement.relation)
    for node in statement.cmds:
        command = node.alter_table_cmd
        rule = _COMMANDS.get(command.subtype)
        if rule and (rule.applies is None or rule.applies(command)):
            yield Hit(rule.rule, rule.message.format(table=table, name=command.name or _column(command)), table)
        elif command.subtype == pg.AT_ColumnDefault:
            yield Hit("default_change", f"changes the default of {table}.{command.name} under old code", table)


def _column(command: Any) -> str:  # noqa: ANN401
    return str(getattr(command, "def").column_def.colname)


def _is_required(command: Any) -> bool:  # noqa: ANN401
    """NOT NULL or a primary key, and nothing that fills it when an INSERT leaves it out."""
    column = getattr(command, "def").column_def
    kinds = {node.constraint.contype for node in column.constraints}
    fills = kinds & {pg.CONSTR_DEFAULT, pg.CONSTR_IDENTITY, pg.CONSTR_GENERATED}
    serial = column.type_name.names[-1].string.sval.endswith("serial")
    return bool(kinds & {pg.CONSTR_NOTNULL, pg.CONSTR_PRIMARY}) and not fills and not serial


@dataclass(frozen=True, slots=True)
class _Command:
    rule: str
    message: str
    applies: Callable[[Any], bool] | None = None


_GUARDED = _Command("write_restriction", "lets row level security hide rows of {table} from old code")
_COMMANDS = {
    pg.AT_DropColumn: _Command("drop_column", "drops column {table}.{name}, which old code still uses"),
    pg.AT_DropConstraint: _Command("drop_constraint", "drops constraint {name} of {table}, which old code relies on"),
    pg.AT_AlterColumnType: _Command("alter_type", "changes the type of {table}.{name} under old code"),
    pg.AT_SetNotNull: _Command("set_not_null", "makes {table}.{name} NOT NULL under old code"),
    pg.AT_ColumnDefault: _Command(
        "drop_default",
        "drops the default of {table}.{name}, which old code leaves to it",
        lambda command: not command.HasField("def"),
    ),
    pg.AT_AddColumn: _Command(
        "required_column", "adds column {table}.{name}, which must be given and old code does not give", _is_required
    ),
    pg.AT_DetachPartition: _Command("detach_partition", "takes a partition of {table} away from old code"),
    pg.AT_DropIdentity: _Command("drop_identity", "drops the identity of {table}.{name}, which old code relies on"),
    pg.AT_DropExpression: _Command(
        "drop_expression", "stops computing {table}.{name}, which old code leaves to the database"
    ),
    **dict.fromkeys(
        (pg.AT_DisableTrig, pg.AT_DisableTrigAll, pg.AT_DisableTrigUser),
        _Command("disable_trigger", "turns triggers of {table} off, which old code relies on"),
    ),
    pg.AT_EnableRowSecurity: _GUARDED,
    pg.AT_ForceRowSecurity: _GUARDED,
}

_STATEMENTS: dict[str, Callable[[Any], Iterator[Hit]]] = {
    "DropStmt": _drop,
    "DropdbStmt": _drop_whole,
    "DropOwnedStmt": _drop_whole,
    "DropRoleStmt": _drop_whole,
    "TruncateStmt": _truncate,
    "RenameStmt": _rename,
    "AlterEnumStmt": _rename_value,
    "AlterObjectSchemaStmt": _move,
    "AlterDomainStmt": _domain,
    "AlterTableStmt": _alter_table,
    "DoStmt": _dynamic,
    "CallStmt": _dynamic,
    "GrantStmt": _revoke,
    "GrantRoleStmt": _revoke,
    "RuleStmt": _in_the_way,
}
