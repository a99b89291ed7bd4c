"""Calendar files by their name: iCalendar where it ends in `.ics`, else YAML."""

from stationmaster.domain.calendar import Calendar
from stationmaster.domain.documents import Document, DocumentError, read
from stationmaster.domain.located import Problem

LARGEST = 1 << 20  # bytes of a file


def text_of(content: bytes, file: str) -> str:
    """The text of a file of which at least one byte more than LARGEST was read, if it has as many.

    Raises:
        DocumentError: it is larger than a calendar may be.
        UnicodeDecodeError: it is not UTF-8.
    """
    if len(content) > LARGEST:
        hint = "calendars have hundreds of rules at most; say what recurs with rrule"
        raise DocumentError(file, [Problem(None, f"the file is larger than {LARGEST >> 20} MiB", hint)])
    return content.decode("utf-8")


def read_calendar(text: str, file: str) -> Document[Calendar]:
    """Text → calendar, or a `DocumentError` with all problems."""
    if not file.lower().endswith(".ics"):
        return read(Calendar, text, file)
    from stationmaster.domain import ical  # noqa: PLC0415 - a tenth of a second that YAML files do without

    return ical.read(text, file)
