"""`calendar show`: who is open when and where the planned slots are, as a picture in the terminal or a page."""

from datetime import timedelta
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stationmaster.cli.moments import typed_begin, typed_slot
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.zones import known_zone

if TYPE_CHECKING:
    from stationmaster.domain.calendar_picture import Picture

DAYS = 14
_LONGEST = 400
_COLUMNS = (80, 160)  # fewer are not readable, more are not needed


class UnwritablePictureError(OutsideError):
    """The page cannot be written there."""

    code = "unwritable_picture"


def show(
    *,
    tenants: Path | None = None,
    product: str | None = None,
    release: str | None = None,
    config: Path | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    days: int = DAYS,
    duration: str | None = None,
    zone: str = "UTC",
    html: Path | None = None,
    json: Flag = False,
) -> None:
    """Draw tenants by day: windows, blackouts, freezes and planned slots. Nothing is touched.

    Of a directory and its calendars, as `plan` plans them; of a product, as its next release would be planned; or of a
    release, as it is planned.

    Parameters
    ----------
    tenants
        A tenant directory; calendars are relative to it.
    product
        Whose tenants, when no file is given.
    release
        A release that has a plan: its waves are shown.
    config
        stationmaster.yaml, for ring order, soak, capacity and shared calendars; of a product that of `main` unless
        given.
    from_
        The instant to plan from; now unless given. Of a release, the first slot if that was before.
    days
        How many days.
    duration
        How long a wave takes, as 45m; as configured unless given.
    zone
        The IANA zone whose days are the columns.
    html
        Write a page with the picture to this file, instead of text.
    json
        One object on standard output.
    """
    from stationmaster.cli import picturing  # noqa: PLC0415 - numpy and calendars cost half a second
    from stationmaster.domain.calendar_picture import record  # noqa: PLC0415

    if tenants and (product or release):
        raise InputError("--tenants is a what-if from files; it is of no product and no release", hint="leave one out")
    begin = typed_begin(from_) if from_ else None
    if not 1 <= days <= _LONGEST:
        raise InputError(f"--days {days}: a picture shows 1 to {_LONGEST}", hint=f"--days {DAYS}")
    shown = picturing.Shown(begin, timedelta(days=days), _zone(zone), typed_slot(duration))
    if tenants:
        found = picturing.of_files(tenants, config, shown)
    elif release:
        found = picturing.of_release(product, release, shown)
    else:
        found = picturing.of_product(product, config, shown)
    if html:
        _write(found, html)
    answer({**record(found), "html": str(html) if html else None}, as_json=json, text=_text(found, html))


def _text(picture: "Picture", html: Path | None) -> str:
    from stationmaster.domain.calendar_picture_text import text  # noqa: PLC0415

    least, most = _COLUMNS
    return str(html) if html else text(picture, min(max(get_terminal_size((100, 24)).columns, least), most))


def _write(picture: "Picture", file: Path) -> None:
    from stationmaster.domain.calendar_picture_html import html  # noqa: PLC0415 - text needs no jinja2

    try:
        file.write_text(html(picture), "utf-8")
    except OSError as error:
        raise UnwritablePictureError(f"it cannot be written: {error.strerror}", file=str(file)) from error


def _zone(name: str) -> str:
    try:
        return known_zone(name)
    except ValueError as error:
        raise InputError(f"--zone: {error}", hint="--zone Europe/Berlin") from None
