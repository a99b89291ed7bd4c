from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from stationmaster.domain.errors import WaitingError
from stationmaster.domain.release import Awaited
from stationmaster.domain.waiting import NAMES, OF_TRAINS, SHOWN, look_again, shown_as

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_whatever_a_release_may_wait_for_has_a_name() -> None:
    assert set(NAMES) == set(get_args(Awaited))
    assert {shown_as(WaitingError("", waiting_for=one)) for one in NAMES} < SHOWN
    assert shown_as(WaitingError("", waiting_for="rain")) in SHOWN
    assert not set(NAMES.values()) & set(OF_TRAINS.values())
    assert set(OF_TRAINS.values()) < SHOWN


@pytest.mark.parametrize(
    ("awaited", "until", "expected"),
    [
        ("window", AT + timedelta(days=3), timedelta(days=3)),
        ("window", None, timedelta(hours=1)),
        ("WaitingForSoak", None, timedelta(hours=1)),
        ("approval", None, timedelta(hours=24)),
        ("Paused", None, timedelta(hours=24)),
        ("WaitingForCutOff", AT + timedelta(days=6), timedelta(days=6)),
        ("WaitingForMergeBack", None, timedelta(hours=1)),
        ("WaitingForReview", None, timedelta(hours=1)),
        ("outside", AT + timedelta(minutes=5), timedelta(minutes=5)),
        ("window", AT - timedelta(days=1), timedelta(seconds=30)),  # else it would begin again and again
    ],
)
def test_when_a_wait_is_looked_at_again(awaited: str, until: datetime | None, expected: timedelta) -> None:
    assert look_again(awaited, until, AT) - AT == expected
