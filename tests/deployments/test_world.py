"""Whose sandbox a home folder may have, and what is kept from the last time; the whole of it is walked by a story."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from stationmaster.blocks.settings import ProductSecrets
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.toolbox import remember
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.sandbox.databases import DatabaseNameError, database_of, must_have_names
from stationmaster.deployments.sandbox.repository import Repository
from stationmaster.deployments.sandbox.world import OtherSandboxError, kept_environment, must_be_free
from stationmaster.domain.documents import read
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory
from tests.shop import PRODUCT, product


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))


def sandbox_of(product: str | None, run: Path) -> None:
    run.mkdir(exist_ok=True)
    Descriptor(run=str(run), supervisor="/s", prefect_ui="http://p", prefect_auth="/a", product=product).save()


def known_from(folder: str) -> None:
    remember("source", "shop", GitRepository(url=folder, mirror="/m"))


def test_a_home_without_a_sandbox_takes_any(tmp_path: Path) -> None:
    must_be_free("shop", tmp_path)
    sandbox_of(None, tmp_path / "run")
    must_be_free("shop", tmp_path)


def test_the_sandbox_of_the_same_repository_goes_on(tmp_path: Path) -> None:
    sandbox_of("shop", tmp_path / "run")
    known_from(str(tmp_path))
    must_be_free("shop", tmp_path)


def test_a_second_product_is_refused_with_two_ways_out(tmp_path: Path) -> None:
    sandbox_of("orderdesk", tmp_path / "run")
    with pytest.raises(OtherSandboxError, match="the sandbox of orderdesk") as found:
        must_be_free("shop", tmp_path)
    assert "down --delete" in str(found.value.hint)
    assert "STATIONMASTER_HOME" in str(found.value.hint)


def test_one_whose_data_is_gone_is_in_nobodys_way(tmp_path: Path) -> None:
    sandbox_of("orderdesk", tmp_path / "run")
    (tmp_path / "run").rmdir()
    must_be_free("shop", tmp_path)


def test_the_same_name_from_elsewhere_is_refused(tmp_path: Path) -> None:
    known_from("/elsewhere")
    with pytest.raises(OtherSandboxError, match="/elsewhere"):
        must_be_free("shop", tmp_path)


def test_the_environment_is_kept_until_another_is_given() -> None:
    assert kept_environment("shop") == {}
    given = {"FLAGS_FILE": SecretStr("/run/flags.json"), "TOKEN": SecretStr("x")}
    remember("secrets", "shop", ProductSecrets(environment=given))
    assert kept_environment("shop") == {"TOKEN": SecretStr("x")}


def test_every_instance_has_a_database_of_its_own_however_long_its_name() -> None:
    assert database_of(product(), "my-tenant") == "shop_my_tenant"
    long = product().model_copy(update={"product": "p" * 63})
    names = [database_of(long, "t" * 62 + last) for last in "ab"]
    assert len(set(names)) == len(names)
    assert {len(name) for name in names} == {63}


def test_a_tenant_of_its_own_database_may_not_have_a_name_that_is_cut(tmp_path: Path) -> None:
    text = PRODUCT.replace("{migrations: migrations}", "{migrations: m, tenancy: database}")
    document = read(Product, text, "stationmaster.yaml")
    tenants = Directory.model_validate({"tenants": [{"id": "t" * 60, "name": "T", "ring": "pilot"}]})
    found = Repository(tmp_path, tmp_path / "tenants.yaml", document, tenants)
    assert database_of(found.product, "cloud") == "shop_cloud_{tenant}"
    with pytest.raises(DatabaseNameError, match="would cut the name"):
        must_have_names(found)
