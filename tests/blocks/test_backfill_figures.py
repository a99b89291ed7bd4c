"""The figures that are promised of backfills, as ratios within one run on a small table: loosely, since what a process
costs to start counts for more there.
"""

import pytest

from benchmarks import backfill

pytestmark = pytest.mark.slow


def test_a_backfill_keeps_up_with_one_update_and_lets_others_write() -> None:
    figures = backfill.main(rows=100_000, tenants=50, rounds=2, sample=2_000)
    assert figures["engine_vs_update"] >= 0.5, figures
    assert figures["python_vs_update"] >= 0.25, figures
    assert figures["orm_vs_update"] < figures["python_vs_update"], figures
    # The one UPDATE holds each row that it changed to its end.
    assert figures["engine_writer_max_ms"] < figures["update_writer_max_ms"] / 2, figures
    assert figures["engine_writer_p99_ms"] < 150, figures
    assert figures["growth_rss_last_vs_first"] < 1.1, figures
