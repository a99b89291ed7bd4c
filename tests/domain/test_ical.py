"""iCalendar files as calendars: what is read exactly, and what is refused with its line and the reason."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stationmaster.domain import ical
from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.calendar_answers import opening, state
from stationmaster.domain.calendar_files import read_calendar
from stationmaster.domain.calendar_lint import lint
from stationmaster.domain.calendar_yaml import as_yaml
from stationmaster.domain.documents import Document, DocumentError, read

SAMPLES = Path(__file__).parent / "ical"
KINDS: dict[str, ical.Kind] = {"google": "blackouts", "outlook": "windows"}  # the others say it themselves
WELL = ("aws-closed", "aws-empty", "google", "outlook", "rfc7953-1-corrected", "rfc7953-2")
BEGIN, END = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2026, 2028))
START = "DTSTART;TZID=Europe/Berlin:20261124T220000"
EVENT = [START, "DTEND;TZID=Europe/Berlin:20261125T020000"]
DAY = ["DTSTART;VALUE=DATE:20261224"]


def sample(name: str) -> Document[Calendar]:
    return ical.read((SAMPLES / f"{name}.ics").read_text("utf-8"), f"{name}.ics", KINDS.get(name))


def event(*lines: str, kind: str = "VEVENT") -> str:
    return "\r\n".join([f"BEGIN:{kind}", *lines, f"END:{kind}", ""])


def whole(*parts: str, kind: str | None = "DEFAULT_OPEN", zone: str | None = "Europe/Berlin") -> str:
    """A file; its first event's first line is line 5."""
    head = ["BEGIN:VCALENDAR", f"X-CALENDAR-TYPE:{kind}" if kind else "", f"X-WR-TIMEZONE:{zone}" if zone else ""]
    return "\r\n".join([*head, "".join(parts) + "END:VCALENDAR", ""])


def said(*parts: str, kind: str = "DEFAULT_OPEN", zone: str | None = "Europe/Berlin") -> list[str]:
    """The rules of a file, as YAML without the names."""
    lines = as_yaml(ical.read(whole(*parts, kind=kind, zone=zone), "c.ics").value).splitlines()
    return [line.split(", ", 1)[1].removesuffix("}") for line in lines if line.startswith("  - ")]


def refused(text: str) -> str:
    with pytest.raises(DocumentError) as error:
        ical.read(text, "c.ics")
    assert len(error.value.problems) == 1
    return str(error.value)


def spans(calendar: Calendar, begin: int = BEGIN, end: int = END) -> list[tuple[int, int]]:
    return opening([Named("c", calendar)], begin, end).pairs()


def test_aws_says_by_its_type_what_events_are() -> None:
    closed, empty = sample("aws-closed").value, sample("aws-empty").value
    assert (closed.default, closed.timezone, len(closed.windows), closed.blackouts) == (
        "closed", "America/New_York", 2, (),
    )  # fmt: skip
    assert closed.windows[1].name == "Once, on a Saturday"
    named = [Named("aws.ics", closed)]
    assert state(named, datetime(2026, 11, 25, 6, tzinfo=UTC)).rules == ("aws.ics#Weeknight changes",)
    assert state(named, datetime(2026, 11, 28, 18, 59, tzinfo=UTC)).rules == ("aws.ics#Once, on a Saturday",)
    assert not state(named, datetime(2026, 11, 28, 19, tzinfo=UTC)).open
    assert (empty.default, empty.timezone, empty.blackouts) == ("open", "UTC", ())


def test_a_google_calendar_with_whole_days_weekends_a_moved_and_a_cancelled_event() -> None:
    calendar = sample("google").value
    closed = ical_closed(calendar, "2026-11-19", "2026-12-19")
    assert closed == [
        ("2026-11-20T17:00", "2026-11-23T05:00"),
        ("2026-11-27T17:00", "2026-11-30T05:00"),  # that of 4 December is left out
        ("2026-12-11T19:00", "2026-12-14T05:00"),  # moved
        ("2026-12-17T23:00", "2026-12-19T00:00"),  # the freeze
    ]
    assert ical_closed(calendar, "2027-03-02", "2027-06-01") == []


def ical_closed(calendar: Calendar, since: str, until: str) -> list[tuple[str, str]]:
    begin, end = (int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in (since, until))
    gaps = opening([Named("c", calendar)], begin, end).gaps(begin, end).pairs()
    return [(shown(start), shown(stop)) for start, stop in gaps]


