from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from stationmaster.domain.duration import Seconds, end_of, instant, seconds, spelt

SECONDS: TypeAdapter[int] = TypeAdapter(Seconds)


@pytest.mark.parametrize(
    ("text", "number"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("3d", 259200), (" 5s ", 5), (7, 7)]
)
def test_durations_as_people_write_them(text: object, number: int) -> None:
    assert SECONDS.validate_python(text) == number


@pytest.mark.parametrize("text", ["", "5", "5 m", "1.5h", "-5m", "m", "5w", "5m30s", -1, None, "٣m x"])
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        SECONDS.validate_python(text)


@given(st.integers(0, 10**9), st.sampled_from("smhd"))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert seconds(f"{number}{unit}") == number * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


@given(st.floats(0, 7e9), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_utc_with_whole_seconds_wherever_it_was_taken(since: float, minutes: int) -> None:
    taken = datetime.fromtimestamp(since, timezone(timedelta(minutes=minutes)))
    text = instant(taken)
    assert text.endswith("Z")
    assert "." not in text
    assert datetime.fromisoformat(text) == taken.astimezone(UTC).replace(microsecond=0)


NOW = datetime(2026, 11, 23, 8, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2h", "2026-11-23T10:00:00Z"),
        ("2026-11-24T06:00:00Z", "2026-11-24T06:00:00Z"),
        ("2026-11-24T06:00:00+01:00", "2026-11-24T05:00:00Z"),
    ],
)
def test_an_end_is_a_duration_from_now_or_an_instant(text: str, end: str) -> None:
    assert instant(end_of(text, NOW)) == end


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tomorrow", "neither a duration"),
        ("2026-11-24T06:00:00", "neither a duration"),
        ("2026-11-23T08:00:00Z", "not in the future: it is 2026-11-23T08:00:00Z"),
        ("0s", "not in the future"),
        ("999999999999d", "too long"),
        ("9999999d", "too long"),
        ("9999-12-31T23:59:59-12:00", "neither a duration"),  # UTC has no such year
    ],
)
def test_what_is_no_end_in_the_future_is_refused_with_the_reason(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        end_of(text, NOW)


@pytest.mark.parametrize(("length", "text"), [(90, "90s"), (2700, "45m"), (129600, "36h"), (172800, "2d"), (0, "0s")])
def test_a_length_is_spelt_in_the_largest_unit_that_is_exact(length: int, text: str) -> None:
    assert spelt(length) == text


@given(st.integers(0, 10**9))
def test_what_is_spelt_reads_as_it_was(length: int) -> None:
    assert seconds(spelt(length)) == length
