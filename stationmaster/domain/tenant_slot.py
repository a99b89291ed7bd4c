"""Where a tenant's next slot is for what is announced now, and if nowhere, what keeps the tenant out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from stationmaster.domain.agenda import Calendars
from stationmaster.domain.calendar_answers import notice_days
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.calendar_slots import HORIZON, Nowhere, Slot, next_slot
from stationmaster.domain.candidates import earliest
from stationmaster.domain.freeze import Freeze
from stationmaster.domain.tenants import Tenant


def slot_of(
    tenant: Tenant, calendars: Calendars | str, freezes: Sequence[Freeze], at: datetime, length: timedelta
) -> Slot | Nowhere:
    """The first slot of that length for a release that is announced at an aware instant: after the notice, and after
    the ends of the `freezes` that close the tenant. None is looked for further than HORIZON from there.
    """
    if tenant.pinned is not None:
        return Nowhere((f"it is pinned to {tenant.pinned}",))
    if endless := [freeze.window.reason for freeze in freezes if freeze.until is None]:
        return Nowhere(tuple(sorted(endless)))
    if isinstance(calendars, str):
        return Nowhere((calendars,))
    ends = [freeze.until for freeze in freezes if freeze.until is not None]
    try:
        return next_slot(calendars, length, max([at, _noticed(tenant, calendars, at), *ends]), HORIZON)
    except UnknownDaysError as error:
        return Nowhere((error.message,))


def _noticed(tenant: Tenant, calendars: Calendars, at: datetime) -> datetime:
    days = max(tenant.notice_days, notice_days(calendars))
    return datetime.fromtimestamp(earliest(at, days, calendars[0].calendar.timezone), UTC) if days else at
