"""A tick says what two readings allow, and nothing when one of them cannot be trusted."""

from datetime import UTC, datetime

import pytest

from stationmaster.domain.signals import Counts, Reading, Status
from stationmaster.domain.ticks import Tick, tick_between

AT = datetime(2026, 1, 1, tzinfo=UTC)


def reading(status: Status = "OK", generation: str = "g", **counts: Counts) -> Reading:
    return Reading(status, generation, {("acme", backend): count for backend, count in counts.items()})


def between(earlier: Reading, later: Reading) -> Tick:
    return tick_between(earlier, later, {"acme": "cloud_b"}, {"acme": "cloud_a"}, at=AT, seconds=1)


def test_only_what_came_in_between_is_counted() -> None:
    earlier = reading(cloud_a=Counts(100, 5), cloud_b=Counts(10, 1))
    tick = between(earlier, reading(cloud_a=Counts(104, 5), cloud_b=Counts(30, 4)))
    assert (tick.new["acme"], tick.old["acme"]) == (Counts(20, 3), Counts(4, 0))


def test_a_tenant_that_had_no_traffic_counts_nothing() -> None:
    tick = between(reading(), reading("NO_TRAFFIC"))
    assert tick.seen
    assert tick.new["acme"] == Counts()


@pytest.mark.parametrize("status", ["SERIES_ABSENT", "PROVIDER_ERROR", "PARTIAL"])
def test_an_untrusted_reading_on_either_side_freezes_the_tick(status: Status) -> None:
    for tick in (between(reading(), reading(status)), between(reading(status), reading())):
        assert not tick.seen
        assert not tick.new


def test_counters_that_started_anew_freeze_the_tick() -> None:
    assert between(reading(generation="g"), reading(generation="h")).status == "PARTIAL"
