"""Empty ledgers in SQLite, brought up to date once per process and copied from there: Alembic takes longer than the
tests that need one. `tests/ledger` and whatever is about the opening itself opens its own.
"""

import sqlite3
from functools import cache
from pathlib import Path

from stationmaster.ledger.connection import engine_for
from stationmaster.ledger.store import Ledger


def in_memory() -> Ledger:
    ledger = Ledger(engine_for("sqlite://"))
    with ledger.engine.connect() as connection:
        inner = connection.connection.driver_connection
        assert isinstance(inner, sqlite3.Connection)
        inner.deserialize(_pages())
    return ledger


def laid_at(path: Path) -> str:
    """The address of an empty ledger in a file that did not exist."""
    with path.open("xb") as file:
        file.write(_pages())
    return f"sqlite:///{path}"


@cache
def _pages() -> bytes:
    with Ledger.open("sqlite://") as ledger, ledger.engine.connect() as connection:
        inner = connection.connection.driver_connection
        assert isinstance(inner, sqlite3.Connection)
        return inner.serialize()
