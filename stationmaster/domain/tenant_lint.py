"""What is wrong or suspicious of a tenant directory: findings with file, line and the way out. What runs is given."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from stationmaster.domain.agenda import Calendars
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.calendar_slots import HORIZON, Nowhere, next_slot
from stationmaster.domain.documents import Document, DocumentError, check_directory
from stationmaster.domain.errors import StationmasterError, nearest
from stationmaster.domain.product import Product, Ring
from stationmaster.domain.tenants import Directory

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a tenant or the whole directory. An `error` stops every release, a `warning` makes one wonder."""

    level: Level
    message: str
    file: str | None = None
    line: int | None = None
    tenant: str | None = None
    hint: str | None = None

    def record(self) -> dict[str, Any]:
        """For a program."""
        return asdict(self)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.level}: {self.message}" + (f" ({self.hint})" if self.hint else "")


def of_error(error: StationmasterError) -> list[Finding]:
    """An error as findings: of a document every problem, of another the one."""
    if isinstance(error, DocumentError):
        return [Finding("error", one.message, error.file, one.line, hint=one.hint) for one in error.problems]
    return [Finding("error", error.message, error.file, error.line, hint=error.hint)]


def wrong(directory: Document[Directory], product: Product | None) -> list[Finding]:
    """What no release accepts. Without a product every ring is right."""
    known = product or _with_rings({tenant.ring for tenant in directory.value.tenants})
    try:
        check_directory(known, directory)
    except DocumentError as error:
        return of_error(error)
    return []


def empty_rings(directory: Document[Directory], product: Product) -> Iterator[Finding]:
    """Rings that no tenant is in."""
    taken = {tenant.ring for tenant in directory.value.tenants}
    for ring in product.rings:
        if ring.name not in taken:
            yield Finding(
                "warning",
                f"no tenant is in ring {ring.name!r} of stationmaster.yaml",
                directory.file,
                hint="what a ring would find out, the next one finds out",
            )


def pins(directory: Document[Directory], running: Mapping[str, str]) -> Iterator[Finding]:
    """Tenants pinned to what they do not run. `running` maps tenants to versions."""
    for index, tenant in enumerate(directory.value.tenants):
        runs = running.get(tenant.id)
        if tenant.pinned is None or tenant.pinned == runs:
            continue
        if tenant.pinned in running.values():
            said = f"is pinned to {tenant.pinned} and runs {runs or 'nothing yet'}"
            yield about(directory, index, "pinned", said, "no release moves it; roll back, or change `pinned`")
        else:
            said = f"is pinned to {tenant.pinned}, which nobody runs"
            yield about(directory, index, "pinned", said, nearest(tenant.pinned, set(running.values())))


def windows(
    directory: Document[Directory], calendars: Mapping[str, Calendars | str], at: datetime, length: timedelta
) -> Iterator[Finding]:
    """Tenants whom no release can reach: without a calendar, with one that cannot be used, or without a slot of that
    length within HORIZON from an aware instant on.
    """
    known: dict[int, tuple[str, ...]] = {}
    for index, tenant in enumerate(directory.value.tenants):
        mine = calendars[tenant.id]
        if tenant.calendar is None:
            yield about(directory, index, "id", "has no calendar: it is closed for ever", "give it a `calendar`")
        elif isinstance(mine, str):
            yield about(directory, index, "calendar", f"is closed: {mine}", level="error")
        else:
            if id(mine) not in known:  # who shares a file shares the tuple
                known[id(mine)] = _in_the_way(mine, at, length)
            if known[id(mine)]:
                named, minutes = ", ".join(known[id(mine)]), length // timedelta(minutes=1)
                said = f"has no slot of {minutes} min within {HORIZON.days} days: closed by {named}"
                yield about(directory, index, "calendar", said, "agree on a window with the customer")


def _in_the_way(calendars: Calendars, at: datetime, length: timedelta) -> tuple[str, ...]:
    """What keeps closed who has no slot; nothing if there is one."""
    try:
        found = next_slot(calendars, length, at, HORIZON)
    except UnknownDaysError as error:
        return (error.message,)
    return (found.why or ("windows that are shorter",)) if isinstance(found, Nowhere) else ()


def about(
    directory: Document[Directory],
    index: int,
    key: str,
    said: str,
    hint: str | None = None,
    *,
    level: Level = "warning",
) -> Finding:
    """Something about one key of a tenant."""
    tenant = directory.value.tenants[index].id
    line = directory.line("tenants", index, key)
    return Finding(level, f"tenant {tenant!r} {said}", directory.file, line, tenant, hint)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By file and line; what has none first."""
    return sorted(findings, key=lambda one: (one.file or "", one.line or 0))


def _with_rings(names: set[str]) -> Product:
    values: dict[str, Any] = {"rings": tuple(Ring(name=name) for name in sorted(names))}
    return Product.model_construct(**values)  # of which nothing but the rings is asked
