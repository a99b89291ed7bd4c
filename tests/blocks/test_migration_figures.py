"""The figures that are promised, as ratios within one run: stalls, the rate of many tenants, and their memory."""

import pytest

from benchmarks import migration_locks, migration_tenants

pytestmark = pytest.mark.slow


def test_others_stall_for_the_lock_timeout_at_most_and_with_plain_alembic_as_long_as_it_is_blocked() -> None:
    figures = migration_locks.main(rounds=1, blocked=3.0)
    assert figures["clients"] == 50
    for way in ("ours", "ours_without_looking"):
        assert figures[f"{way}_above_nobody_ms"] <= figures["allowed_ms"], figures
    assert figures["alembic_upgrade_longest_stall_ms"] > 2_500
    assert figures["alembic_vs_ours_without_looking"] > 10


def test_many_tenants_go_at_three_times_the_rate_of_a_loop_and_in_the_same_memory() -> None:
    figures = migration_tenants.main(tenants=200, few=50, sample=4)
    assert figures["loop_vs_fan_out"] >= 3, figures
    assert figures["rss_many_vs_few"] < 1.15, figures
