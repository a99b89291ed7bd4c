"""A plan as iCalendar: what another reader finds in it."""

from datetime import UTC, datetime

import icalendar

from stationmaster.domain.ical_plan import as_icalendar
from stationmaster.domain.slots import Slotted, SlotWave

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = 3600
FIRST = int(datetime(2026, 11, 24, 21, tzinfo=UTC).timestamp())
LONG = "straße," * 30
MADE = Slotted(
    (
        SlotWave("pilot", FIRST, FIRST + HOUR, ("acme", "b;c")),
        SlotWave("early", FIRST + HOUR, FIRST + 2 * HOUR, ("d", LONG)),
    ),
    (),
)


def test_each_wave_is_an_event() -> None:
    found = icalendar.Calendar.from_ical(as_icalendar(MADE, AT))
    assert found.errors == []
    first, second = found.walk("VEVENT")
    assert [first.get(key).dt for key in ("DTSTART", "DTEND")] == [
        datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (21, 22)
    ]
    assert (str(first["SUMMARY"]), str(second["SUMMARY"])) == ("pilot, wave 1", "early, wave 2")
    assert str(first["DESCRIPTION"]) == "acme\nb;c"
    assert str(second["DESCRIPTION"]) == f"d\n{LONG}"
    assert first.get("DTSTAMP").dt == AT
    assert first["STATUS"] == "TENTATIVE"


def test_lines_are_folded_and_end_as_the_standard_says() -> None:
    lines = as_icalendar(MADE, AT).encode().split(b"\r\n")
    assert lines[-1] == b""
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)  # octets, RFC 5545 § 3.1


def test_the_same_plan_has_the_same_ids_and_another_plan_has_others() -> None:
    def ids(made: Slotted) -> list[str]:
        return [str(event["UID"]) for event in icalendar.Calendar.from_ical(as_icalendar(made, AT)).walk("VEVENT")]

    digest = MADE.digest.removeprefix("sha256:")
    assert ids(MADE) == [f"{digest}-1@stationmaster", f"{digest}-2@stationmaster"]
    assert as_icalendar(MADE, AT) == as_icalendar(MADE, AT)
    assert not set(ids(MADE)) & set(ids(Slotted(MADE.waves[:1], ())))


def test_a_plan_without_waves_is_a_calendar_without_events() -> None:
    assert icalendar.Calendar.from_ical(as_icalendar(Slotted((), ()), AT)).walk("VEVENT") == []
