"""Opening: a fresh database, one of today, one from tomorrow, one of somebody else."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from stationmaster.ledger import schema
from stationmaster.ledger.connection import engine_for
from stationmaster.ledger.faults import LedgerAddressError, LedgerSchemaError, LedgerUnreachableError
from stationmaster.ledger.store import Ledger
from stationmaster.ledger.tables import REVISION, VERSION_TABLE, metadata


def test_the_revisions_make_exactly_the_tables_we_use(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert schema.revision(connection) == REVISION


def test_our_revision_is_the_newest_and_found_without_an_ini_file() -> None:
    assert ScriptDirectory.from_config(schema.configuration()).get_heads() == [REVISION]


def test_the_newest_ledger_is_opened_without_alembic(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger.open(address).close()
    monkeypatch.setattr(schema, "_upgrade", lambda *_: pytest.fail("nothing is to be upgraded"))
    Ledger.open(address).close()


def test_a_ledger_from_a_newer_version_is_left_alone(ledger: Ledger, address: str) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '9999'"))
    with pytest.raises(LedgerSchemaError, match="schema '9999'") as caught:
        Ledger.open(address)
    assert caught.value.hint is not None
    assert "newer Stationmaster" in caught.value.hint


def test_eight_who_open_at_once_make_the_tables_once(address: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        for opened in threads.map(Ledger.open, [address] * 8):
            assert opened.entries() == []
            opened.close()


def test_tables_of_others_in_the_same_database_stay(address: str) -> None:
    engine = engine_for(address)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    Ledger.open(address).close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["theirs"]
    engine.dispose()


@pytest.mark.parametrize("wrong", ["", "ledger.db", "mysql://host/db", "sqlite+nothing"])
def test_an_address_that_is_none_says_how_one_looks(wrong: str) -> None:
    with pytest.raises(LedgerAddressError) as caught:
        Ledger.open(wrong)
    assert caught.value.hint is not None
    assert "sqlite:///" in caught.value.hint


@pytest.mark.parametrize(
    "gone",
    [
        "sqlite:////nowhere/at/all/ledger.db",
        "postgresql://app:se%63ret@/db?host=/nowhere",
        "postgresql://127.0.0.1:1/x",
    ],
)
def test_a_ledger_that_cannot_be_reached_is_named_without_its_password(gone: str) -> None:
    with pytest.raises(LedgerUnreachableError) as caught:
        Ledger.open(gone)
    assert caught.value.hint is not None
    assert "secret" not in str(caught.value)
    assert "se%63ret" not in str(caught.value)
