"""The calendars of tenants, from files beside the tenant directory or written in it.

What cannot be read costs its own tenants their calendar and nobody else's; they get the reason instead, and whoever
has no calendar is closed.
"""

from collections.abc import Iterable
from pathlib import Path

from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.calendar_files import read_calendar
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.tenants import Tenant

Found = tuple[Named, ...] | str  # the calendars, or in words why there are none


def load_calendars(tenants: Iterable[Tenant], folder: Path | None, file: str) -> dict[str, Found]:
    """Tenant to its calendars, or to the reason why it has none. Paths are relative to the folder; without one only
    calendars that are written in the directory count. `file` is what the directory is called. Each file is read once,
    and tenants who share it share the answer.
    """
    known: dict[str, Found] = {}
    return {tenant.id: _of(tenant, folder, file, known) for tenant in tenants}


def _of(tenant: Tenant, folder: Path | None, file: str, known: dict[str, Found]) -> Found:
    if tenant.calendar is None:
        return f"{file}: tenant {tenant.id} has no calendar"
    if isinstance(tenant.calendar, Calendar):
        return (Named(f"{file}:{tenant.id}", tenant.calendar),)
    if folder is None:
        return f"{tenant.calendar} cannot be read: {file} has no folder with calendar files"
    if tenant.calendar not in known:
        known[tenant.calendar] = _read(folder, tenant.calendar)
    return known[tenant.calendar]


def _read(folder: Path, name: str) -> Found:
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
    except ValueError as error:  # not UTF-8, or no path at all
        return f"{name} cannot be read: {error}"
    try:
        return (Named(name, read_calendar(text, name).value),)
    except DocumentError as error:
        return "; ".join(str(error).splitlines())
