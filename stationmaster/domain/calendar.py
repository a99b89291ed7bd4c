"""Whether a tenant may be touched at an instant.

The thin gate of `docs/reference/plan.md`: the key `window` of the tenant, open or closed. Calendars come later
behind the same question; whatever cannot be answered is closed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from stationmaster.domain.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Window:
    """The answer, with its reason. `until` is when it changes; None when that is not known."""

    open: bool
    reason: str
    until: datetime | None = None


def window(tenant: Tenant, at: datetime) -> Window:  # noqa: ARG001 - calendars will ask for the instant
    """Whether the tenant's window is open at an aware instant; asked again before every act."""
    if tenant.window == "open":
        return Window(open=True, reason=f"the window of {tenant.id} is open")
    return Window(open=False, reason=f"the window of {tenant.id} is closed: its key `window` does not say open")


def all_of(answers: Iterable[Window]) -> Window:
    """Several answers as one: open, as the first says, only if all are open; closed for the reasons of all that are
    closed, until the last of them opens, or None when one of them does not say when.
    """
    asked = [*answers, Window(open=True, reason="nothing closes it")]
    closed = [answer for answer in asked if not answer.open]
    if not closed:
        return asked[0]
    ends = [answer.until for answer in closed if answer.until is not None]
    until = max(ends) if len(ends) == len(closed) else None
    return Window(open=False, reason=", and ".join(answer.reason for answer in closed), until=until)