def shown(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M")


def test_an_outlook_calendar_names_zones_in_its_own_way() -> None:
    calendar = sample("outlook").value
    assert (calendar.timezone, calendar.default) == ("Europe/Berlin", "closed")
    found = [shown(start) for start, _ in spans(calendar)]
    assert (len(found), found[0], found[-1]) == (10, "2026-11-24T21:00", "2027-01-26T21:00")


def test_the_first_example_of_rfc_7953_begins_on_a_day_that_is_none_of_its_own() -> None:
    text = (SAMPLES / "rfc7953-1.ics").read_text("utf-8")
    assert refused(text) == (
        "c.ics:11: DTSTART 2011-10-02, a Sunday, is not a day of its own RRULE FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR "
        "(begin on 2011-10-03)"
    )


def test_availability_is_windows_within_its_own_time() -> None:
    bounded, endless = sample("rfc7953-2").value, sample("rfc7953-1-corrected").value
    begin = int(datetime(2011, 9, 1, tzinfo=UTC).timestamp())
    found = spans(bounded, begin, begin + 365 * 86400)
    assert (shown(found[0][0]), shown(found[-1][1])) == ("2011-10-03T13:00", "2011-12-01T22:00")
    assert [stop - start for start, stop in found[:6]] == [8 * 3600] * 4 + [3 * 3600] + [8 * 3600]
    assert len(spans(endless)) == 522
    assert bounded.default == endless.default == "closed"


def test_an_availability_cuts_what_happens_once_and_refuses_what_recurs_over_its_end() -> None:
    bounds = ["DTSTART;TZID=Europe/Berlin:20261125T000000", "DTEND;TZID=Europe/Berlin:20261210T000000"]
    cut = whole(event(*bounds, event(*EVENT, kind="AVAILABLE").rstrip(), kind="VAVAILABILITY"), kind=None)
    assert [shown(at) for pair in spans(ical.read(cut, "c.ics").value) for at in pair] == [
        "2026-11-24T23:00", "2026-11-25T01:00",
    ]  # fmt: skip
    daily = event(*EVENT, "RRULE:FREQ=DAILY", kind="AVAILABLE").rstrip()
    assert "2026-11-24 is cut in two by a bound" in refused(
        whole(event(*bounds, daily, kind="VAVAILABILITY"), kind=None)
    )
    begun = [line.replace("T000000", "T210000") for line in bounds]
    found = spans(ical.read(whole(event(*begun, daily, kind="VAVAILABILITY"), kind=None), "c.ics").value)
    assert (len(found), shown(found[0][0]), shown(found[-1][0])) == (15, "2026-11-25T21:00", "2026-12-09T21:00")


def test_events_beside_an_availability_are_busy() -> None:
    nights = event(event(*EVENT, "RRULE:FREQ=DAILY", kind="AVAILABLE").rstrip(), kind="VAVAILABILITY")
    made = ical.read(whole(nights, event("DTSTART;VALUE=DATE:20261125"), kind=None), "c.ics").value
    assert (made.default, len(made.windows), len(made.blackouts)) == ("closed", 1, 1)


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        (DAY, ["from: 2026-12-24T00:00, to: 2026-12-25T00:00"]),
        ([*DAY, "DTEND;VALUE=DATE:20270102"], ["from: 2026-12-24T00:00, to: 2027-01-02T00:00"]),
        ([*DAY, "DURATION:P1W"], ["from: 2026-12-24T00:00, to: 2026-12-31T00:00"]),
        ([*DAY, "RRULE:FREQ=YEARLY"],
         ['rrule: "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", dtstart: 2026-12-24, all_day: true']),
        (EVENT, ["from: 2026-11-24T22:00, to: 2026-11-25T02:00"]),
        ([START, "DURATION:PT4H"], ["from: 2026-11-24T22:00, to: 2026-11-25T02:00"]),
        (["DTSTART:20261124T220000", "DURATION:PT24H"], ["from: 2026-11-24T22:00, to: 2026-11-25T22:00"]),
        (["DTSTART:20261124T210000Z", "DTEND:20261125T010000Z"], ["from: 2026-11-24T22:00, to: 2026-11-25T02:00"]),
        (  # five and a half hours in real time, though the clocks go back
            ["DTSTART;TZID=Europe/Berlin:20261024T220000", "DURATION:PT5H30M"],
            ["from: 2026-10-24T22:00, to: 2026-10-25T02:30"],
        ),
        (
            ["DTSTART;TZID=Asia/Tokyo:20261125T060000", "DTEND;TZID=Asia/Tokyo:20261125T100000"],
            ["from: 2026-11-24T22:00, to: 2026-11-25T02:00"],
        ),
        (
            [*EVENT, "RDATE;TZID=Europe/Berlin:20261126T220000", "RDATE:20261128T090000Z"],
            ["from: 2026-11-26T22:00, to: 2026-11-27T02:00", "from: 2026-11-28T10:00, to: 2026-11-28T14:00",
             "from: 2026-11-24T22:00, to: 2026-11-25T02:00"],
        ),
        (
            [*EVENT, "RRULE:FREQ=WEEKLY;UNTIL=20261208T205959Z"],
            ['rrule: "FREQ=WEEKLY;UNTIL=20261207;BYDAY=TU", dtstart: 2026-11-24, start: "22:00", end: "02:00"'],
        ),
        (
            [*EVENT, "RRULE:FREQ=DAILY;COUNT=4", "EXDATE:20261124T210000Z,20261126T210000Z"],
            ['rrule: "FREQ=DAILY;UNTIL=20261125", dtstart: 2026-11-25, start: "22:00", end: "02:00"',
             'rrule: "FREQ=DAILY;COUNT=1", dtstart: 2026-11-27, start: "22:00", end: "02:00"'],
        ),
        ([*EVENT, "RRULE:FREQ=DAILY", "STATUS:CANCELLED"], []),
    ],
)  # fmt: skip
def test_what_events_become(lines: list[str], rules: list[str]) -> None:
    assert said(event(*lines)) == rules


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        (["SUMMARY:x"], 4, "VEVENT has no DTSTART"),
        ([START], 5, "DTSTART without DTEND or DURATION"),
        ([*EVENT, "DURATION:PT1H"], 7, "DURATION beside DTEND of line 6"),
        ([START, "DTEND;TZID=Europe/Berlin:20261124T220000"], 6, "DTEND 2026-11-24T22:00:00 is not after DTSTART"),
        ([START, "DTEND;VALUE=DATE:20261126"], 6, "one of DTSTART and DTEND is a day"),
        ([START, "DTEND:20261126T000000"], 6, "one of DTSTART and DTEND has a zone"),
        ([START, "DURATION:PT0S"], 6, "'PT0S' is no duration"),
        ([START, "DURATION:-PT1H"], 6, "'-PT1H' is no duration"),
        ([START, "DURATION:4h"], 6, "'4h' is no duration"),
        ([*DAY, "DURATION:PT4H"], 6, "DURATION: PT4H of whole days"),
        (["DTSTART;TZID=Europe/Berlin:20260230T220000"], 5, "DTSTART: there is no '20260230T220000'"),
        (["DTSTART;TZID=Europe/Berlin:2026-02-28"], 5, "is no time"),
        (["DTSTART;VALUE=DATE:20261124T220000"], 5, "is no day"),
        (["DTSTART;VALUE=DATE:16010101"], 5, "is not within 1970 to 2199"),
        (["DTSTART;TZID=Europe/Berlin:20261124T220000Z"], 5, "TZID=Europe/Berlin beside 20261124T220000Z"),
        (["DTSTART;TZID=Mars/Base:20261124T220000"], 5, "DTSTART: unknown zone 'Mars/Base'"),
        (["DTSTART;TZID=CET-1CEST:20261124T220000"], 5, "unknown zone 'CET-1CEST'"),
        (["DTSTART;TZIE=Europe/Berlin:20261124T220000"], 5, "parameter TZIE is not read (did you mean 'TZID'?)"),
        (["DTSTART:20261124T220000", "DTSTART:20261125T220000"], 6, "DTSTART is given twice, first in line 5"),
        ([*EVENT, "RRULE:FREQ=HOURLY"], 7, "RRULE: FREQ=HOURLY is not read"),
        ([*EVENT, "RRULE:FREQ=YEARLY;BYWEEKNO=1"], 7, "RRULE: BYWEEKNO is not read"),
        ([*EVENT, "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"], 8, "RRULE is given twice"),
        ([*EVENT, "RRULE:FREQ=WEEKLY;BYDAY=MO"], 5, "DTSTART 2026-11-24, a Tuesday, is not a day of its own RRULE"),
        ([*EVENT, "RRULE:FREQ=DAILY;UNTIL=20261201"], 7, "UNTIL=20261201 beside such a DTSTART"),
        ([*EVENT, "RRULE:FREQ=DAILY;UNTIL=20261201T000000"], 7, "(write a time in UTC"),
        ([*EVENT, "RRULE:FREQ=DAILY;UNTIL=20251201T000000Z"], 7, "UNTIL lies before DTSTART"),
        ([*DAY, "RRULE:FREQ=DAILY;UNTIL=20261231T000000Z"], 6, "(write a day"),
        ([*EVENT, "EXRULE:FREQ=DAILY"], 7, "EXRULE is not read"),
        ([*EVENT, "RRULE:FREQ=DAILY", "EXDATE:20261125T220000Z"], 8, "nothing of the series begins at 2026-11-25T23"),
        ([*EVENT, "RRULE:FREQ=DAILY", "EXDATE;VALUE=DATE:20261125"], 8, "is not said as DTSTART is"),
        ([*EVENT, "EXDATE:20261124T210000Z"], 7, "of an event that does not recur"),
        ([*EVENT, "RDATE;VALUE=PERIOD:20261125T220000Z/PT1H"], 7, "RDATE: VALUE=PERIOD is not read"),
        ([*EVENT, "UID:1", "RECURRENCE-ID:20261124T210000Z"], 8, "the file has no series of this UID"),
        ([*EVENT, "RECURRENCE-ID;RANGE=THISANDFUTURE:20261124T210000Z"], 7, "parameter RANGE is not read"),
        ([*EVENT, "STATUS:MAYBE"], 7, "STATUS: 'MAYBE' is not read"),
        ([START, "DURATION:PT4H", "RRULE:FREQ=DAILY"], 5, "on 2027-10-30 the clocks of Europe/Berlin change within it"),
        ([START, "DTEND;TZID=Europe/Berlin:20261126T220000", "RRULE:FREQ=MONTHLY"], 4, "lasts more than a day"),
        ([*DAY, "DTEND;VALUE=DATE:20270204", "RRULE:FREQ=YEARLY"], 4, "more than 31 days"),
        (["DTSTART:20261124T220000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", "X-A:1"], 7, "the zone of the calendar is"),
        (["DTSTART:20261025T003000Z", "DTEND:20261025T005900Z"], 6, "twice"),
        ([*EVENT, "DTSTARU:1"], 7, "DTSTARU: no property of iCalendar is called so (did you mean 'DTSTART'?)"),
        ([*EVENT, "no property"], 7, "'no property' is no line of iCalendar"),
        ([*EVENT, "SUMMARY:a\x00b"], 7, "a control character"),
        ([*EVENT, "BEGIN:AVAILABLE", "END:AVAILABLE"], 7, "AVAILABLE in VEVENT is not read"),
    ],
)  # fmt: skip
def test_what_is_refused(lines: list[str], line: int, reason: str) -> None:
    more = event(*DAY) if "X-A:1" in lines else ""
    found = refused(whole(event(*lines), more))
    assert found.startswith(f"c.ics:{line}: ")
    assert reason in found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "c.ics:1: the file is empty"),
        ("timezone: Europe/Berlin\n", "c.ics:1: this is no iCalendar (it begins with BEGIN:VCALENDAR)"),
        (
            whole(event(*EVENT), kind=None),
            "c.ics:1: it does not say whether its events open or close (add X-CALENDAR-T",
        ),
        (whole(event(*EVENT), kind="DEFAULT_OPAN"), "did you mean 'DEFAULT_OPEN'?"),
        (whole(event(*EVENT, "STATUS:TENTATIVE"), kind="DEFAULT_CLOSED"), "a tentative window is not agreed yet"),
        (whole(event(*DAY), zone=None), "c.ics:5: DTSTART: a whole day without a zone"),
        (whole(event("DTSTART:20261124T220000", "DURATION:PT1H"), zone=None), "a time without a zone"),
        (whole(event(*EVENT), zone="Europe/Berlim"), "X-WR-TIMEZONE: unknown zone 'Europe/Berlim'"),
        (whole("VERSION:1.0\r\n"), "VERSION: '1.0' is not read"),
        (whole("METHOD:CANCEL\r\n"), "METHOD: 'CANCEL' is not read"),
        (whole("CALSCALE:CHINESE\r\n"), "CALSCALE: 'CHINESE' is not read"),
        (whole(event(kind="VFREEBUSY")), "VFREEBUSY in VCALENDAR is not read"),
        (whole() + whole(), "BEGIN after END:VCALENDAR"),
        (whole(event(*EVENT, "UID:1"), event(*EVENT, "UID:1")), "UID '1' is given twice"),
        (whole(event(kind="VAVAILABILITY")), "VAVAILABILITY beside X-CALENDAR-TYPE"),
        (whole(event(kind="VAVAILABILITY") * 2, kind=None), "overlaps another"),
        (whole(event("BUSYTYPE:FREE", kind="VAVAILABILITY"), kind=None), "BUSYTYPE: 'FREE' is not read"),
        (whole(event("PRIORITY:10", kind="VAVAILABILITY"), kind=None), "PRIORITY: '10' is not within"),
        (whole(event("RRULE:FREQ=DAILY", kind="VAVAILABILITY"), kind=None), "a VAVAILABILITY does not recur"),
        (whole(event("DURATION:P1D", kind="VAVAILABILITY"), kind=None), "DURATION belongs to DTSTART"),
        (whole("BEGIN:VTIMEZONE\r\nEND:VTIMEZONE\r\n"), "TZID is missing in VTIMEZONE"),
    ],
)
def test_what_is_refused_of_a_whole_file(text: str, reason: str) -> None:
    assert reason in refused(text)


