import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from stationmaster.domain.tenants import SHARED, Directory, Id, Tenant

ID: TypeAdapter[str] = TypeAdapter(Id)


def test_a_tenant_is_closed_and_in_the_cloud_unless_stated() -> None:
    tenant = Tenant(id="acme", name="Acme", ring="pilot")
    assert (tenant.calendar, tenant.hosting, tenant.instance, tenant.timezone) == (None, "cloud", SHARED, "UTC")


def test_a_dedicated_tenant_has_its_own_instance() -> None:
    assert Tenant(id="acme", name="Acme", ring="pilot", hosting="dedicated").instance == "acme"


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True))
def test_ids(text: str) -> None:
    assert ID.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "Acme", "-acme", "a_b", "a b", 64 * "a", "ä", "acme\n"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValidationError):
        ID.validate_python(text)


def test_a_directory_has_somebody_and_nothing_unknown() -> None:
    with pytest.raises(ValidationError):
        Directory(tenants=())
    with pytest.raises(ValidationError):
        Tenant.model_validate({"id": "acme", "name": "Acme", "ring": "pilot", "rnig": "pilot"})
    with pytest.raises(ValidationError):
        Tenant.model_validate({"id": "acme", "name": "Acme", "ring": "pilot", "window": "ajar"})
