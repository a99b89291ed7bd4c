"""Random calendars against `tests/calendar_oracle.py`: not one minute of ninety days may differ."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import numpy as np
import pytest
import recurring_ical_events  # type: ignore[import-untyped]  # it says no types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stationmaster.domain.calendar import Action, Calendar, Named
from stationmaster.domain.calendar_answers import opening, state
from stationmaster.domain.spans import Spans
from stationmaster.domain.zones import zone as zone_of
from tests import calendar_oracle as oracle

# Where the 90 days begin: the clocks change within them, if the zone has any change then.
ZONES = {
    "UTC": "2026-11-23", "Europe/Berlin": "2026-09-20", "Europe/London": "2027-02-10", "Europe/Dublin": "2027-02-10",
    "Europe/Lisbon": "2026-09-20", "Europe/Helsinki": "2027-02-10", "Europe/Istanbul": "2016-08-20",
    "Europe/Moscow": "2014-09-20", "Atlantic/Azores": "2026-09-20", "Atlantic/Reykjavik": "2027-02-10",
    "America/New_York": "2026-09-20", "America/Chicago": "2027-02-10", "America/Los_Angeles": "2026-09-20",
    "America/St_Johns": "2027-02-10", "America/Havana": "2024-09-20", "America/Sao_Paulo": "2018-09-20",
    "America/Santiago": "2027-08-01", "America/Asuncion": "2023-09-01", "America/Caracas": "2016-03-20",
    "America/Scoresbysund": "2024-02-10", "Africa/Cairo": "2027-03-01", "Africa/Casablanca": "2027-01-20",
    "Africa/Johannesburg": "2026-09-20", "Asia/Beirut": "2027-02-10", "Asia/Amman": "2021-09-20",
    "Asia/Jerusalem": "2027-02-10", "Asia/Tehran": "2022-02-10", "Asia/Kathmandu": "2026-09-20",
    "Asia/Kolkata": "2026-11-23", "Asia/Tokyo": "2026-11-23", "Asia/Pyongyang": "2018-04-01",
    "Australia/Lord_Howe": "2027-02-20", "Australia/Adelaide": "2026-09-01", "Australia/Sydney": "2027-02-20",
    "Pacific/Auckland": "2026-09-01", "Pacific/Chatham": "2027-02-20", "Pacific/Apia": "2011-11-20",
    "Pacific/Kiritimati": "2026-11-23", "Antarctica/Troll": "2027-02-10",
}  # fmt: skip
FEW = ("Europe/Berlin", "Africa/Cairo", "America/Santiago", "Atlantic/Azores", "Australia/Lord_Howe", "Pacific/Apia")
ACTIONS: tuple[Action, ...] = ("deploy", "deploy", "deploy", "migration", "flag", "hotfix", "rollback")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
YEAR_ENDS = ("last-saturday-of-january", "nearest-saturday-to-january-31", "last-sunday-of-september")

# Most clocks change between 23:00 and 04:00.
times = st.builds(
    "{:02}:{:02}".format, st.integers(0, 4) | st.integers(0, 23), st.sampled_from([0, 0, 30, 30, 15, 45, 1, 59])
)
governed = st.lists(st.sampled_from(["deploy", "migration", "flag"]), min_size=1, unique=True)
weekdays = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4, unique=True)


@st.composite
def recurrences(draw: st.DrawFn, begin: date) -> dict[str, Any]:
    first = begin + timedelta(days=draw(st.integers(-30, 60)))
    named = sorted({WEEKDAYS[first.weekday()], *draw(weekdays)}, key=WEEKDAYS.index)
    day, month_day = WEEKDAYS[first.weekday()], draw(st.sampled_from([*range(1, 32), *range(-5, 0)]))
    weekly = f"FREQ=WEEKLY;BYDAY={','.join(named)}"
    position, number = draw(st.sampled_from([-2, -1, 1, 2])), draw(st.sampled_from([-1, 1, 2, 3, 4]))
    rule, anchored = draw(
        st.sampled_from(
            [
                ("FREQ=DAILY", False),
                (weekly, False),
                (f"FREQ=MONTHLY;BYMONTHDAY={month_day},{first.day}", False),
                (f"FREQ=MONTHLY;BYDAY={number}{day}", False),
                (f"FREQ=MONTHLY;BYDAY={','.join(named)};BYSETPOS={position}", False),
                (f"FREQ=YEARLY;BYMONTH={first.month};BYMONTHDAY={first.day}", False),
                (f"{weekly};UNTIL={first + timedelta(days=20):%Y%m%d}", False),
                (f"{weekly};COUNT={draw(st.integers(1, 9))}", True),
                (f"FREQ=WEEKLY;INTERVAL=2;WKST={draw(st.sampled_from(WEEKDAYS))};BYDAY={','.join(named)}", True),
                (f"FREQ=DAILY;INTERVAL={draw(st.integers(2, 9))}", True),
            ]
        )
    )
    when = draw(st.just({"all_day": True}) | st.fixed_dictionaries({"start": times, "end": times}))
    return {"rrule": rule, **when, **({"dtstart": first.isoformat()} if anchored else {})}


@st.composite
def once(draw: st.DrawFn, begin: date) -> dict[str, Any]:
    first = begin + timedelta(days=draw(st.integers(-5, 92)))
    start = datetime.fromisoformat(f"{first}T{draw(times)}")
    end = start + draw(st.sampled_from([timedelta(minutes=m) for m in (1, 30, 60, 120, 1440, 10000)]))
    return {"from": start.isoformat(), "to": end.isoformat()}


around_the_month = st.tuples(st.integers(-4, -1), st.integers(1, 4)) | st.sampled_from([(-3, -1), (1, 2), (2, 2)])
business = st.builds(
    lambda bounds, country: {"business_days": {"from": bounds[0], "to": bounds[1], "country": country}},
    around_the_month, st.sampled_from(["DE", "US"]),
)  # fmt: skip
fiscal = st.fixed_dictionaries(
    {"pattern": st.sampled_from(["4-4-5", "4-5-4", "5-4-4"]), "year_end": st.sampled_from(YEAR_ENDS)},
    optional={"days_before": st.integers(0, 6), "periods": st.sampled_from(["quarter", "month"])},
).map(lambda rule: {"fiscal": rule})
public = st.sampled_from(["DE", "DE-BY", "US"]).map(lambda region: {"holidays": region})


@st.composite
def rules(draw: st.DrawFn, begin: date, prefix: str) -> list[dict[str, Any]]:
    kinds = st.one_of(recurrences(begin), recurrences(begin), once(begin), business, fiscal, public)
    found = draw(st.lists(kinds, max_size=4))
    expiry = st.integers(0, 95).map(lambda days: {"expires": (begin + timedelta(days=days)).isoformat()})
    more = [
        draw(st.just({}) | st.just({}) | expiry | governed.map(lambda actions: {"applies_to": actions})) for _ in found
    ]
    return [{"name": f"{prefix}{n}", **rule, **extra} for n, (rule, extra) in enumerate(zip(found, more, strict=True))]


@st.composite
def calendars(draw: st.DrawFn, zone: str, begin: date) -> dict[str, Any]:
    default = draw(st.sampled_from(["closed", "closed", "open"]))
    windows = draw(rules(begin, "w")) if default == "closed" else []
    named = draw(st.just({}) | governed.map(lambda actions: {"applies_to": actions}))
    return {"timezone": zone, "default": default, "windows": windows, "blackouts": draw(rules(begin, "b")), **named}


def compare(several: list[dict[str, Any]], action: Action, begin: date, look: int) -> None:
    asked = [Named(f"c{n}", Calendar.model_validate(one)) for n, one in enumerate(several)]
    start = int(datetime(begin.year, begin.month, begin.day, tzinfo=UTC).timestamp())
    expected = np.logical_and.reduce([oracle.is_open(one, action, begin) for one in several])
    found = opening(asked, start, start + oracle.DAYS * 86400, action)
    differing = np.flatnonzero(as_minutes(found.pairs(), start) != expected)
    assert not len(differing), f"first at {datetime.fromtimestamp(start + 60 * int(differing[0]), UTC)}"
    said = state(asked, datetime.fromtimestamp(start + 60 * look + 59, UTC), action)
    assert said.open == expected[look]
    assert said.rules == refs(several, action, begin, look, is_open=bool(expected[look]))
    changes = np.flatnonzero(expected[look:] != expected[look])
    if len(changes):
        assert said.next_transition == datetime.fromtimestamp(start + 60 * (look + int(changes[0])), UTC)


def as_minutes(pairs: list[tuple[int, int]], start: int) -> NDArray[np.bool_]:
    found = np.zeros(oracle.DAYS * 1440, dtype=np.bool_)
    for begin, end in pairs:
        assert begin % 60 == end % 60 == 0
        found[(begin - start) // 60 : (end - start) // 60] = True
    return found


def refs(several: list[dict[str, Any]], action: Action, begin: date, look: int, *, is_open: bool) -> tuple[str, ...]:
    """`rules` as the page says them."""
    if action == "rollback":
        return ()
    inside: dict[str, set[str]] = {"windows": set(), "blackouts": set()}
    defaults = set()
    for number, one in enumerate(several):
        for kind, names in inside.items():
            for rule in oracle.counting(one, kind, action):
                if oracle.in_force(rule, one["timezone"], begin)[look]:
                    names.add(f"c{number}#{rule['name']}")
        if not oracle.is_open({**one, "blackouts": []}, action, begin)[look]:
            defaults.add(f"c{number}#default")
    return tuple(sorted(inside["windows"] if is_open else inside["blackouts"] or defaults))


def asked(data: st.DataObject, zone: str) -> None:
    begin = date.fromisoformat(ZONES[zone])
    several = data.draw(st.lists(calendars(zone, begin), min_size=1, max_size=2))
    look = data.draw(st.integers(0, oracle.DAYS * 1440 - 1))
    compare(several, data.draw(st.sampled_from(ACTIONS)), begin, look)


@pytest.mark.parametrize("zone", FEW)
@settings(max_examples=10)
@given(st.data())
def test_no_minute_differs(zone: str, data: st.DataObject) -> None:
    asked(data, zone)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_minute_differs_in_any_zone(zone: str, data: st.DataObject) -> None:
    asked(data, zone)


# What iCalendar's own reader says, where the clocks do not change and both mean the same.

STEADY = ("UTC", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "Africa/Johannesburg", "Pacific/Kiritimati")


def as_event(rule: dict[str, Any], zone: str, since: date) -> str:
    """The same window as a VEVENT. Its first day is one of the rule's, as RFC 5545 wants."""
    first = date.fromisoformat(rule["dtstart"]) if "dtstart" in rule else next(oracle.ranges(rule, since, date.max))[0]
    recurrence = rule["rrule"]
    if "all_day" in rule:
        bounds = [f"DTSTART;VALUE=DATE:{first:%Y%m%d}", f"DTEND;VALUE=DATE:{first + timedelta(days=1):%Y%m%d}"]
    else:
        start, end = (datetime.fromisoformat(f"{first}T{rule[key]}") for key in ("start", "end"))
        end += timedelta(days=end <= start)
        bounds = [f"DTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}", f"DTEND;TZID={zone}:{end:%Y%m%dT%H%M%S}"]
        until = re.search(r"UNTIL=(\d+)", recurrence)  # a date-time, as DTSTART is; and in UTC, as RFC 5545 wants
        if until:
            last = datetime.fromisoformat(f"{until[1]}T{rule['start']}").replace(tzinfo=zone_of(zone)).astimezone(UTC)
            recurrence = recurrence.replace(until[0], f"UNTIL={last:%Y%m%dT%H%M%SZ}")
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", "UID:1", *bounds]
    return "\r\n".join([*lines, f"RRULE:{recurrence}", "END:VEVENT", "END:VCALENDAR", ""])


def in_utc(at: datetime | date, zone: str) -> int:
    wall = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)  # noqa: DTZ001
    return int(wall.replace(tzinfo=zone_of(zone)).timestamp())


@pytest.mark.slow
@pytest.mark.parametrize("zone", STEADY)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_reader_of_icalendar_finds_the_same_windows(zone: str, data: st.DataObject) -> None:
    begin = date(2026, 11, 23)
    rule = data.draw(recurrences(begin))
    start = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp())
    end = start + oracle.DAYS * 86400
    read = icalendar.Calendar.from_ical(as_event(rule, zone, begin - timedelta(days=400)))
    around = (begin - timedelta(days=3), begin + timedelta(days=oracle.DAYS + 3))
    events = recurring_ical_events.of(read).between(*around)
    expected = Spans.of((in_utc(event.start, zone), in_utc(event.end, zone)) for event in events).within(start, end)
    named = Named("c", Calendar.model_validate({"timezone": zone, "windows": [{"name": "w", **rule}]}))
    assert opening([named], start, end).pairs() == expected.pairs()
