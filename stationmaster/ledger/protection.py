"""Who may do what to a ledger: on PostgreSQL an owner that nobody logs in as, and a role for the application that may
add and not change. It grants and looks; the triggers are those of `history/`.

None of it binds a superuser, or whoever can become the owner. Against them there are published checkpoints.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, text

from stationmaster.domain.errors import InputError
from stationmaster.ledger.connection import alone, engine_for, place, reading
from stationmaster.ledger.faults import naming
from stationmaster.ledger.history.versions.v0004_append_only import FUNCTIONS
from stationmaster.ledger.schema import migrate
from stationmaster.ledger.tables import VERSION_TABLE

OWNER = "stationmaster_owner"
GRANTS = {  # all that the application does to each table
    "head": "SELECT, UPDATE (size)",
    "entries": "SELECT, INSERT",
    "payloads": "SELECT, INSERT, DELETE",  # personal data can be erased
    "leases": "SELECT, INSERT, UPDATE",
    "inbox": "SELECT, INSERT, UPDATE",
    "inbox_counts": "SELECT, INSERT, UPDATE",
    "inbox_notes": "SELECT, INSERT",
    "inbox_cursors": "SELECT, INSERT, UPDATE",
    VERSION_TABLE: "SELECT",
}
_CALLS = {  # the function of each trigger, as the newest revision leaves them; a test compares
    ("entries", "stationmaster_stay"): "stationmaster_refuse",
    ("entries", "stationmaster_stay_all"): "stationmaster_refuse",
    ("entries", "stationmaster_counted"): "stationmaster_counted",
    ("head", "stationmaster_grow"): "stationmaster_grow",
    ("head", "stationmaster_stay"): "stationmaster_refuse",
    ("head", "stationmaster_stay_all"): "stationmaster_refuse",
    ("payloads", "stationmaster_stay"): "stationmaster_refuse",
    ("payloads", "stationmaster_stay_all"): "stationmaster_refuse",
}
TRIGGERS = {
    "postgresql": set(_CALLS),
    "sqlite": {
        ("entries", "stationmaster_entries_update"),
        ("entries", "stationmaster_entries_delete"),
        ("entries", "stationmaster_entries_replace"),
        ("head", "stationmaster_head_update"),
        ("head", "stationmaster_head_delete"),
        ("head", "stationmaster_head_insert"),
        ("payloads", "stationmaster_payloads_update"),
        ("payloads", "stationmaster_payloads_replace"),
    },
}
_TOO_MUCH = {
    "entries": ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER"),
    "head": ("INSERT", "DELETE", "TRUNCATE", "TRIGGER"),
    "payloads": ("UPDATE", "TRUNCATE", "TRIGGER"),
}


class UnprotectableError(InputError):
    """This ledger, or this role, cannot be protected so."""

    code = "ledger_unprotectable"


def protect(address: str, application: str) -> None:
    """Gives the ledger at `address` to the role `stationmaster_owner`, and to the role `application` what it needs.
    Both are made if need be, the second with a login and without a password. The tables are brought up to date first.
    Safe to repeat, and to be repeated after each new revision.

    The role in `address` owns the tables now and may make roles, as a superuser may.

    Raises:
        UnprotectableError: SQLite, or the application itself.
        LedgerForbiddenError: the role may not.
    """
    engine = engine_for(address)
    try:
        if engine.dialect.name != "postgresql":
            raise UnprotectableError("SQLite has no roles", hint="let the file belong to a user of its own")
        migrate(engine)
        with naming(place(engine)), alone(engine) as connection:
            _refuse_self(connection, application)
            for statement in statements(connection, application):
                connection.execute(text(statement))
    finally:
        engine.dispose()


def statements(connection: Connection, application: str) -> Iterator[str]:
    """What `protect` carries out, in order, for a person who would rather do it by hand."""
    quote = connection.dialect.identifier_preparer.quote
    schema, role = quote(_schema(connection)), quote(application)
    for name, login in ((OWNER, "NOLOGIN"), (application, "LOGIN")):
        if not _ask(connection, "SELECT 1 FROM pg_roles WHERE rolname = :name", name=name):
            yield f"CREATE ROLE {quote(name)} {login}"
    yield f"GRANT {OWNER} TO CURRENT_USER"  # only a member may give a table to it
    yield f"REVOKE {OWNER} FROM {role}"
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role}"
    yield f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {OWNER}"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
    for table, granted in GRANTS.items():
        yield f"ALTER TABLE {schema}.{table} OWNER TO {OWNER}"
        yield f"REVOKE ALL ON {schema}.{table} FROM PUBLIC, {role}"
        yield f"GRANT {granted} ON {schema}.{table} TO {role}"
    for function in FUNCTIONS:
        yield f"ALTER FUNCTION {schema}.{function}() OWNER TO {OWNER}"
    for table in ("inbox", "inbox_notes"):
        yield f"GRANT USAGE ON SEQUENCE {schema}.{table}_id_seq TO {role}"


def weaknesses(engine: Engine) -> list[str]:
    """What lets the role of this address, and so whoever has its password, change what is in the ledger."""
    with reading(engine) as connection:
        if engine.dialect.name != "postgresql":
            return ["SQLite has no roles: whoever may write the file can change it", *_triggers_of_sqlite(connection)]
        return [
            *_of_role(connection),
            *_triggers_of_postgresql(connection),
            *_functions_of_postgresql(connection),
        ]


def _refuse_self(connection: Connection, application: str) -> None:
    if application in {OWNER, _ask(connection, "SELECT current_user")}:
        raise UnprotectableError(
            f"the role {application!r} cannot be both the owner and the application's",
            hint="name the role that Stationmaster's processes log in as, and connect as a superuser",
        )


def _schema(connection: Connection) -> str:
    return str(_ask(connection, "SELECT nspname FROM pg_namespace n JOIN pg_class c ON relnamespace = n.oid"
                                " WHERE c.oid = 'entries'::regclass"))  # fmt: skip


def _ask(connection: Connection, question: str, **given: str) -> object:
    return connection.execute(text(question), given).scalar()


def _of_role(connection: Connection) -> Iterator[str]:
    role = _ask(connection, "SELECT current_user")
    if _ask(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        yield f"the role {role} is a superuser, whom nothing in the database binds"
        return
    if _ask(connection, "SELECT pg_has_role(nspowner, 'MEMBER') FROM pg_namespace WHERE nspname = :name",
            name=_schema(connection)):  # fmt: skip
        yield f"the role {role} owns the schema of the ledger, or its database: it may drop the tables"
    elif _ask(connection, "SELECT has_schema_privilege(:name, 'CREATE')", name=_schema(connection)):
        yield f"the role {role} has CREATE on the schema of the ledger"
    for table, privileges in _TOO_MUCH.items():
        if _ask(connection, "SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = CAST(:table AS regclass)",
                table=table):  # fmt: skip
            yield f"the role {role} owns the table {table}, or may act as its owner: it may drop the triggers"
            continue
        held = [one for one in privileges if _has(connection, table, one)]
        if held:
            yield f"the role {role} has {', '.join(held)} on the table {table}"


def _has(connection: Connection, table: str, privilege: str) -> bool:
    kind = "any_column" if privilege in {"UPDATE", "INSERT"} else "table"
    return bool(_ask(connection, f"SELECT has_{kind}_privilege(:table, :privilege)", table=table, privilege=privilege))


def _triggers_of_postgresql(connection: Connection) -> Iterator[str]:
    query = (
        "SELECT relname, tgname, tgenabled::text, tgqual IS NULL AND pronamespace = relnamespace, proname"
        " FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid"
        " WHERE c.oid IN ('entries'::regclass, 'head'::regclass, 'payloads'::regclass)"
    )
    there = {(table, name): found for table, name, *found in connection.execute(text(query))}
    for (table, name), function in sorted(_CALLS.items()):
        how, *calls = there.get((table, name), [None])
        if how is None:
            yield f"the trigger {name} of the table {table} is missing"
        elif calls != [True, function]:
            yield f"the trigger {name} of the table {table} does not always call {function}"
        elif how != "A":  # O: not in a session that calls itself a replica
            yield f"the trigger {name} of the table {table} is {'disabled' if how == 'D' else 'not always enabled'}"


def _functions_of_postgresql(connection: Connection) -> Iterator[str]:
    """A trigger is worth what its function does."""
    query = (
        "SELECT proname, prosrc, proconfig, pg_has_role(proowner, 'MEMBER') AND NOT rolsuper FROM pg_proc"
        " JOIN pg_namespace n ON n.oid = pronamespace JOIN pg_roles ON rolname = current_user WHERE nspname = :schema"
    )
    there = {name: found for name, *found in connection.execute(text(query), {"schema": _schema(connection)})}
    for name, made in FUNCTIONS.items():
        body, setting, mine = there.get(name, (None, None, False))
        if body != made.split("$$")[1] or setting != ["search_path=pg_catalog, pg_temp"]:
            yield f"the function {name} is not as the newest revision made it"
        if mine:
            yield f"the role {_ask(connection, 'SELECT current_user')} owns the function {name}: it may replace it"


def _triggers_of_sqlite(connection: Connection) -> Iterator[str]:
    there = connection.execute(text("SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'")).all()
    for table, name in sorted(TRIGGERS["sqlite"] - {(row[0], row[1]) for row in there}):
        yield f"the trigger {name} of the table {table} is missing"
