"""Plans of tenants who are open at any time, unless a test says otherwise."""

from datetime import UTC, datetime
from typing import Any

from stationmaster.domain.agenda import Agenda, agenda
from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.plan import Plan
from stationmaster.domain.plan import plan as _plan
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ANY_TIME = (Named("any-time.yaml", Calendar(timezone="UTC", default="open")),)


def open_to_all(product: Product, directory: Directory) -> Agenda:
    return agenda(product, dict.fromkeys((one.id for one in directory.tenants), ANY_TIME))


def plan(product: Product, directory: Directory, running: dict[str, str], digest: str, **more: Any) -> Plan:
    """`domain/plan.plan` at AT."""
    given = {"agenda": open_to_all(product, directory), "at": AT, **more}
    return _plan(product, directory, running, digest, **given)
