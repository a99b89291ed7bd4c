"""The ledger as a log: its leaf hashes are those of its bytes, and every way in which the table can differ is found."""

from datetime import UTC, datetime

import pytest

from stationmaster.domain.entries import Draft
from stationmaster.domain.merkle import EMPTY, leaf, root, split, verify_consistency, verify_inclusion
from stationmaster.ledger import log
from stationmaster.ledger.faults import LedgerShortError, LedgerTamperedError
from stationmaster.ledger.store import Ledger
from tests.tampering import forge

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def write(ledger: Ledger, number: int) -> None:
    for place in range(number):
        ledger.append(
            Draft(
                release="r1", step="deployed", subject=f"t{place}", personal={"who": f"p{place}"} if place % 2 else None
            ),
            AT,
        )


def found(ledger: Ledger) -> list[tuple[int, str]]:
    return [(flaw.index, flaw.what) for flaw in ledger.audit()]


def test_an_empty_ledger_has_no_leaves(ledger: Ledger) -> None:
    assert (ledger.size(), ledger.leaves(), ledger.tree().root(), found(ledger)) == (0, b"", EMPTY, [])


def test_the_leaves_are_the_hashes_of_the_entries_in_their_order(ledger: Ledger) -> None:
    write(ledger, 5)
    hashes = [leaf(entry.canonical()) for entry in ledger.entries()]
    assert (ledger.size(), split(ledger.leaves())) == (5, hashes)
    assert split(ledger.leaves(4, start=1)) == hashes[1:4]
    assert ledger.leaves(3, start=3) == b""
    assert ledger.tree().root() == root(hashes)
    assert ledger.tree(3).size == 3


def test_what_was_there_is_proved_after_the_ledger_grew(ledger: Ledger) -> None:
    write(ledger, 3)
    before = ledger.tree().root()
    write(ledger, 7)
    tree, entry = ledger.tree(), ledger.entries()[5]
    assert tree.size == 7
    assert verify_consistency(3, 7, before, tree.root(), tree.consistency(3))
    assert verify_inclusion(leaf(entry.canonical()), entry.index, 7, tree.inclusion(entry.index), tree.root())


def test_more_than_there_is_is_told(ledger: Ledger) -> None:
    write(ledger, 2)
    with pytest.raises(LedgerShortError, match="has 2 entries, not 3") as short:
        ledger.leaves(3)
    assert (short.value.size, short.value.wanted) == (2, 3)


def test_a_ledger_as_it_was_written_has_no_flaw(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_BATCH", 2)
    write(ledger, 5)
    forge(ledger.engine, 'DELETE FROM payloads WHERE "index" = 3')  # erased, which is no flaw
    assert found(ledger) == []


@pytest.mark.parametrize(
    ("statements", "flaws"),
    [
        (['DELETE FROM entries WHERE "index" = 2'], [(2, "it is missing")]),
        (["DELETE FROM payloads", 'DELETE FROM entries WHERE "index" >= 3'],
         [(3, "it is missing"), (4, "it is missing")]),
        (["UPDATE head SET size = 4"], [(4, "it is outside the ledger")]),
        (['DELETE FROM entries WHERE "index" = 0', "UPDATE head SET size = 3"],
         [(3, "it is outside the ledger"), (4, "it is outside the ledger"), (0, "it is missing")]),
        (['UPDATE entries SET "index" = -1 WHERE "index" = 0'],
         [(-1, "it is outside the ledger"), (0, "it is missing")]),
        (['UPDATE entries SET subject = \'other\' WHERE "index" = 4'], [(4, "its columns do not repeat its bytes")]),
        (['UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE "index" = 0) WHERE "index" = 1'],
         [(1, "its bytes do not have its hash")]),
        (['UPDATE payloads SET content = (SELECT content FROM payloads WHERE "index" = 1) WHERE "index" = 3'],
         [(3, "its personal data does not have its digest")]),
        (['UPDATE payloads SET "index" = 2 WHERE "index" = 1'], [(2, "its personal data does not have its digest")]),
        (['UPDATE entries SET "index" = 9 WHERE "index" = 4', 'UPDATE entries SET "index" = 4 WHERE "index" = 2',
          'UPDATE entries SET "index" = 2 WHERE "index" = 9'],
         [(2, "its columns do not repeat its bytes"), (4, "its columns do not repeat its bytes")]),
    ],
)  # fmt: skip
def test_every_change_is_found(
    ledger: Ledger, statements: list[str], flaws: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_BATCH", 2)
    write(ledger, 5)
    forge(ledger.engine, *statements)
    assert found(ledger) == flaws


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ('UPDATE entries SET canonical = CAST(canonical AS text) WHERE "index" = 1', "its bytes do not have its hash"),
        (
            "UPDATE entries SET leaf = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' WHERE \"index\" = 1",
            "its bytes do not have its hash",
        ),
        ("UPDATE entries SET attempt = 'one' WHERE \"index\" = 1", "its columns do not repeat its bytes"),
        ("UPDATE payloads SET content = CAST(content AS text)", "its personal data does not have its digest"),
    ],
)
def test_sqlite_keeps_other_things_in_a_column_than_it_says(statement: str, flaw: str) -> None:
    with Ledger.open("sqlite://") as ledger:
        write(ledger, 3)
        forge(ledger.engine, statement)
        assert found(ledger) == [(1, flaw)]
        if " leaf " in statement:
            with pytest.raises(LedgerTamperedError, match="its hash is none"):
                ledger.leaves()


def test_a_gap_and_a_hash_that_is_none_stop_the_reading_of_leaves(ledger: Ledger) -> None:
    write(ledger, 5)
    forge(ledger.engine, 'UPDATE entries SET leaf = canonical WHERE "index" = 4')
    with pytest.raises(LedgerTamperedError, match=r"entry 4 .* its hash is none"):
        ledger.leaves()
    assert len(ledger.leaves(4)) == 4 * 32
    for gone in (3, 1):
        forge(ledger.engine, "DELETE FROM payloads", f'DELETE FROM entries WHERE "index" = {gone}')  # noqa: S608
        with pytest.raises(LedgerTamperedError, match=f"entry {gone} .* it is missing"):
            ledger.leaves(4)
    assert len(ledger.leaves(1)) == 32
