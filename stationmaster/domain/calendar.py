"""Whether a tenant may be touched at an instant.

The thin gate of `docs/reference/plan.md`: the key `window` of the tenant, open or closed. Calendars come later
behind the same question; whatever cannot be answered is closed.
"""

from datetime import datetime

from stationmaster.domain.tenants import Tenant
from stationmaster.domain.window import Window


def window(tenant: Tenant, at: datetime) -> Window:  # noqa: ARG001 - calendars will ask for the instant
    """Whether the tenant's window is open at an aware instant; asked again before every act."""
    if tenant.window == "open":
        return Window(open=True, reason=f"the window of {tenant.id} is open")
    return Window(open=False, reason=f"the window of {tenant.id} is closed: its key `window` does not say open")
