"""The thin gate: open only when the tenant says so."""

from datetime import UTC, datetime

from stationmaster.domain.calendar import window
from stationmaster.domain.tenants import Tenant

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_open_when_the_tenant_says_so() -> None:
    assert window(Tenant(id="acme", name="Acme", ring="pilot", window="open"), AT).open


def test_closed_unless_stated_with_a_reason_that_names_the_tenant() -> None:
    answer = window(Tenant(id="acme", name="Acme", ring="pilot"), AT)
    assert not answer.open
    assert "acme" in answer.reason
    assert answer.until is None
