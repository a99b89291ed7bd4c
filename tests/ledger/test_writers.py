"""Several processes write at once, and one dies in the middle."""

import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from stationmaster.ledger import tables
from stationmaster.ledger.store import Ledger

pytestmark = pytest.mark.slow  # twenty processes

WRITER = Path(__file__).with_name("writer.py")
EACH = 25


def write(address: str, name: str, number: int) -> "subprocess.Popen[bytes]":
    program = [sys.executable, "-W", "error", str(WRITER), address, name, str(number)]
    return subprocess.Popen(program, stdout=subprocess.PIPE)


def dense(ledger: Ledger) -> bool:
    """No index is missing, and the head knows the size (of a moment before, when others write on)."""
    with ledger.engine.connect() as connection:
        size = connection.execute(select(tables.head.c.size)).scalar_one()
    indexes = [entry.index for entry in ledger.entries()]
    return indexes == list(range(len(indexes))) and size <= len(indexes)


def test_four_processes_that_open_and_append_at_once_leave_no_gap(address: str) -> None:
    """They start on nothing: each also finds or makes the tables."""
    writers = [write(address, f"w{number}", EACH) for number in range(4)]
    acknowledged = [[int(line) for line in writer.communicate(timeout=60)[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    with Ledger.open(address) as ledger:
        entries = ledger.entries()
        steps = Counter(entry.step for entry in entries)
        assert dense(ledger)
    assert steps == {"deployed": 4 * EACH, "verdict": 4 * EACH, "promoted": EACH}, "what all four wrote is there once"
    for shared in zip(*(indexes[1::2] for indexes in acknowledged), strict=True):
        assert len(set(shared)) == 1, "each was given the same entry"


def test_a_writer_killed_in_the_middle_loses_nothing_acknowledged_and_leaves_no_gap(address: str) -> None:
    Ledger.open(address).close()
    with ExitStack() as ends:
        other = ends.enter_context(write(address, "other", EACH))
        for number in range(5):
            killed = ends.enter_context(write(address, f"killed-{number}", 0))
            acknowledged = _until_killed(killed, lines=3 + 7 * number)
            with Ledger.open(address) as ledger:
                written = {entry.index: entry for entry in ledger.entries()}
                assert dense(ledger)
                assert {written[index].release for index in acknowledged} == {f"killed-{number}", "shared"}
                own = [entry for entry in written.values() if entry.release == f"killed-{number}"]
                assert all(ledger.personal(entry) for entry in own if entry.step == "deployed")
        other.communicate(timeout=60)
        assert other.returncode == 0, "the death of one is nothing to the others"


def _until_killed(writer: "subprocess.Popen[bytes]", lines: int) -> list[int]:
    out: Any = writer.stdout
    read = [int(out.readline()) for _ in range(lines)]
    writer.kill()
    rest = out.read().splitlines(keepends=True)
    return read + [int(line) for line in rest if line.endswith(b"\n")]
