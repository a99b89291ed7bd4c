"""Random events read by us and by `recurring_ical_events`: the same text, the same times, where the clocks stand still
or change outside the event.
"""

from datetime import UTC, date, datetime, timedelta

import icalendar
import pytest
import recurring_ical_events  # type: ignore[import-untyped]  # it says no types
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stationmaster.domain import ical
from stationmaster.domain.calendar import Named
from stationmaster.domain.calendar_answers import opening
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.spans import Spans
from stationmaster.domain.zones import zone as zone_of

STEADY = ("UTC", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "Africa/Johannesburg", "Pacific/Kiritimati")
MOVING = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
BEGIN, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2026, 2029))
UNSAID = "no rule says the days after those of"
DAY = timedelta(days=1)


@st.composite
def recurrences(draw: st.DrawFn, first: datetime, *, all_day: bool, zone: str) -> str:
    own, month_day = WEEKDAYS[first.weekday()], first.day
    named = ",".join(sorted({own, *draw(st.lists(st.sampled_from(WEEKDAYS), max_size=3))}, key=WEEKDAYS.index))
    interval = draw(st.sampled_from(["", "", ";INTERVAL=2", ";INTERVAL=3"]))
    rule = draw(
        st.sampled_from(
            [
                "FREQ=DAILY",
                "FREQ=WEEKLY",
                f"FREQ=WEEKLY;BYDAY={named}",
                f"FREQ=WEEKLY;WKST=SU;BYDAY={named}",
                "FREQ=MONTHLY",
                f"FREQ=MONTHLY;BYMONTHDAY={month_day},-1",
                f"FREQ=MONTHLY;BYDAY={(month_day + 6) // 7}{own}",
                "FREQ=YEARLY",
                f"FREQ=YEARLY;BYMONTH={first.month}",
            ]
        )
    )
    last = first + draw(st.integers(0, 500)) * DAY
    until = f"{last:%Y%m%d}" if all_day else f"{last.replace(tzinfo=zone_of(zone)).astimezone(UTC):%Y%m%dT%H%M%SZ}"
    ends = draw(st.sampled_from(["", f";COUNT={draw(st.integers(1, 30))}", f";UNTIL={until}"]))
    return rule + interval + ends


@st.composite
def events(draw: st.DrawFn, zone: str, longest: timedelta, hours: tuple[int, int]) -> str:
    """A series, with occurrences left out, moved and added."""
    all_day = draw(st.booleans())
    first = datetime(2026, 2, 1) + draw(st.integers(0, 330)) * DAY  # noqa: DTZ001 - wall-clock time
    if all_day:
        long = draw(st.integers(1, max(1, longest.days))) * DAY
    else:
        first += timedelta(hours=draw(st.integers(*hours)), minutes=draw(st.sampled_from([0, 15, 30])))
        long = timedelta(minutes=draw(st.integers(1, int(longest.total_seconds()) // 60)))

    def said(name: str, *walls: datetime) -> str:
        if all_day:
            return f"{name};VALUE=DATE:{','.join(f'{wall:%Y%m%d}' for wall in walls)}"
        return f"{name};TZID={zone}:{','.join(f'{wall:%Y%m%dT%H%M%S}' for wall in walls)}"

    rule = draw(recurrences(first, all_day=all_day, zone=zone))
    naive = ";".join(part for part in rule.split(";") if not part.startswith("UNTIL"))
    found = list(rrulestr(naive, dtstart=first).between(first, first + 90 * DAY, inc=True))[:12]
    if "UNTIL" in rule:
        found = found[:1]  # of these the first is sure to be one
    chosen = draw(st.lists(st.sampled_from(found), unique=True, max_size=3))
    excluded, moved = chosen[:2], chosen[2:]
    lines = ["BEGIN:VEVENT", "UID:1", said("DTSTART", first), said("DTEND", first + long), f"RRULE:{rule}"]
    lines += [said("EXDATE", *excluded)] if excluded else []
    lines += [said("RDATE", first + 1000 * DAY)] if draw(st.booleans()) else []
    lines += ["END:VEVENT"]
    for wall in moved:
        to = wall + draw(st.integers(-3, 3)) * DAY
        lines += ["BEGIN:VEVENT", "UID:1", said("RECURRENCE-ID", wall), said("DTSTART", to), said("DTEND", to + long)]
        lines += ["END:VEVENT"]
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", f"X-WR-TIMEZONE:{zone}"]
    return "\r\n".join([*head, "X-CALENDAR-TYPE:DEFAULT_CLOSED", *lines, "END:VCALENDAR", ""])


def in_utc(at: datetime | date, zone: str) -> int:
    wall = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)  # noqa: DTZ001
    return int(wall.replace(tzinfo=zone_of(zone)).timestamp())


def compare(text: str, zone: str) -> None:
    begin, end = int(BEGIN.timestamp()), int(END.timestamp())
    try:
        calendar = ical.read(text, "c.ics").value
    except DocumentError as error:
        if UNSAID in str(error):  # the only refusal that may be
            return
        raise
    read = recurring_ical_events.of(icalendar.Calendar.from_ical(text))
    found = [(one.start, one.end) for one in read.between(BEGIN - 10 * DAY, END + 10 * DAY)]
    expected = Spans.of((in_utc(start, zone), in_utc(stop, zone)) for start, stop in found).within(begin, end)
    assert opening([Named("c", calendar)], begin, end).pairs() == expected.pairs(), text


@pytest.mark.parametrize("zone", STEADY[1:3])
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_both_find_the_same(zone: str, data: st.DataObject) -> None:
    compare(data.draw(events(zone, 4 * DAY, (0, 23))), zone)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("zone", STEADY)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_both_find_the_same_in_more_zones(zone: str, data: st.DataObject) -> None:
    compare(data.draw(events(zone, 4 * DAY, (0, 23))), zone)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("zone", MOVING)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_both_find_the_same_by_day_where_the_clocks_change_at_night(zone: str, data: st.DataObject) -> None:
    compare(data.draw(events(zone, timedelta(hours=10), (6, 13))), zone)
