"""How fast a backfill goes: batches that come to their target, a rate, and thresholds that do not flap."""

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from stationmaster.domain.backfill_pace import Flap, Limits, Pace, Rate, Reading, Throttle, Unread
from stationmaster.domain.documents import DocumentError, read

TARGET = 0.05
LAG = {"replication_lag_bytes": Limits(pause_at=100, resume_at=10)}
SECONDS = st.floats(0, 100)


def fed(pace: Pace, overhead: float, a_row: float, batches: int) -> Pace:
    """After so many full batches of a table where a batch costs something and a row costs something."""
    for _ in range(batches):
        pace.took(pace.size, overhead + a_row * pace.size)
    return pace


# The size of a batch


@settings(max_examples=50)
@given(st.floats(0, TARGET * 0.8), st.floats(1e-7, 1e-3), st.sampled_from([0, 30]))
def test_a_batch_comes_to_its_target_whatever_a_batch_and_a_row_cost(
    overhead: float, a_row: float, before: int
) -> None:
    pace = fed(Pace(TARGET), 0.0, 1e-9, before)  # begun at either end
    wanted = min(max((TARGET - overhead) / a_row, 200), 20_000)
    assert fed(pace, overhead, a_row, 100).size == pytest.approx(wanted, rel=0.01)


@settings(max_examples=50)
@given(st.floats(0, TARGET * 0.8), st.floats(1e-6, 1e-4))
def test_every_full_batch_comes_nearer_to_it(overhead: float, a_row: float) -> None:
    pace, wanted = Pace(TARGET), (TARGET - overhead) / a_row
    assume(200 < wanted < 20_000)
    away = abs(pace.size - wanted)
    for _ in range(20):
        now = abs(fed(pace, overhead, a_row, 1).size - wanted)
        assert now <= away + 1
        away = now


@settings(max_examples=50)
@given(
    st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 30_000), SECONDS)), max_size=20),
    st.integers(1, 1000),
    st.integers(1000, 50_000),
)
def test_it_is_never_outside_of_its_bounds(acts: list[tuple[int, float] | None], least: int, most: int) -> None:
    pace = Pace(TARGET, least, most)
    for act in acts:
        before = pace.size
        if act is None:
            pace.halve()
        else:
            pace.took(*act)
        assert least <= pace.size <= most
        assert before // 2 <= pace.size + 1 or act is not None
        assert pace.size <= 2 * before + 1
        assert pace.at_least == (pace.size == least)


def test_one_slow_batch_costs_half_at_most_and_the_next_gives_it_back() -> None:
    pace = fed(Pace(TARGET), 0, 1e-5, 20)
    pace.took(pace.size, 60)
    assert pace.size == 2500
    assert fed(pace, 0, 1e-5, 1).size == 5000


@pytest.mark.parametrize(("rows", "seconds", "size"), [(3, 0.001, 5000), (300, 0.049, 5000), (2500, 0.1, 1250)])
def test_a_tenant_s_last_few_rows_say_only_that_they_were_slow(rows: int, seconds: float, size: int) -> None:
    pace = fed(Pace(TARGET), 0, 1e-5, 20)
    pace.took(rows, seconds)
    assert pace.size == size


# A rate


@settings(max_examples=50)
@given(st.floats(0.5, 1e6), st.lists(st.tuples(st.integers(0, 20_000), st.floats(0, 10)), min_size=1, max_size=15))
def test_a_rate_is_never_exceeded_and_never_saved_up(rate: float, batches: list[tuple[int, float]]) -> None:
    one, now = Rate(rate), 1000.0
    begins: list[tuple[float, int]] = []
    for rows, work in batches:
        begins.append((now, rows))
        now += work
        now += one.pause(rows, now)
    for index, (since, _) in enumerate(begins):
        rows = sum(count for _, count in begins[index:])
        assert rows <= rate * (now - since) * (1 + 1e-9) + 1e-6


def test_a_rate_pays_for_what_was_done_and_none_waits_for_nothing() -> None:
    one = Rate(1000)
    assert one.pause(500, 10.0) == pytest.approx(0.5)
    assert one.pause(500, 10.1) == pytest.approx(0.9)  # somebody else came meanwhile
    assert one.pause(0, 99.0) == 0
    assert Rate(None).pause(20_000, 0.0) == 0


# Thresholds

READINGS = st.lists(st.floats(0, 200), max_size=15)


