"""Brings the ledger's tables to the newest revision. Any number of processes may open the same ledger at once."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from stationmaster.ledger.connection import alone, place, reading
from stationmaster.ledger.faults import LedgerSchemaError, naming
from stationmaster.ledger.tables import REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x57A7104  # any number of our own: openers of one PostgreSQL database wait for each other on it


def migrate(engine: Engine) -> None:
    """Does nothing when the tables are up to date, which is the usual case and costs one query, not Alembic."""
    with reading(engine) as connection:
        found = revision(connection)
    if found != REVISION:
        with naming(place(engine)), alone(engine) as connection:
            _upgrade(connection, place(engine))


def revision(connection: Connection) -> str | None:
    """The revision the tables have; None when there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - our constant


def configuration() -> "Config":
    """Alembic's configuration, by package path: there is no alembic.ini in an installed wheel."""
    from alembic.config import Config  # noqa: PLC0415 - 0.2 s that an up-to-date ledger need not pay

    config = Config()
    config.set_main_option("script_location", "stationmaster.ledger:history")
    return config


def _upgrade(connection: Connection, where: str) -> None:
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config, found = configuration(), revision(connection)  # asked again: another opener may have been faster
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise LedgerSchemaError(where, found)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
