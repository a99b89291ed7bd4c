"""Calendar files by their name: iCalendar where it ends in `.ics`, else YAML."""

from stationmaster.domain.calendar import Calendar
from stationmaster.domain.documents import Document, read


def read_calendar(text: str, file: str) -> Document[Calendar]:
    """Text → calendar, or a `DocumentError` with all problems."""
    if not file.lower().endswith(".ics"):
        return read(Calendar, text, file)
    from stationmaster.domain import ical  # noqa: PLC0415 - a tenth of a second that YAML files do without

    return ical.read(text, file)
