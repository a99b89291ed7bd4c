from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from stationmaster.domain.duration import Seconds, instant, seconds

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