def test_every_event_that_is_wrong_is_told_at_once() -> None:
    text = whole(event("SUMMARY:a"), event(*EVENT), event("DTSTART:x"))
    with pytest.raises(DocumentError) as error:
        ical.read(text, "c.ics")
    assert [problem.line for problem in error.value.problems] == [4, 12]


def test_what_the_caller_says() -> None:
    plain = whole(event(*DAY), kind=None, zone=None)
    assert ical.read(plain, "c.ics", "windows", "Asia/Tokyo").value.windows[0].name == "event"
    opened = ical.read(plain, "c.ics", "blackouts", "Asia/Tokyo").value
    assert (opened.default, opened.timezone) == ("open", "Asia/Tokyo")
    for text, kind in ((whole(event(*DAY)), "windows"), (whole(event(kind="VAVAILABILITY"), kind=None), "blackouts")):
        with pytest.raises(DocumentError, match="leave --as out"):
            ical.read(text, "c.ics", "windows" if kind == "windows" else "blackouts")
    with pytest.raises(ValueError, match="unknown IANA zone"):
        ical.read(plain, "c.ics", "windows", "Mars")


def test_names_are_unique_and_printable() -> None:
    names = ["default", "a", "a (2)", "a", "x\\n y\\, z", " ", "n" * 300]
    made = ical.read(whole(*(event(*DAY, f"SUMMARY:{name}") for name in names)), "c.ics").value
    found = [rule.name for rule in made.blackouts]
    assert found == ["default (2)", "a", "a (2)", "a (3)", "x y, z", "event", "n" * 150]


