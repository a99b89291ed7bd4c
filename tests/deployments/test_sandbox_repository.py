"""What is read of a product before its sandbox is begun, and how it is refused."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from stationmaster.deployments.adoption.detection import NotARepositoryError
from stationmaster.deployments.sandbox.repository import (
    EnvFileError,
    NotAdoptedError,
    NotCommittedError,
    SecretMissingError,
    read_environment,
    read_repository,
)
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.errors import StationmasterError
from tests.repository import Repository
from tests.shop import FLAGS, PRODUCT, TENANTS

FILES = {"stationmaster.yaml": PRODUCT, "tenants.yaml": TENANTS, "flags.json": FLAGS}
WITH_SECRET = PRODUCT.replace("path: /order}", 'path: /order, headers: {A: "{secret:PROBE}"}}')


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    made = Repository.begin(tmp_path / "shop")
    made.commit("all", FILES)
    return made


def refused(error: type[StationmasterError], folder: Path) -> StationmasterError:
    with pytest.raises(error) as found:
        read_repository(folder)
    assert found.value.hint
    return found.value


def test_a_product_says_its_name_its_instances_and_what_to_release(shop: Repository) -> None:
    found = read_repository(shop.path)
    assert (found.name, found.instances, found.ref) == ("shop", ["stage", "cloud", "cedar"], "main")
    assert found.tenants == shop.path / "tenants.yaml"


def test_without_a_branch_the_commit_is_what_to_release(shop: Repository) -> None:
    commit = shop.commit()
    shop.git("checkout", "--quiet", "--detach")
    assert read_repository(shop.path).ref == commit


def test_a_file_is_read_as_it_was_committed(shop: Repository) -> None:
    (shop.path / "flags.json").write_text("{}")
    found = read_repository(shop.path)
    assert found.committed("flags.json") == FLAGS
    with pytest.raises(NotCommittedError):
        found.committed("no.json")


def test_the_tenants_may_lie_elsewhere(shop: Repository, tmp_path: Path) -> None:
    (tmp_path / "others.yaml").write_text("tenants: [{id: dune, name: Dune, ring: pilot, hosting: dedicated}]")
    assert read_repository(shop.path, tmp_path / "others.yaml").instances == ["stage", "cloud", "dune"]


def test_a_folder_that_is_no_root_of_a_repository_is_refused(shop: Repository, tmp_path: Path) -> None:
    assert "no folder" in refused(NotARepositoryError, tmp_path / "away").message
    (tmp_path / "bare").mkdir()
    assert "git init" in str(refused(NotARepositoryError, tmp_path / "bare").hint)
    (shop.path / "inner").mkdir()
    assert str(shop.path) in str(refused(NotARepositoryError, shop.path / "inner").hint)


@pytest.mark.parametrize("name", ["stationmaster.yaml", "tenants.yaml"])
def test_a_missing_file_is_named_with_the_command_that_writes_it(shop: Repository, name: str) -> None:
    (shop.path / name).unlink()
    found = refused(NotAdoptedError, shop.path)
    assert (found.file, found.hint) == (str(shop.path / name), "stationmaster init")


def test_a_file_that_is_no_text_is_named(shop: Repository) -> None:
    (shop.path / "tenants.yaml").write_bytes(b"\xff")
    assert "UTF-8" in refused(NotAdoptedError, shop.path).message


def test_a_wrong_key_and_an_unknown_ring_are_told_with_their_lines(shop: Repository) -> None:
    (shop.path / "tenants.yaml").write_text(TENANTS.replace("broad", "braod", 1))
    with pytest.raises(DocumentError, match="braod") as found:
        read_repository(shop.path)
    assert (found.value.file, found.value.line) == (str(shop.path / "tenants.yaml"), 3)
    (shop.path / "stationmaster.yaml").write_text(PRODUCT.replace("checks:", "chekcs:"))
    with pytest.raises(DocumentError, match="chekcs") as wrong:
        read_repository(shop.path)
    assert wrong.value.line == 3


def test_without_a_commit_there_is_nothing_to_release(tmp_path: Path) -> None:
    made = Repository.begin(tmp_path / "shop")
    for name, text in FILES.items():
        (made.path / name).write_text(text)
    assert "no commit" in refused(NotCommittedError, made.path).message
    made.git("add", "flags.json")
    made.git("commit", "--quiet", "-m", "flags only")
    assert refused(NotCommittedError, made.path).file == str(made.path / "stationmaster.yaml")


def test_a_secret_that_nobody_gave_is_named_with_its_line_and_how_to_give_it(shop: Repository) -> None:
    (shop.path / "stationmaster.yaml").write_text(WITH_SECRET)
    found = read_repository(shop.path)
    with pytest.raises(SecretMissingError, match="PROBE") as missing:
        found.given({"PROB": SecretStr("x")})
    assert (missing.value.file, missing.value.line) == (str(shop.path / "stationmaster.yaml"), 7)
    assert "PROBE=VALUE" in str(missing.value.hint)
    assert "--env-file" in str(missing.value.hint)
    assert "'PROB'" in str(missing.value.hint)
    given = found.given({"PROBE": SecretStr("x"), "OTHER": SecretStr("y")})
    assert (set(given.journey_secrets), set(given.environment)) == ({"PROBE"}, {"PROBE", "OTHER"})


def test_an_environment_is_lines_of_name_and_value(tmp_path: Path) -> None:
    file = tmp_path / "e.env"
    file.write_text("# of the shop\n\nA=1\nB=x=y # z\nC=\n")
    given = {name: value.get_secret_value() for name, value in read_environment(file).items()}
    assert given == {"A": "1", "B": "x=y # z", "C": ""}


def test_a_line_that_is_none_is_named_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "e.env"
    file.write_text("A=1\nexport B=hunter2\n")
    with pytest.raises(EnvFileError) as found:
        read_environment(file)
    assert (found.value.file, found.value.line) == (str(file), 2)
    assert "hunter2" not in str(found.value)
    with pytest.raises(EnvFileError, match="No such file"):
        read_environment(tmp_path / "away")
