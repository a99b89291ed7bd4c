"""What a statement takes away from the code that still runs on the old schema: one table of rules.

It looks at parsed statements (libpg_query's tree by postgast); where they stand in a text is `migrations.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

_EXCLUSIVE = "ACCESS EXCLUSIVE"
RENDER = "write it so that `alembic upgrade --sql` renders plain SQL"


@dataclass(frozen=True, slots=True)
class Broken:
    """What a statement breaks; `of` is the table, view or type it changes, None where that cannot be new."""

    rule: str
    message: str
    fix: str
    lock: str | None = _EXCLUSIVE
    of: str | None = None


def broken_by(statement: Any, created: set[str]) -> Iterator[Broken]:  # noqa: ANN401 - any node of the tree
    """What one statement breaks; names that it creates are added to `created`: old code never knew them."""
    rule = _STATEMENTS.get(type(statement).__name__)
    if rule:
        yield from (broken for broken in rule(statement) if broken.of is None or broken.of not in created)
    name = _created(statement)
    if name:
        created.add(name)


def _created(statement: Any) -> str | None:  # noqa: ANN401
    kind = type(statement).__name__
    if kind == "CreateStmt":
        return None if statement.if_not_exists else _name(statement.relation)
    if kind == "ViewStmt":
        return None if statement.replace else _name(statement.view)
    if kind == "CreateTableAsStmt":
        return None if statement.if_not_exists else _name(statement.into.rel)
    if kind in {"CreateEnumStmt", "CompositeTypeStmt"}:
        return _joined(statement.type_name) if kind == "CreateEnumStmt" else _name(statement.typevar)
    return None


def _name(relation: Any) -> str:  # noqa: ANN401
    return _plain([relation.schemaname, relation.relname] if relation.schemaname else [relation.relname])


def _joined(nodes: Any) -> str:  # noqa: ANN401 - a list of String nodes
    return _plain([node.string.sval for node in nodes])


def _plain(parts: list[str]) -> str:
    named = [part for part in parts if part]
    return ".".join(named[1:] if len(named) > 1 and named[0] == "public" else named)


def _object(node: Any) -> str:  # noqa: ANN401
    """The name of a dropped or renamed object, however its kind spells it; empty where it has none (a cast)."""
    inner = postgast.unwrap_node(node)
    for attribute in ("items", "names", "objname"):
        if hasattr(inner, attribute):
            return _joined(getattr(inner, attribute))
    return str(getattr(inner, "sval", ""))


# What old code does not see: dropping or renaming these is allowed in expand.
_UNSEEN = {pg.OBJECT_INDEX, pg.OBJECT_STATISTIC_EXT}
# What shares the names of tables and types, and what hangs on a table.
_NAMED = {pg.OBJECT_TABLE, pg.OBJECT_VIEW, pg.OBJECT_MATVIEW, pg.OBJECT_FOREIGN_TABLE, pg.OBJECT_TYPE}
_ON_TABLE = {pg.OBJECT_TRIGGER, pg.OBJECT_POLICY, pg.OBJECT_RULE}
_WORDS = {pg.OBJECT_TABCONSTRAINT: "constraint", pg.OBJECT_DOMCONSTRAINT: "constraint", pg.OBJECT_MATVIEW: "view"}
_CONTRACT = "leave it in place; move this to a contract revision of a later release, when no old code runs"
_BESIDE = "add the new one beside it, write both, and drop the old one in a contract revision of a later release"


def _word(kind: int) -> str:
    return _WORDS.get(kind) or pg.ObjectType.Name(kind).removeprefix("OBJECT_").lower()


def _drop(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    kind = statement.remove_type
    if kind in _UNSEEN:
        return
    for node in statement.objects:
        name = _object(node)
        of = name if kind in _NAMED else name.rpartition(".")[0] if kind in _ON_TABLE else None
        yield Broken(
            f"drop_{_word(kind)}",
            f"drops {_word(kind)} {name or ''}".rstrip() + ", which old code still uses",
            _CONTRACT,
            of=of,
        )


def _drop_whole(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    what = {"DropdbStmt": "database", "DropOwnedStmt": "owned", "DropRoleStmt": "role"}[type(statement).__name__]
    yield Broken(f"drop_{what}", f"drops {what}, which the running product needs", _CONTRACT)


def _truncate(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    for node in statement.relations:
        name = _name(node.range_var)
        yield Broken("truncate", f"empties table {name}, which old code still reads", _CONTRACT, of=name)


def _rename(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    if statement.rename_type in _UNSEEN:
        return
    word, owner, part = _word(statement.rename_type), _owner(statement), statement.subname
    message = f"renames {word} {_plain([owner, part])} to {statement.newname}, and old code still uses the old name"
    new = statement.relation.relname or statement.rename_type in _NAMED
    yield Broken(f"rename_{word}", message, _BESIDE, of=owner if new else None)


def _owner(statement: Any) -> str:  # noqa: ANN401
    """The table, or whatever else stands before the renamed part."""
    return _name(statement.relation) if statement.relation.relname else _object(statement.object)


def _rename_value(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    if statement.old_val:
        name = _joined(statement.type_name)
        message = f"renames value {statement.old_val!r} of type {name}, which old code still writes"
        yield Broken("rename_value", message, _BESIDE, None, of=name)


def _move(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    word, name = _word(statement.object_type), _owner(statement)
    message = f"moves {word} {name} to schema {statement.newschema}, where old code does not find it"
    yield Broken(f"rename_{word}", message, _BESIDE, of=name if statement.relation.relname else None)


def _domain(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    rules = {"X": ("drop_constraint", _CONTRACT), "O": ("set_not_null", _NULLS)}
    if statement.subtype in rules:
        rule, fix = rules[statement.subtype]
        yield Broken(rule, f"changes domain {_joined(statement.type_name)} under old code", fix, None)


def _dynamic(_statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    message = "runs code whose statements cannot be seen before it runs"
    yield Broken("unrenderable", message, f"{RENDER}, without DO and CALL", None)


_NULLS = "old code may still write NULL; add CHECK (… IS NOT NULL) NOT VALID in a contract revision of a later release"
_COLUMN = "op.add_column(…, nullable=True) or with server_default; make it required in a contract revision later"


def _alter_table(statement: Any) -> Iterator[Broken]:  # noqa: ANN401
    table = _name(statement.relation)
    for node in statement.cmds:
        command = node.alter_table_cmd
        rule = _COMMANDS.get(command.subtype)
        if rule and (rule.applies is None or rule.applies(command)):
            message = rule.message.format(table=table, name=command.name or _column(command))
            yield Broken(rule.rule, message, rule.fix, of=table)


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
    fix: str
    applies: Callable[[Any], bool] | None = None


_COMMANDS = {
    pg.AT_DropColumn: _Command("drop_column", "drops column {table}.{name}, which old code still uses", _CONTRACT),
    pg.AT_DropConstraint: _Command(
        "drop_constraint", "drops constraint {name} of {table}, which old code relies on", _CONTRACT
    ),
    pg.AT_AlterColumnType: _Command("alter_type", "changes the type of {table}.{name} under old code", _BESIDE),
    pg.AT_SetNotNull: _Command("set_not_null", "makes {table}.{name} NOT NULL under old code", _NULLS),
    pg.AT_ColumnDefault: _Command(
        "drop_default",
        "drops the default of {table}.{name}, which old code leaves to it",
        _CONTRACT,
        lambda command: not command.HasField("def"),
    ),
    pg.AT_AddColumn: _Command(
        "required_column",
        "adds column {table}.{name}, which must be given and old code does not give",
        _COLUMN,
        _is_required,
    ),
    pg.AT_DetachPartition: _Command("detach_partition", "takes a partition of {table} away from old code", _CONTRACT),
    pg.AT_DropIdentity: _Command(
        "drop_identity", "drops the identity of {table}.{name}, which old code relies on", _CONTRACT
    ),
}

_STATEMENTS: dict[str, Callable[[Any], Iterator[Broken]]] = {
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
}
