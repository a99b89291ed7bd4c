"""When the tenants of a directory may be reached: their calendar files read, beside what the product says for all."""

from pathlib import Path
from typing import Protocol

from stationmaster.blocks.calendars import load_calendars
from stationmaster.domain.agenda import Agenda, agenda
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory


class Tenants(Protocol):
    """A tenant directory, wherever it lies."""

    @property
    def calendar_folder(self) -> Path | None:
        """Where the calendar files are that tenants name."""


def agenda_of(tenants: Tenants, directory: Directory, product: Product) -> Agenda:
    """The agenda of a product's tenants in production, as it is now."""
    return agenda(product, load_calendars(directory.tenants, tenants.calendar_folder, "tenants"))


def own_agenda(tenants: Tenants, directory: Directory) -> Agenda:
    """The same by the tenants' own calendars alone, for what asks no repository."""
    return Agenda(load_calendars(directory.tenants, tenants.calendar_folder, "tenants"))
