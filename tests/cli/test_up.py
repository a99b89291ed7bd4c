"""`up FOLDER` refuses what is wrong before anything starts, as a file, a line and a way out."""

from pathlib import Path

import pytest

from stationmaster.deployments import stack
from stationmaster.deployments.descriptor import Descriptor
from tests.cli.conftest import Desk
from tests.shop import TENANTS


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object) -> Descriptor:
        pytest.fail("something was started")

    monkeypatch.setattr(stack, "bring_up", started)


@pytest.fixture(autouse=True)
def _tenants(desk: Desk) -> None:
    (desk.repository.path / "tenants.yaml").write_text(TENANTS)


def test_a_folder_without_a_repository_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.run("up", str(tmp_path / "away"), "--json").refused(2, "not_a_repository", "away")


def test_a_repository_that_was_not_adopted_is_led_to_init(desk: Desk) -> None:
    (desk.repository.path / "stationmaster.yaml").unlink()
    found = desk.run("up", str(desk.repository.path), "--json")
    found.refused(2, "not_adopted", "stationmaster init", "stationmaster.yaml")


def test_a_mistake_is_told_with_its_line(desk: Desk) -> None:
    (desk.repository.path / "tenants.yaml").write_text("tenants:\n  - {id: acme, name: Acme, ring: pilto}\n")
    found = desk.run("up", str(desk.repository.path), "--json")
    found.refused(2, "document", "'pilot'")
    assert found.json["error"]["line"] == 2


def test_too_many_approvers_are_refused(desk: Desk) -> None:
    _write(desk, "release-approver: 1}", "release-approver: 9}")
    desk.run("up", str(desk.repository.path), "--json").refused(2, "too_many_approvers", "9 people")


def test_a_secret_comes_from_the_file_or_is_asked_for(desk: Desk, tmp_path: Path) -> None:
    _write(desk, "path: /order}", 'path: "/order/{secret:PROBE}"}')
    found = desk.run("up", str(desk.repository.path), "--json")
    found.refused(2, "secret_missing", "PROBE", "--env-file", "stationmaster.yaml")
    (tmp_path / "probe.env").write_text("PROBE x\n")
    found = desk.run("up", str(desk.repository.path), "--env-file", str(tmp_path / "probe.env"), "--json")
    found.refused(2, "env_file", "probe.env")
    assert found.json["error"]["line"] == 1


def test_an_environment_without_a_product_is_refused(desk: Desk) -> None:
    desk.run("up", "--env-file", "e.env", "--json").refused(2, "input", "stationmaster up FOLDER")


def test_a_sandbox_that_was_killed_half_way_is_told_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    half = Descriptor(run="/r", supervisor="/s", prefect_ui="http://p", prefect_auth="/a", product="shop")
    monkeypatch.setattr(stack, "bring_up", lambda *_: half)
    told = desk.run("up")
    assert told.code == 0
    assert "the sandbox of shop is not complete: `stationmaster up FOLDER`" in told.err


def test_the_product_of_another_repository_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.repository.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    (tmp_path / "clone" / "tenants.yaml").write_text(TENANTS)
    desk.run("up", str(tmp_path / "clone"), "--json").refused(2, "other_sandbox", str(tmp_path / "clone"))


def _write(desk: Desk, old: str, new: str) -> None:
    path = desk.repository.path / "stationmaster.yaml"
    path.write_text(path.read_text().replace(old, new))
