"""A pass over the ledger has every entry with its hash, finds what was changed, and knows what was erased."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from sqlalchemy import delete

from stationmaster.domain.entries import Draft
from stationmaster.domain.merkle import leaf, root
from stationmaster.ledger import scan
from stationmaster.ledger.faults import LedgerTamperedError
from stationmaster.ledger.store import Ledger
from stationmaster.ledger.tables import payloads
from tests.tampering import forge

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def write(ledger: Ledger, number: int) -> None:
    for place in range(number):
        who = {"who": f"p{place}"} if place % 2 else None
        ledger.append(Draft(release="r1", step="deployed", subject=f"t{place}", personal=who), AT)


@pytest.mark.parametrize("batch", [1, 2, 5, 5000])
def test_it_has_every_entry_with_its_hash_whatever_a_batch_is(ledger: Ledger, batch: int) -> None:
    write(ledger, 5)
    with patch.object(scan, "_BATCH", batch):
        read = list(ledger.scan())
    assert [entry for entry, _ in read] == ledger.entries()
    assert [each for _, each in read] == [leaf(entry.canonical()) for entry in ledger.entries()]
    assert root([each for _, each in read]) == ledger.tree().root()


def test_an_empty_ledger_has_none(ledger: Ledger) -> None:
    assert (list(ledger.scan()), ledger.personals([])) == ([], {})


def test_what_is_added_meanwhile_is_left_out(ledger: Ledger) -> None:
    write(ledger, 3)
    reading = ledger.scan()
    first = next(reading)
    ledger.append(Draft(release="r2", step="cut"), AT)
    assert [entry.index for entry, _ in [first, *reading]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("statement", "index", "what"),
    [
        ("DELETE FROM entries WHERE subject = 't2'", 2, "it is missing"),
        ("DELETE FROM entries WHERE subject = 't4'", 4, "it is missing"),
        (
            "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE subject = 't0') WHERE subject = 't2'",
            2,
            "its hash",
        ),
        (
            """UPDATE entries SET canonical = (SELECT canonical FROM entries WHERE subject = 't0'),
            leaf = (SELECT leaf FROM entries WHERE subject = 't0') WHERE subject = 't2'""",
            2,
            "those of another",
        ),
    ],
)
def test_a_ledger_that_was_changed_is_not_read_past_that(ledger: Ledger, statement: str, index: int, what: str) -> None:
    write(ledger, 5)
    forge(ledger.engine, "DELETE FROM payloads", statement)
    with pytest.raises(LedgerTamperedError, match=what) as caught:
        list(ledger.scan())
    assert caught.value.index == index


def test_bytes_that_are_no_entry_are_told(ledger: Ledger) -> None:
    write(ledger, 2)
    content = b"{}".hex()
    hashed = leaf(b"{}").hex()
    of = ("'\\x{}'::bytea" if ledger.engine.dialect.name == "postgresql" else "X'{}'").format
    forge(ledger.engine, f'UPDATE entries SET canonical = {of(content)}, leaf = {of(hashed)} WHERE "index" = 1')  # noqa: S608
    with pytest.raises(LedgerTamperedError, match="no entry"):
        list(ledger.scan())


@pytest.mark.parametrize("batch", [1, 5000])
def test_personal_data_is_read_of_those_asked_for_and_what_was_erased_is_absent(ledger: Ledger, batch: int) -> None:
    write(ledger, 6)
    found = ledger.entries()
    with ledger.engine.begin() as connection:
        connection.execute(delete(payloads).where(payloads.c.index == 3))
    with patch.object(scan, "_BATCH", batch):
        assert ledger.personals(found) == {1: {"who": "p1"}, 5: {"who": "p5"}}
        assert ledger.personals([found[0], found[5]]) == {5: {"who": "p5"}}


def test_personal_data_of_another_is_none_and_takes_no_other_away(ledger: Ledger) -> None:
    write(ledger, 4)
    forge(
        ledger.engine,
        'UPDATE payloads SET content = (SELECT content FROM payloads WHERE "index" = 1) WHERE "index" = 3',
    )
    assert ledger.personals(ledger.entries()) == {1: {"who": "p1"}, 3: None}
    with pytest.raises(LedgerTamperedError, match="digest"):
        ledger.personal(ledger.entries()[3])
