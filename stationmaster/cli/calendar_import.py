"""`calendar import`: iCalendar in, YAML out."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stationmaster.cli.calendar import text_of
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.domain.errors import Exit, InputError

Kind = Annotated[Literal["windows", "blackouts"] | None, Parameter(name="--as")]


class UnknownZoneError(InputError):
    """What was given is no zone of the IANA data."""

    code = "unknown_zone"


def import_(file: Path, /, *, kind: Kind = None, timezone: str | None = None, json: Flag = False) -> int:
    """Turn an iCalendar file into YAML.

    The YAML calendar opens and closes at the same times. `calendar check`, `next`, `lint` and tenants read `.ics` files
    that say all by themselves without it.

    Parameters
    ----------
    file
        An iCalendar file.
    kind
        What its events are, if it has no X-CALENDAR-TYPE and no VAVAILABILITY.
    timezone
        The zone of the calendar, in which days and times without a zone are meant; an IANA name.
    json
        One object on standard output.
    """
    from stationmaster.domain import ical  # noqa: PLC0415 - help does without
    from stationmaster.domain.calendar_yaml import as_yaml  # noqa: PLC0415
    from stationmaster.domain.zones import known_zone  # noqa: PLC0415

    try:
        zone = known_zone(timezone) if timezone is not None else None
    except ValueError as unknown:
        message, _, hint = str(unknown).partition("; ")
        raise UnknownZoneError(f"--timezone: {message}", hint=hint) from None
    calendar = ical.read(text_of(str(file)), str(file), kind, zone).value
    said = calendar.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    answer({**said, "default": calendar.default}, as_json=json, text=as_yaml(calendar).rstrip())
    return Exit.YES
