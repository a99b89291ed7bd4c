"""What `plan` does: files in, waves out."""

from datetime import datetime
from pathlib import Path

from stationmaster.blocks.calendars import load_calendars
from stationmaster.domain.agenda import Agenda, shared_calendars
from stationmaster.domain.calendar import Named
from stationmaster.domain.candidates import Openings, candidates, limits
from stationmaster.domain.documents import Document, DocumentError, check_directory, read
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.located import Problem
from stationmaster.domain.product import Product
from stationmaster.domain.slots import Limits, Slotted, lay_out, ring_order
from stationmaster.domain.tenants import Directory
from stationmaster.domain.zones import known_zones

SLOT = 2700  # seconds that a wave takes where nothing says otherwise


def planned(tenants: Path, config: Path | None, sent: datetime, end: datetime, duration: int | None) -> Slotted:
    """The plan of the files between two instants in whole seconds.

    Raises:
        InputError: a file cannot be read, or a wave takes longer than the plan.
        DocumentError: the tenant directory or the configuration is wrong. A wrong calendar is no error: its tenants
            are without a slot.
    """
    directory = read(Directory, _text(tenants), str(tenants))
    within = (int(sent.timestamp()), int(end.timestamp()))
    calendars = load_calendars(directory.value.tenants, tenants.parent, str(tenants)) | _pinned(directory)
    if config is None:
        _check_alone(directory)
        rings, kept = ring_order(tenant.ring for tenant in directory.value.tenants), Limits(duration or SLOT)
    else:
        product = read(Product, _text(config), str(config)).value
        check_directory(product, directory)
        calendars = Agenda(calendars, shared_calendars(product, "production", str(config))).every()
        rings, kept = tuple(ring.name for ring in product.rings), limits(product, duration, *within, str(config))
    if kept.duration > within[1] - within[0]:
        raise InputError(f"a wave of {kept.duration} seconds is longer than the plan", hint="give it more --days")
    every = candidates(directory.value.tenants, calendars, Openings(*within), sent, kept.duration)
    return lay_out(every, rings, kept, *within)


def _pinned(directory: Document[Directory]) -> dict[str, tuple[Named, ...] | str]:
    """Who stays on its version, in the place of its calendars."""
    pinned = [tenant for tenant in directory.value.tenants if tenant.pinned is not None]
    return {one.id: f"{directory.file}: tenant {one.id} is pinned to version {one.pinned}" for one in pinned}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8: byte {error.start}", file=str(path), hint="save it as UTF-8") from None


def _check_alone(directory: Document[Directory]) -> None:
    """What can be wrong of a directory without a configuration that names the rings."""
    first: dict[str, int | None] = {}
    problems = []
    for index, tenant in enumerate(directory.value.tenants):
        line = directory.line("tenants", index, "id")
        if tenant.id in first:
            message = f"tenant {tenant.id!r}: the id is given twice, first in line {first[tenant.id]}"
            problems.append(Problem(line, message))
        if tenant.timezone not in known_zones():
            message = f"tenant {tenant.id!r}: unknown IANA zone {tenant.timezone!r}"
            near = nearest(tenant.timezone, known_zones())
            problems.append(Problem(directory.line("tenants", index, "timezone"), message, near))
        first.setdefault(tenant.id, line)
    if problems:
        raise DocumentError(directory.file, problems)
