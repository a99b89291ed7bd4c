"""The ledger's disk is full, for real: nothing is half written, what was recorded can be read, and then it goes on."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import psycopg
import pytest

from stationmaster.domain.entries import Draft
from stationmaster.ledger.faults import LedgerFullError, LedgerUnreachableError
from stationmaster.ledger.store import Ledger
from tests.conftest import Postgres, cluster
from tests.disk import Disk, small_disk

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CUT = Draft(release="r1", step="cut", fact={"version": "1.0"}, personal={"who": "Ada Lovelace"})


@pytest.fixture
def disk() -> Iterator[Disk]:
    with small_disk(2) as mounted:
        yield mounted


def expanded(number: int) -> Draft:
    """An entry that no compression makes small."""
    log = random.Random(number).randbytes(4000).hex()  # noqa: S311 - the same again, not secret
    return Draft(release="r1", step="expanded", subject=f"place-{number}", fact={"log": log})


def fill(ledger: Ledger) -> int:
    """Append until there is no room; how many entries were taken."""
    for number in range(2000):
        try:
            ledger.append(expanded(number), AT)
        except (LedgerFullError, LedgerUnreachableError):
            return number
    raise AssertionError("the disk was never full")


def test_a_file_whose_disk_is_full_goes_on_when_there_is_room(disk: Disk) -> None:
    with Ledger.open(f"sqlite:///{disk.root}/ledger.db") as ledger:
        ledger.append(CUT, AT)
        disk.fill()
        for act in (lambda: ledger.append(expanded(1), AT), lambda: ledger.take_lease("r1", "me", AT)):
            with pytest.raises(LedgerFullError, match=f"no space left for the ledger .*{disk.root}") as full:
                act()
            assert full.value.hint
        assert len(ledger.entries()) == 1, "reading goes on"
        with pytest.raises(LedgerFullError):
            ledger.must_have_room()
        disk.make_room()
        ledger.must_have_room()
        assert [ledger.append(draft, AT).index for draft in (expanded(1), expanded(1), CUT)] == [1, 1, 0]


def test_a_file_on_a_full_disk_is_read_by_a_process_that_comes_later(disk: Disk) -> None:
    """It needs files of its own beside the ledger; SQLite keeps them as long as somebody has it open."""
    address = f"sqlite:///{disk.root}/ledger.db"
    with Ledger.open(address) as ledger:
        ledger.append(CUT, AT)
        disk.fill()
        with Ledger.open(address) as other:
            assert len(other.entries()) == 1
            with pytest.raises(LedgerFullError):
                other.append(expanded(1), AT)


def test_no_ledger_is_made_on_a_full_disk(disk: Disk) -> None:
    disk.fill()
    address = f"sqlite:///{disk.root}/ledger.db"
    with pytest.raises(LedgerFullError):
        Ledger.open(address)
    disk.make_room()
    with Ledger.open(address) as ledger:
        assert ledger.append(CUT, AT).index == 0


@contextmanager
def server(disk: Disk, *flags: str) -> Iterator[Postgres]:
    made = cluster(disk.root, *flags)
    made.start()
    try:
        yield made
    finally:
        disk.make_room()
        made.stop()


def revive(postgres: Postgres) -> None:
    """As whoever owns the process does: it comes back by itself, or is started again when it has given up."""
    with suppress(psycopg.OperationalError):
        postgres.await_answer()
        return
    assert postgres.process is not None
    postgres.process.kill()
    postgres.process.wait(timeout=20)
    postgres.start()


@pytest.mark.slow
def test_a_server_on_a_full_disk() -> None:
    with small_disk(90) as disk, server(disk, "--wal-segsize=1") as postgres, Ledger.open(postgres.create()) as ledger:
        ledger.append(CUT, AT)
        disk.fill(leave=1 << 20)
        taken = fill(ledger)
        for act in (lambda: ledger.append(expanded(taken), AT), ledger.must_have_room):
            with pytest.raises(LedgerFullError, match="no space left for the ledger"):
                act()
        assert len(ledger.entries()) == taken + 1, "reading goes on"
        disk.make_room()
        assert [ledger.append(expanded(number), AT).index for number in (taken, taken, 0)] == [taken + 1, taken + 1, 1]


@pytest.mark.slow
def test_a_server_whose_log_is_on_a_full_disk_stops_and_comes_back_with_everything() -> None:
    """PostgreSQL gives up then: whether the last entry was taken nobody knows, and its key tells afterwards."""
    with small_disk(90) as disk, small_disk(12) as log:
        log.root.chmod(0o777)
        wal = f"--waldir={log.root}/wal"
        with server(disk, "--wal-segsize=1", wal) as postgres, Ledger.open(postgres.create()) as ledger:
            ledger.append(CUT, AT)
            log.fill()
            taken = fill(ledger)
            with pytest.raises(LedgerUnreachableError) as gone:
                ledger.append(expanded(taken), AT)
            assert "room on its disk" in str(gone.value.hint)
            log.make_room()
            revive(postgres)
            ledger.append(expanded(taken), AT)
            there = [(entry.step, entry.subject) for entry in ledger.entries()]
        assert there == [("cut", "r1"), *(("expanded", f"place-{number}") for number in range(taken + 1))]
