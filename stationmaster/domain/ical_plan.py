"""A plan as iCalendar: one VEVENT for each wave, for the calendars of people who are to know."""

from datetime import UTC, datetime

from icalendar import Calendar, Event

from stationmaster.domain.slots import Slotted, SlotWave

_US = "-//stationmaster//plan//EN"


def as_icalendar(made: Slotted, at: datetime) -> str:
    """The waves of a plan that was made at an instant. The same plan gives the same bytes: the UID of a wave is the
    digest of the plan and its number. Slots are provisional, so events are tentative.
    """
    found = Calendar()
    found.add("PRODID", _US)
    found.add("VERSION", "2.0")
    found.add("METHOD", "PUBLISH")
    digest = made.digest.removeprefix("sha256:")
    for number, wave in enumerate(made.waves, start=1):
        found.add_component(_event(wave, number, digest, at))
    content: bytes = found.to_ical()
    return content.decode("utf-8")


def _event(wave: SlotWave, number: int, digest: str, at: datetime) -> Event:
    event = Event()
    event.add("UID", f"{digest}-{number}@stationmaster")
    event.add("DTSTAMP", at.astimezone(UTC))
    event.add("DTSTART", datetime.fromtimestamp(wave.start, UTC))
    event.add("DTEND", datetime.fromtimestamp(wave.end, UTC))
    event.add("SUMMARY", f"{wave.ring}, wave {number}")
    event.add("DESCRIPTION", "\n".join(wave.tenants))
    event.add("STATUS", "TENTATIVE")
    return event
