"""The database block and the product's file must say the same of how tenants live."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from stationmaster.blocks.homes import TenancyError, databases_of, every_database, homes_of
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.domain.documents import read
from stationmaster.domain.product import Product
from tests.shop import PRODUCT, TENANTS


def product(tenancy: str) -> Product:
    text = PRODUCT.replace("{migrations: migrations}", f"{{migrations: m, tenancy: {tenancy}}}")
    return read(Product, text, "stationmaster.yaml").value


def tools(tmp_path: Path, **urls: str) -> Any:
    (tmp_path / "tenants.yaml").write_text(TENANTS)
    databases = {name: SecretStr(f"postgresql://app@db/{url}") for name, url in urls.items()}
    directory = YamlDirectory(path=str(tmp_path / "tenants.yaml"))
    return SimpleNamespace(database=SimpleNamespace(databases=databases), tenants=directory)


def test_tenants_that_share_have_the_database_of_their_instance(tmp_path: Path) -> None:
    found = tools(tmp_path, stage="s", cloud="c", cedar="d")
    (tmp_path / "tenants.yaml").unlink()  # it is not asked
    assert every_database(found, product("shared")) == ["cedar", "cloud", "stage"]
    assert databases_of(found, product("shared"), "cloud", ["acme", "birch"]) == {"cloud": None}


def test_a_schema_each(tmp_path: Path) -> None:
    found = tools(tmp_path, stage="s", cloud="c", cedar="d")
    assert every_database(found, product("schema")) == ["cedar.cedar", "cloud.acme", "cloud.birch", "stage.stage-probe"]
    assert databases_of(found, product("schema"), "cloud", ["acme"]) == {"cloud.acme": "acme"}
    assert databases_of(found, product("schema"), "cloud") == {}
    assert databases_of(found, product("schema"), "stage") == {"stage.stage-probe": None}


def test_a_database_each_but_where_the_address_is_of_one_alone(tmp_path: Path) -> None:
    found = tools(tmp_path, stage="s", cloud="c_{tenant}", cedar="d")
    assert every_database(found, product("database")) == ["cedar", "cloud.acme", "cloud.birch", "stage"]
    found = tools(tmp_path, stage="s_{tenant}", cloud="c_{tenant}", cedar="d_{tenant}")
    assert every_database(found, product("database")) == [
        "cedar.cedar", "cloud.acme", "cloud.birch", "stage.stage-probe",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tenancy", "cloud", "why"),
    [
        ("database", "c", "the address of 'cloud' in the database block has no {tenant}"),
        ("schema", "c_{tenant}", "has {tenant} in it, and the product says `tenancy: schema`"),
        ("shared", "c_{tenant}", "has {tenant} in it, and the product says `tenancy: shared`"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, tenancy: str, cloud: str, why: str) -> None:
    with pytest.raises(TenancyError) as refused:
        homes_of(tools(tmp_path, stage="s", cloud=cloud, cedar="d"), product(tenancy))
    assert why in refused.value.message
