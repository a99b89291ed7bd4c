"""When the tenants of a directory may be reached: their calendars read, beside what the product says for everybody."""

from collections.abc import Mapping
from datetime import datetime

from stationmaster.blocks.toolbox import TenantDirectory
from stationmaster.domain.agenda import Agenda, agenda
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory


def agenda_of(
    tenants: TenantDirectory, directory: Directory, product: Product, sent: Mapping[str, datetime] | None = None
) -> Agenda:
    """The agenda of a product's tenants in production, as it is now; `sent` is when each one's notice is taken to be
    sent.
    """
    return agenda(product, tenants.calendars_of(directory.tenants), directory.tenants, sent)


def own_agenda(tenants: TenantDirectory, directory: Directory) -> Agenda:
    """The same by the tenants' own calendars alone, for what asks no repository."""
    return Agenda(tenants.calendars_of(directory.tenants))
