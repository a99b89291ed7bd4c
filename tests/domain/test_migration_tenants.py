"""Which schema each tenant has."""

import pytest

from stationmaster.domain.migration_tenants import Job, TenantSchemasError, address, by_directory, by_names, has_hole


def test_a_directory_gives_rings_in_its_order() -> None:
    found = by_directory([("acme", "pilots"), ("globex", "all"), ("initech", "pilots")], "t_{tenant}")
    assert found == [
        ("pilots", [Job("acme", "t_acme"), Job("initech", "t_initech")]),
        ("all", [Job("globex", "t_globex")]),
    ]
    assert by_directory([("acme", "pilots")], None) == [("pilots", [Job("acme")])]


def test_a_name_without_a_place_for_the_tenant_would_be_one_schema_for_all() -> None:
    with pytest.raises(TenantSchemasError, match="'tenants' does not say where"):
        by_directory([("acme", "pilots")], "tenants")


def test_patterns_find_schemas_once_each() -> None:
    assert by_names(["t_*", "t_a"], ["t_b", "t_a", "public"]) == [(None, [Job("t_a", "t_a"), Job("t_b", "t_b")])]


def test_a_pattern_that_finds_none_is_wrong() -> None:
    with pytest.raises(TenantSchemasError, match="no schema 'tenant_acm'") as caught:
        by_names(["tenant_acm"], ["tenant_acme", "public"])
    assert caught.value.hint == "did you mean 'tenant_acme'?"


def test_an_address_has_a_place_for_the_tenant_or_not() -> None:
    assert has_hole("postgresql://app@db/shop_{tenant}")
    assert not has_hole("postgresql://app@db/shop")
    assert address("postgresql://app@db/shop_{tenant}", "acme") == "postgresql://app@db/shop_acme"
