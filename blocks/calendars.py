"""The calendars of tenants, from files beside the tenant directory or written in it.

What cannot be read costs its own tenants their calendar and nobody else's; they get the reason instead, and whoever
has no calendar is closed.
"""

from collections.abc import Iterable
from pathlib import Path

from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.calendar_files import LARGEST, read_calendar, text_of
from stationmaster.domain.documents import Document, DocumentError
from stationmaster.domain.tenants import Tenant

_TOLD, _LONGEST = 10, 200  # problems of one file; characters of a name
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
    if out := leads_out(tenant.calendar):
        return out
    if folder is None:
        return f"{tenant.calendar} cannot be read: {file} has no folder with calendar files"
    if tenant.calendar not in known:
        known[tenant.calendar] = _read(folder, tenant.calendar)
    return known[tenant.calendar]


def leads_out(name: str) -> str:
    """Why a calendar file is not looked for; nothing if it is. Who may write a tenant must not read our files so."""
    path = Path(name)
    return f"{name[:_LONGEST]} leads out of the folder of calendars" if path.is_absolute() or ".." in path.parts else ""


def read_file(path: Path, name: str) -> Document[Calendar]:
    """A calendar file; no more of it is read than a calendar may have. `name` is what it is called.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8, or no path at all.
        DocumentError: it is wrong, or too large.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    return read_calendar(text_of(content, name), name)


def _read(folder: Path, name: str) -> Found:
    try:
        return (Named(name, read_file(folder / name, name).value),)
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
    except ValueError as error:
        return f"{name} cannot be read: {error}"
    except DocumentError as error:
        lines = str(error).splitlines()
        more = [f"and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
        return "; ".join([*lines[:_TOLD], *more])
