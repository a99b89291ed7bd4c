"""Where the next slot is, and which rules leave no room."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stationmaster.domain.calendar import Action, Calendar, Named
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.calendar_slots import Nowhere, Slot, next_slot
from stationmaster.domain.duration import instant

NIGHTS = {"name": "nights", "rrule": "FREQ=DAILY", "start": "22:00", "end": "02:00"}
DECEMBER = {"name": "december", "from": "2026-12-01T00:00", "to": "2027-03-01T00:00"}
ALWAYS = {"name": "always", "rrule": "FREQ=DAILY", "all_day": True}


def calendar(file: str = "c.yaml", zone: str = "Europe/Berlin", **more: Any) -> Named:
    return Named(file, Calendar.model_validate({"timezone": zone, **more}))


def slot(hours: float, after: str, *several: Named, days: float = 90, action: Action = "deploy") -> str:
    begin = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = next_slot(several, timedelta(hours=hours), begin, timedelta(days=days), action)
    if isinstance(found, Nowhere):
        return f"nowhere: {', '.join(found.why)}"
    assert found.end - found.start == timedelta(hours=hours)
    return instant(found.start)


@pytest.mark.parametrize(
    ("hours", "after", "start"),
    [
        (4, "2026-11-24T12:00", "2026-11-24T21:00:00Z"),
        (4, "2026-11-24T21:00", "2026-11-24T21:00:00Z"),
        (4, "2026-11-24T21:00:01", "2026-11-25T21:00:00Z"),
        (2, "2026-11-24T22:30", "2026-11-24T22:30:00Z"),
        (4.001, "2026-11-24T12:00", "2027-03-27T21:00:00Z"),  # the clocks go back only in October
    ],
)
def test_it_is_the_earliest_in_which_all_of_it_fits(hours: float, after: str, start: str) -> None:
    found = slot(hours, after, calendar(windows=[NIGHTS]), days=200)
    assert found == (start if hours <= 4 else "nowhere: c.yaml#default")


def test_the_autumn_night_is_an_hour_longer_and_the_spring_night_shorter() -> None:
    named = calendar(windows=[NIGHTS])
    assert slot(5, "2026-10-20T00:00", calendar(windows=[{**NIGHTS, "end": "03:00"}])) == "2026-10-20T20:00:00Z"
    assert slot(6, "2026-10-20T00:00", calendar(windows=[{**NIGHTS, "end": "03:00"}])) == "2026-10-24T20:00:00Z"
    early = {"name": "early", "from": "2027-03-28T02:30", "to": "2027-03-28T04:30"}
    assert slot(1.5, "2027-03-27T00:00", calendar(windows=[early])) == "2027-03-28T01:00:00Z"
    assert slot(2, "2027-03-27T00:00", calendar(windows=[early])) == "nowhere: c.yaml#default"
    assert slot(4, "2027-03-27T12:00", named) == "2027-03-27T21:00:00Z"


def test_the_cutoff_is_left_before_the_close_of_what_all_have_open() -> None:
    long, short = calendar("a", windows=[{**NIGHTS, "end": "06:00"}], cutoff="1h"), calendar("b", windows=[NIGHTS])
    assert slot(3, "2026-11-24T12:00", long, short) == "2026-11-24T21:00:00Z"
    assert slot(3, "2026-11-24T21:01", long, short) == "2026-11-25T21:00:00Z"
    assert slot(3.5, "2026-11-24T12:00", long, short).startswith("nowhere")


def test_the_slot_starts_within_the_horizon_and_may_end_after_it() -> None:
    named = calendar(windows=[NIGHTS])
    assert slot(4, "2026-11-24T20:00", named, days=1 / 24) == "nowhere: c.yaml#default"
    assert slot(4, "2026-11-24T20:00", named, days=1.1 / 24) == "2026-11-24T21:00:00Z"
    assert slot(48, "2026-11-24T20:00", calendar(default="open"), days=1) == "2026-11-24T20:00:00Z"


def test_a_fraction_of_a_second_begins_at_the_next() -> None:
    after = datetime(2026, 11, 24, 12, 0, 0, 1, tzinfo=UTC)
    found = next_slot([calendar(default="open")], timedelta(hours=1), after)
    assert isinstance(found, Slot)
    assert found.start == datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)


def test_nothing_closes_a_rollback_and_no_cutoff_delays_it() -> None:
    named = calendar(blackouts=[ALWAYS], cutoff="2h")
    assert slot(9, "2026-11-24T12:00", named, action="rollback") == "2026-11-24T12:00:00Z"


@pytest.mark.parametrize(
    ("several", "why"),
    [
        ([calendar("a", windows=[NIGHTS]), calendar("b", windows=[NIGHTS], blackouts=[DECEMBER])], "b#december"),
        ([calendar("a", default="open", blackouts=[ALWAYS])], "a#always"),
        ([calendar("a"), calendar("b", default="open", blackouts=[DECEMBER])], "a#default, b#december"),
        (
            [calendar("a", windows=[NIGHTS]), calendar("b", windows=[{**NIGHTS, "start": "10:00", "end": "12:00"}])],
            "b#default",
        ),
        (
            [calendar("a", windows=[NIGHTS]), calendar("b", windows=[{**NIGHTS, "start": "08:00", "end": "16:00"}])],
            "a#default, b#default",
        ),
    ],
)
def test_why_names_what_leaves_no_room(several: list[Named], why: str) -> None:
    assert slot(4, "2026-12-01T12:00", *several, days=30) == f"nowhere: {why}"


def test_no_slot_lasts_no_time() -> None:
    with pytest.raises(ValueError, match="at least a second"):
        slot(0, "2026-11-24T12:00", calendar(default="open"))


def test_published_a_half_hour_start_window_with_hundreds_of_tenants() -> None:
    """A window is for the work and not for its start: who does not fit into tonight's is not squeezed in after it."""
    tenants = [calendar(f"t{n}", windows=[{**NIGHTS, "end": "22:30"}]) for n in range(300)]
    assert slot(0.5, "2026-11-24T12:00", *tenants) == "2026-11-24T21:00:00Z"
    assert slot(0.25, "2026-11-24T21:16", *tenants) == "2026-11-25T21:00:00Z"
    assert slot(0.75, "2026-11-24T12:00", tenants[0]) == "nowhere: t0#default"


