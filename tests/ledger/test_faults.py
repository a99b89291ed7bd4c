"""The database fails, or somebody changed it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text, update

from stationmaster.domain.entries import Draft, canonical
from stationmaster.domain.merkle import leaf
from stationmaster.ledger.faults import (
    LedgerBusyError,
    LedgerFaultError,
    LedgerFullError,
    LedgerTamperedError,
    LedgerUnreachableError,
)
from stationmaster.ledger.store import Ledger
from stationmaster.ledger.tables import entries, payloads
from tests.conftest import Postgres
from tests.tampering import unprotect

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CUT = Draft(release="r1", step="cut", fact={"version": "1.0"}, personal={"who": "Ada Lovelace"})


def change(ledger: Ledger, **columns: object) -> None:
    unprotect(ledger.engine)
    with ledger.engine.begin() as connection:
        connection.execute(update(entries).where(entries.c.index == 0).values(columns))


def test_changed_bytes_do_not_have_their_hash(ledger: Ledger) -> None:
    entry = ledger.append(CUT, AT)
    change(ledger, canonical=entry.canonical().replace(b"1.0", b"2.0"))
    with pytest.raises(LedgerTamperedError, match=r"entry 0 .* its bytes do not have its hash"):
        ledger.entries("r1")


def test_changed_columns_do_not_repeat_the_bytes(ledger: Ledger) -> None:
    ledger.append(CUT, AT)
    change(ledger, release="r2")
    with pytest.raises(LedgerTamperedError, match="columns"):
        ledger.entries("r2")


WHOLE = (
    b'{"at":"","attempt":1,"fact":{"x":%b},"index":0,"inputs":"","payload":null,"release":"r1","salt":"","step":"cut",'
    b'"subject":"r1"}'
)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"index": 0}', b"\xff", WHOLE % b"NaN", WHOLE % b"1e999", WHOLE % b"9007199254740993",
     WHOLE % b'"\\ud800"', b"[" * 100_000],
    ids=range(9),
)  # fmt: skip
def test_bytes_that_are_no_entry(ledger: Ledger, content: bytes) -> None:
    ledger.append(CUT, AT)
    change(ledger, canonical=content, leaf=leaf(content))
    with pytest.raises(LedgerTamperedError, match="no entry"):
        ledger.entries()


def test_bytes_that_are_an_entry_written_otherwise(ledger: Ledger) -> None:
    content = ledger.append(CUT, AT).canonical().replace(b'","', b'", "')
    change(ledger, canonical=content, leaf=leaf(content))
    with pytest.raises(LedgerTamperedError, match="columns"):
        ledger.recorded("r1", "cut", "r1", {})


def test_personal_data_can_be_erased_but_not_changed(ledger: Ledger) -> None:
    entry = ledger.append(CUT, AT)
    assert ledger.personal(entry) == {"who": "Ada Lovelace"}
    assert b"Ada" not in entry.canonical()
    unprotect(ledger.engine)
    with ledger.engine.begin() as connection:
        connection.execute(update(payloads).values(content=canonical({"personal": {"who": "Eve"}, "salt": ""})))
    with pytest.raises(LedgerTamperedError, match="personal data"):
        ledger.personal(entry)
    with ledger.engine.begin() as connection:
        connection.execute(payloads.delete())
    assert ledger.personal(entry) is None
    assert ledger.entries() == [entry]


def test_the_same_person_twice_has_two_digests(ledger: Ledger) -> None:
    other = CUT.model_copy(update={"release": "r2"})
    assert ledger.append(CUT, AT).payload != ledger.append(other, AT).payload


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.db", pool_size=1, max_overflow=0)
    first = ledger.append(CUT, AT)
    with ledger.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    big = Draft(release="r1", step="built", fact={"log": "x" * 100_000})
    with pytest.raises(LedgerFullError, match="what was recorded before is safe"):
        ledger.append(big, AT)
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
    assert [entry.index for entry in (first, ledger.append(big, AT))] == [0, 1]
    ledger.close()


def test_the_disk_of_a_server_that_fills_up(postgres: Postgres) -> None:
    """The server's own error, raised by a trigger: filling its disk would break the other tests."""
    with Ledger.open(postgres.create()) as ledger:
        with ledger.engine.begin() as connection:
            connection.execute(text(_FULL))
            connection.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON entries EXECUTE FUNCTION full_disk()"))
        with pytest.raises(LedgerFullError):
            ledger.append(CUT, AT)
        with ledger.engine.begin() as connection:
            connection.execute(text("DROP TRIGGER full_disk ON entries"))
        assert ledger.append(CUT, AT).index == 0


_FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""


def test_who_waits_too_long_for_the_write_lock_is_told(tmp_path: Path) -> None:
    address = f"{tmp_path}/ledger.db"
    with Ledger.open(f"sqlite:///{address}", connect_args={"timeout": 0}) as ledger:
        event.listen(ledger.engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout = 50"))
        ledger.engine.dispose()
        other = sqlite3.connect(address, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerBusyError):
            ledger.append(CUT, AT)
        assert ledger.entries() == [], "reading goes on"
        other.execute("ROLLBACK")
        other.close()
        assert ledger.append(CUT, AT).index == 0


def test_who_waits_too_long_for_a_row_of_the_server_is_told(postgres: Postgres) -> None:
    address = postgres.create()
    with Ledger.open(address, connect_args={"options": "-c lock_timeout=50ms"}) as ledger:
        with ledger.engine.begin() as holder:
            holder.execute(text("SELECT * FROM head FOR UPDATE"))
            with pytest.raises(LedgerBusyError):
                ledger.append(CUT, AT)
        assert ledger.append(CUT, AT).index == 0


@contextmanager
def breaking(ledger: Ledger, postgres: Postgres, words: str, *, times: int) -> Iterator[list[str]]:
    """The server ends our connection right before a statement that begins with `words`."""
    broken: list[str] = []

    def end(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(words) and len(broken) < times:
            broken.append(statement)
            with postgres.connect() as other:
                other.execute(
                    "SELECT pg_terminate_backend(%s, 5000)", [connection.connection.dbapi_connection.info.backend_pid]
                )

    event.listen(ledger.engine, "before_cursor_execute", end)
    yield broken
    event.remove(ledger.engine, "before_cursor_execute", end)


def test_an_append_whose_connection_breaks_is_tried_once_more(postgres: Postgres) -> None:
    with Ledger.open(postgres.create()) as ledger:
        with breaking(ledger, postgres, "UPDATE head", times=1) as broken:
            entry = ledger.append(CUT, AT)
        assert broken
        assert ledger.entries() == [entry]


def test_an_observation_whose_connection_breaks_is_not(postgres: Postgres) -> None:
    with Ledger.open(postgres.create()) as ledger:
        with breaking(ledger, postgres, "UPDATE head", times=1), pytest.raises(LedgerUnreachableError) as caught:
            ledger.observe(Draft(release="r1", step="started"), AT)
        assert caught.value.hint
        assert ledger.entries() == []


def test_a_server_that_went_away_and_came_back(postgres: Postgres) -> None:
    with Ledger.open(postgres.create()) as ledger:
        first = ledger.append(CUT, AT)
        postgres.stop()
        with pytest.raises(LedgerUnreachableError, match="does not answer"):
            ledger.append(CUT, AT)
        with pytest.raises(LedgerUnreachableError):
            ledger.entries()
        postgres.start()
        assert ledger.append(CUT, AT) == first


def test_any_other_refusal_has_a_name_too(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text("DROP TABLE payloads"))
    with pytest.raises(LedgerFaultError, match="payloads"):
        ledger.append(CUT, AT)
    assert ledger.entries() == []
