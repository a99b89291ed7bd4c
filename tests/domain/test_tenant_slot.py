"""Where a tenant's next slot is: after its notice, after what is frozen, in its calendars; or why nowhere."""

from datetime import UTC, datetime, timedelta

import pytest

from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.calendar_slots import Nowhere, Slot
from stationmaster.domain.freeze import Freeze
from stationmaster.domain.tenant_slot import slot_of
from stationmaster.domain.tenants import Tenant

AT = datetime(2026, 11, 24, 21, 30, 0, 500, tzinfo=UTC)
HOUR = timedelta(hours=1)


def calendar(**more: object) -> tuple[Named, ...]:
    given = {"timezone": "Europe/Berlin", "default": "open", **more}
    return (Named("acme.yaml", Calendar.model_validate(given)),)


def tenant(**more: object) -> Tenant:
    return Tenant.model_validate({"id": "acme", "name": "Acme", "ring": "pilot", **more})


def freeze(until: datetime | None) -> Freeze:
    return Freeze("env:production", "ERP is down", "2026-11-24T20:00:00Z", until, 7)


def test_who_is_always_open_has_a_slot_at_the_next_whole_second() -> None:
    start = datetime(2026, 11, 24, 21, 30, 1, tzinfo=UTC)
    assert slot_of(tenant(), calendar(), (), AT, HOUR) == Slot(start, start + HOUR)


@pytest.mark.parametrize(("own", "calendars", "day"), [(10, 0, 4), (0, 10, 4), (3, 12, 6), (1, 0, 25)])
def test_the_longest_notice_ends_at_a_local_midnight(own: int, calendars: int, day: int) -> None:
    found = slot_of(tenant(notice_days=own), calendar(min_notice_days=calendars), (), AT, HOUR)
    assert isinstance(found, Slot)
    berlin = found.start + timedelta(hours=1)
    assert (berlin.day, berlin.hour, berlin.minute) == (day, 0, 0)


def test_a_freeze_with_an_end_moves_the_slot_behind_it() -> None:
    ends = AT + timedelta(days=3)
    found = slot_of(tenant(notice_days=1), calendar(), (freeze(ends), freeze(AT + HOUR)), AT, HOUR)
    assert isinstance(found, Slot)
    assert found.start == ends.replace(microsecond=0, second=1)


def test_what_has_no_end_is_the_reason() -> None:
    frozen = "production is frozen: ERP is down"
    assert slot_of(tenant(), calendar(), (freeze(AT + HOUR), freeze(None)), AT, HOUR) == Nowhere((frozen,))
    assert slot_of(tenant(pinned="1.4.0"), calendar(), (), AT, HOUR) == Nowhere(("it is pinned to 1.4.0",))
    assert slot_of(tenant(), "acme has no calendar", (), AT, HOUR) == Nowhere(("acme has no calendar",))
    assert slot_of(tenant(), calendar(default="closed"), (), AT, HOUR) == Nowhere(("acme.yaml#default",))