def test_a_slot_in_time_that_is_known_is_found_and_else_the_rule_is_named() -> None:
    festivals = {"name": "festivals", "holidays": "IN"}  # known to the end of 2035
    named = calendar(zone="UTC", windows=[NIGHTS], blackouts=[festivals])
    assert slot(2, "2035-12-20T12:00", named) == "2035-12-20T22:00:00Z"
    with pytest.raises(UnknownDaysError, match=r"c.yaml#festivals: .* to 2035, not in 2036"):
        slot(2, "2036-02-01T12:00", named)
    assert slot(5, "2036-02-01T12:00", named) == "nowhere: c.yaml#default"


def test_a_blackout_that_touches_no_window_blocks_nothing() -> None:
    noon = {"name": "noon", "rrule": "FREQ=DAILY", "start": "12:00", "end": "13:00"}
    peak = {"name": "peak", "from": "2026-12-01T00:00", "to": "2027-02-01T00:00"}
    short = {"name": "short", "rrule": "FREQ=DAILY", "start": "05:00", "end": "06:00"}
    early = {"name": "early", "rrule": "FREQ=DAILY", "start": "04:00", "end": "07:00"}
    named = calendar(windows=[NIGHTS, short], blackouts=[noon, peak, early])
    assert slot(4, "2026-12-02T12:00", named, days=30) == "nowhere: c.yaml#peak"
    other = calendar("d.yaml", default="open", blackouts=[{**NIGHTS, "name": "batch"}, noon])
    several = (calendar(windows=[NIGHTS], blackouts=[noon]), other)
    assert slot(4, "2026-12-02T12:00", *several, days=30) == "nowhere: c.yaml#default, d.yaml#batch"
