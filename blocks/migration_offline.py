"""A PostgreSQL that is not there: SQLAlchemy talks to it as to a server, it tells what it was given, and answers that
there is nothing; or, asked about the schema the second time, that everything the revision names is there.

It runs in the guest process, perhaps in the product's own Python (3.9 on, SQLAlchemy 1.4 on), and connects to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine.base import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.url import make_url
from sqlalchemy.pool import StaticPool

from stationmaster.blocks.migration_literals import filled_in

_ROWS = re.compile(
    r"\s*(?:\(|select|with|values|table|show|explain)\b|\s*\(|.*\breturning\b", re.IGNORECASE | re.DOTALL
)
_WRITES = ("isinsert", "isupdate", "isdelete")
_WRITTEN = re.compile(r"\s*(?:insert|update|delete|merge)\b", re.IGNORECASE)
_COUNT = re.compile(
    r"\s*select\s+count\s*\([^()]*\)\s+(?:as\s+\w+\s+)?from\s*(?:\(|(?!.*\bgroup\s+by\b))", re.IGNORECASE | re.DOTALL
)


class Heard(Protocol):
    """Who is told what the revision does with its connection."""

    def executed(self, sql: str, *, autocommit: bool, reads: bool) -> None: ...

    def asked(self, what: str) -> None: ...


class Cursor:
    """Of the DBAPI; `Dialect.do_execute` puts the answer in."""

    arraysize, lastrowid = 1, None

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: list[tuple[Any, ...]] | None = None
        self.rows: list[tuple[Any, ...]] = []
        self.rowcount = 0

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        return [self.rows.pop(0) for _ in range(min(size or 1, len(self.rows)))]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(len(self.rows))

    def setinputsizes(self, *_sizes: object) -> None:
        """Means nothing here."""

    def close(self) -> None:
        """Holds nothing."""


class Connection:
    """Of the DBAPI."""

    def __init__(self, heard: Heard) -> None:
        self.heard, self.autocommit = heard, False

    def cursor(self, *_options: object, **_more: object) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        """Only a revision does it; what comes after is in the next transaction."""
        self.heard.executed("COMMIT AND CHAIN", autocommit=False, reads=False)

    def rollback(self) -> None:
        """Nothing was kept."""

    close = rollback


class Dbapi:
    """The module that a driver would be."""

    apilevel, threadsafety, paramstyle = "2.0", 2, "named"
    Binary = bytes

    class Error(Exception):
        """Never raised."""

    Warning = InterfaceError = DatabaseError = DataError = OperationalError = Error
    IntegrityError = InternalError = ProgrammingError = NotSupportedError = Error


class Offline(PGDialect):
    """PostgreSQL 16, as far as the dialect asks."""

    driver = "offline"
    supports_statement_cache = True
    use_insertmanyvalues = False
    default_paramstyle = "named"
    heard: Heard
    names: tuple[str, ...]  # of what is there, whatever kind is asked for

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:  # noqa: ANN401
        sql = filled_in(statement, parameters if isinstance(parameters, dict) else {})
        cursor.description, cursor.rows = _answer(statement, context)
        returns = cursor.description is not None
        written = any(getattr(context, name, False) for name in _WRITES) or _WRITTEN.match(statement) is not None
        if not sql.upper().startswith(("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO ")):
            self.heard.executed(sql, autocommit=cursor.connection.autocommit, reads=returns and not written)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:  # noqa: ANN401
        for one in parameters:
            self.do_execute(cursor, statement, one, context)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:  # noqa: ANN401
        self.do_execute(cursor, statement, {}, context)

    def has_multi_table(self, connection: Any, table_names: Any, schema: Any = None, **kw: Any) -> Any:  # noqa: ANN401, ARG002
        """From SQLAlchemy 2.1 on; what `checkfirst` asks."""
        self.heard.asked(", ".join(table_names))
        return {(schema, name): bool(self.names) for name in table_names}.items()

    def get_isolation_level(self, dbapi_connection: Any) -> Any:  # noqa: ANN401
        return "AUTOCOMMIT" if dbapi_connection.autocommit else "READ COMMITTED"

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:  # noqa: ANN401
        dbapi_connection.autocommit = level == "AUTOCOMMIT"

    def reset_isolation_level(self, dbapi_conn: Any) -> None:  # noqa: ANN401
        dbapi_conn.autocommit = False

    def get_default_isolation_level(self, _dbapi_conn: Any) -> Any:  # noqa: ANN401
        return "READ COMMITTED"


def _answer(statement: str, context: Any) -> tuple[list[tuple[Any, ...]] | None, list[tuple[Any, ...]]]:  # noqa: ANN401
    """The columns of a result and its rows: none, or the one that a count or an INSERT … RETURNING always has."""
    compiled = getattr(context, "compiled", None)
    columns = list(getattr(compiled, "_result_columns", None) or ())
    if not columns and not _ROWS.match(statement):
        return None, []
    names = [column[0] for column in columns] or ["?column?"]
    row = _row(columns, statement, inserted=bool(getattr(context, "isinsert", False)))
    return [(name, *(None,) * 6) for name in names], [row] if row else []


def _row(columns: list[Any], statement: str, *, inserted: bool) -> tuple[Any, ...] | None:
    if inserted:
        return tuple(_number(column[3]) for column in columns) or None
    return (0,) if len(columns) <= 1 and _COUNT.match(statement) else None


def _number(kind: Any) -> int | None:  # noqa: ANN401
    return 1 if getattr(kind, "python_type", None) is int or kind.__class__.__name__.endswith("Integer") else None


def _said(find: Callable[[tuple[str, ...], str], Any]) -> Callable[..., Any]:
    """A method of reflection that asks nobody; the question is told."""

    def method(self: Offline, _connection: object, *asked: Any, **_options: Any) -> Any:  # noqa: ANN401
        self.heard.asked(", ".join(str(one) for one in asked if one))
        return find(self.names, str(asked[0]) if asked else "")

    return method


def _each(make: Callable[[str], Any]) -> Callable[..., Any]:
    return _said(lambda names, _asked: [make(name) for name in names])


def _listed(name: str) -> str:
    return name


def _column(name: str) -> dict[str, Any]:
    return {"name": name, "type": Text(), "nullable": True, "default": None, "autoincrement": False, "comment": None}


def _index(name: str) -> dict[str, Any]:
    return {"name": name, "column_names": [], "unique": False, "dialect_options": {}, "include_columns": []}


def _constraint(name: str) -> dict[str, Any]:
    return {"name": name, "column_names": []}


def _foreign_key(name: str) -> dict[str, Any]:
    return {
        "name": name, "constrained_columns": [], "referred_schema": None, "referred_table": name,
        "referred_columns": [], "options": {},
    }  # fmt: skip


def _key(names: tuple[str, ...], table: str) -> dict[str, Any]:
    return {"constrained_columns": [], "name": f"{table}_pkey" if names else None}


_ANSWERS: dict[str, Callable[..., Any]] = {
    "has_table": _said(lambda names, _asked: bool(names)),
    "has_index": _said(lambda names, _asked: bool(names)),
    "has_sequence": _said(lambda names, _asked: bool(names)),
    "has_type": _said(lambda names, _asked: bool(names)),
    "has_schema": _said(lambda names, _asked: bool(names)),
    "get_table_names": _each(_listed),
    "get_view_names": _each(_listed),
    "get_materialized_view_names": _each(_listed),
    "get_sequence_names": _each(_listed),
    "get_schema_names": _each(_listed),
    "get_temp_table_names": _said(lambda _names, _asked: []),
    "get_temp_view_names": _said(lambda _names, _asked: []),
    "get_view_definition": _said(lambda _names, _asked: None),
    "get_columns": _each(_column),
    "get_indexes": _each(_index),
    "get_unique_constraints": _each(_constraint),
    "get_check_constraints": _each(lambda name: {"name": name, "sqltext": ""}),
    "get_foreign_keys": _each(_foreign_key),
    "get_enums": _each(lambda name: {"name": name, "schema": "public", "visible": True, "labels": []}),
    "_load_enums": _each(lambda name: {"name": name, "schema": "public", "visible": True, "labels": []}),
    "_load_domains": _said(lambda _names, _asked: []),
    "get_pk_constraint": _said(_key),
    "get_table_comment": _said(lambda _names, _asked: {"text": None}),
    "get_table_options": _said(lambda _names, _asked: {}),
    "get_table_oid": _said(lambda _names, _asked: 1),
}
for _name, _method in _ANSWERS.items():
    setattr(Offline, _name, _method)
for _name in [name for name in vars(PGDialect) if name.startswith("get_multi_")]:
    setattr(Offline, _name, getattr(DefaultDialect, _name))  # which ask the methods above, table by table


def engine(heard: Heard, names: tuple[str, ...]) -> Engine:
    """An engine whose server tells `heard` what it gets, and has what `names` says."""
    dialect: Any = Offline(paramstyle="named", dbapi=Dbapi)  # type: ignore[no-untyped-call]
    # no driver will read it: with this style percent signs stay single
    dialect.heard, dialect.names = heard, names
    dialect.server_version_info, dialect.default_schema_name = (16, 0), "public"
    pool = StaticPool(lambda: Connection(heard))  # type: ignore[arg-type]
    pool._dialect = dialect  # noqa: SLF001 - as create_engine does
    return Engine(pool, dialect, make_url("postgresql://"))