@settings(max_examples=50)
@given(READINGS, st.lists(st.floats(10.001, 99.999), min_size=1, max_size=15))
def test_between_the_thresholds_nothing_ever_changes(before: list[float], between: list[float]) -> None:
    flap = Flap(LAG)
    stands = [flap.judge({"replication_lag_bytes": value}) is not None for value in (0.0, *before)][-1]
    for value in between:
        assert (flap.judge({"replication_lag_bytes": value}) is not None) == stands


@settings(max_examples=50)
@given(READINGS)
def test_one_reading_never_makes_it_stop_and_go_on(values: list[float]) -> None:
    flap = Flap(LAG)
    stands = [flap.judge({"replication_lag_bytes": value}) is not None for value in values]
    for index in range(len(values)):
        was = index > 0 and stands[index - 1]
        if stands[index] and not was:
            assert values[index] >= 100
        if was and not stands[index]:
            assert max(values[index - 1 : index + 1]) <= 10


def test_an_upper_threshold_stops_at_once_and_the_lower_one_lets_go_on_after_two_readings() -> None:
    flap = Flap(LAG)
    said = [flap.judge({"replication_lag_bytes": value}) for value in (99.0, 100.0, 50.0, 10.0, 11.0, 9.0, 8.0)]
    assert [one is not None for one in said] == [False, True, True, True, True, True, False]
    assert said[1] == "replication lag: 100 bytes (replication_lag_bytes: pauses at 100, goes on at 10)"


def test_what_was_not_read_stands_still_and_leaves_the_gauge_where_it_was() -> None:
    flap = Flap(LAG)
    assert flap.judge({"replication_lag_bytes": Unread("no permission")}) == "no permission"
    assert flap.judge({}) == "replication_lag_bytes was not read"
    assert flap.judge({"replication_lag_bytes": 50.0}) is None
    assert "lag: nan bytes" in str(flap.judge({"replication_lag_bytes": math.nan}))


def test_every_reason_is_told() -> None:
    limits = {**LAG, "archive_queue": Limits(pause_at=3, resume_at=0)}
    readings: dict[str, Reading] = {"replication_lag_bytes": 1e15, "archive_queue": 3.0, "hook": Unread("says wait")}
    said = str(Flap(limits).judge(readings)).split("; ")
    assert said[0].startswith("replication lag: 1000000000000000 bytes")
    assert said[1:] == ["WAL files that wait to be archived: 3 (archive_queue: pauses at 3, goes on at 0)", "says wait"]


# The file


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    throttle: Throttle


def problems(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        read(File, f"throttle: {text}\n", "backfills.yaml")
    return str(caught.value)


def test_a_throttle_is_read() -> None:
    text = """
throttle:
  long_transaction_s: {pause_at: 60, resume_at: 20}
  autovacuum: {pause_at: 1, resume_at: 0}
  hook: {url: "https://ops.example/may", headers: {Authorization: "env:STATIONMASTER_HOOK_TOKEN"}, timeout_s: 1}
"""
    throttle = read(File, text, "backfills.yaml").value.throttle
    assert throttle.limits() == {
        "long_transaction_s": Limits(pause_at=60, resume_at=20), "autovacuum": Limits(pause_at=1, resume_at=0),
    }  # fmt: skip
    assert "ops.example" not in repr(throttle)
    assert Throttle().limits() == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{archive_queue: {pause_at: 3, resume_at: 3}}", "resume_at must be less than pause_at: 3 is not less than 3"),
        ("{archive_queue: {pause_at: 3}}", "backfills.yaml:1: missing key 'resume_at' in throttle.archive_queue"),
        ("{archive_queue: {pause_at: .inf, resume_at: 3}}", "archive_queue.pause_at"),
        ("{archive_que: {pause_at: 3, resume_at: 1}}", "'archive_que' in throttle (did you mean 'archive_queue'?)"),
        ("{hook: {url: 'env:PREFECT_API_KEY'}}", "a variable that a hook is not given; call it STATIONMASTER_HOOK_"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_told(text: str, said: str) -> None:
    assert said in problems(text)


def test_a_wrong_hook_does_not_repeat_what_may_be_secret() -> None:
    for given_ in ("env:S3CRET", "7", "[S3CRET]"):
        value: Any = f"{{hook: {{url: 'https://x/', headers: {{Authorization: {given_}}}, timeout_s: 99}}}}"
        assert "S3CRET" not in problems(value)