def test_lint_names_the_line_of_an_event() -> None:
    text = whole(event(*EVENT))
    found = lint(ical.read(text, "c.ics"), datetime(2027, 1, 1, tzinfo=UTC))
    assert [(one.file, one.line, one.rule) for one in found] == [("c.ics", 4, "event")]


def test_a_file_is_icalendar_by_its_name() -> None:
    assert read_calendar(whole(event(*DAY)), "A.ICS").value.default == "open"
    assert read_calendar("timezone: UTC\n", "a.yaml").value.default == "closed"
    with pytest.raises(DocumentError, match="no iCalendar"):
        read_calendar("timezone: UTC\n", "a.ics")


@pytest.mark.parametrize("name", WELL)
def test_as_yaml_it_says_the_same(name: str) -> None:
    document = sample(name)
    assert read(Calendar, as_yaml(document.value), "c.yaml").value == document.value


def test_all_that_a_calendar_may_say_goes_into_yaml_and_back() -> None:
    text = """\
timezone: Europe/Berlin
windows:
  - {name: 'n: "1", #', rrule: "FREQ=DAILY", start: "22:00:30", end: "02:00", applies_to: [flag], owner: me}
blackouts:
  - {name: ERP, business_days: {from: -2, to: 3, country: DE}, source: a ticket}
  - {name: quarter, fiscal: {pattern: 4-4-5, year_end: last-saturday-of-january, days_before: 3}}
  - {name: holidays, holidays: DE-BY, expires: 2030-01-01}
  - {name: audit, from: 2026-12-14T00:00:05, to: 2026-12-19T00:00}
cutoff: 30m
min_notice_days: 10
applies_to: [migration]
"""
    calendar = read(Calendar, text, "c.yaml").value
    assert read(Calendar, as_yaml(calendar), "c.yaml").value == calendar


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Tokyo"]),
    st.sampled_from(["20260329", "20260404", "20260424", "20261025", "20261029", "20261101", "20260308", "20260615"]),
    st.integers(0, 24 * 60),
    st.integers(1, 600),
    st.sampled_from(["DTEND", "minutes", "days"]),
)
@example("Europe/Berlin", "20261025", 0, 60, "DTEND")  # from 02:00 to 02:00
def test_instants_in_utc_are_exact_or_refused(zone: str, day: str, minute: int, long: int, said: str) -> None:
    begin = datetime.strptime(f"{day} +0000", "%Y%m%d %z") + timedelta(minutes=minute)
    end = begin + (timedelta(days=long % 9 + 1) if said == "days" else timedelta(minutes=long))
    exact = f"DTEND:{end:%Y%m%dT%H%M%SZ}"
    ends = {"minutes": f"DURATION:PT{long}M", "days": f"DURATION:P{long % 9 + 1}D"}.get(said, exact)
    text = whole(event(f"DTSTART:{begin:%Y%m%dT%H%M%SZ}", ends), kind="DEFAULT_CLOSED", zone=zone)
    try:
        found = spans(ical.read(text, "c.ics").value)
    except DocumentError as error:
        if "twice" in str(error):
            return
        raise
    assert found == [(int(begin.timestamp()), int(end.timestamp()))]


# What was cut off, changed by a byte or made up: our own error or a calendar, and nothing that opens.


@given(st.sampled_from(WELL), st.data())
def test_a_file_that_is_cut_off_is_refused(name: str, data: st.DataObject) -> None:
    text = (SAMPLES / f"{name}.ics").read_text("utf-8").rstrip()
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with pytest.raises(DocumentError):
        ical.read(cut, "c.ics", KINDS.get(name))


@settings(max_examples=300)
@given(st.sampled_from(WELL), st.data())
def test_changed_bytes_are_our_error_or_a_calendar_of_the_same_default(name: str, data: st.DataObject) -> None:
    content = bytearray((SAMPLES / f"{name}.ics").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = ical.read(content.decode("utf-8", "replace"), "c.ics", KINDS.get(name)).value
    except DocumentError as error:
        unplaced = [problem for problem in error.problems if not problem.line]
    else:
        assert found.default == sample(name).value.default
        assert spans(found) == spans(read(Calendar, as_yaml(found), "c.yaml").value)
        return
    assert not unplaced


@settings(max_examples=300)
@given(st.sampled_from(WELL), st.data())
def test_a_changed_name_closes_or_changes_nothing(name: str, data: st.DataObject) -> None:
    lines = (SAMPLES / f"{name}.ics").read_text("utf-8").splitlines()
    number = data.draw(st.sampled_from([n for n, line in enumerate(lines) if not line[0].isspace()]))
    end = min(place for mark in ":;" if (place := lines[number].find(mark)) > 0)
    place = data.draw(st.integers(0, end - 1))
    char = data.draw(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=" "))
    lines[number] = lines[number][:place] + char + lines[number][place + 1 :]
    try:
        found = ical.read("\n".join(lines), "c.ics", KINDS.get(name)).value
    except DocumentError:
        return
    assert spans(found) == spans(sample(name).value)


@given(st.text(alphabet=st.sampled_from('BEGINVCALDRTS:;=\\"\r\n ,0129ÄÖ\x00\u2028')))
def test_what_is_made_up_is_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        ical.read(text, "c.ics", "windows")


def test_a_file_has_so_many_events_at_most() -> None:
    text = whole(
        *(event(f"DTSTART;VALUE=DATE:{2026 + n // 28}01{n % 28 + 1:02}", f"SUMMARY:r{n}") for n in range(2001))
    )
    with pytest.raises(DocumentError, match="it has 2001 rules, and 2000 are read at most"):
        ical.read(text, "c.ics")
