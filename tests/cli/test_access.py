"""`access list` says who can do what, from the product's own files or from those that are named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclopts import App

from stationmaster.blocks.ratification import ratify_first
from stationmaster.blocks.toolbox import recall
from stationmaster.cli import main
from tests.cli.conftest import Desk
from tests.shop import PRODUCT, product


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the front door has it."""
    app = App(name="stationmaster")
    app.command("stationmaster.cli.access:app", name="access")
    monkeypatch.setattr(main, "app", app)


def test_it_is_of_the_rules_and_the_people_in_force(desk: Desk) -> None:
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    ratify_first(desk.ledger, recall("signer", "shop"), product(), at)
    found = desk.run("access", "list", "--json")
    assert found.code == 0
    (role,) = found.json["roles"]
    assert (role["role"], role["holders"]) == ("release-approver", ["ana", "ben", "mei"])
    assert {one["action"] for one in role["asked"]} == {"deploy", "policy"}
    assert [len(person["keys"]) for person in found.json["people"] if person["roles"]] == [1, 1, 1]
    assert found.json["policy"]["since"] == found.json["approvers"]["since"] == "2026-11-23T09:00:00Z"
    assert "policy: in force since 2026-11-23T09:00:00Z by entry" in desk.run("access", "list").out


def test_while_no_rules_are_in_force_it_says_so_and_answers_of_files(desk: Desk, tmp_path: Path) -> None:
    desk.run("access", "list", "--json").refused(1, "nothing_ratified")
    config = tmp_path / "product.yaml"
    config.write_text(PRODUCT)
    found = desk.run("access", "list", "--config", str(config), "--json")
    assert (found.code, found.json["policy"]) == (0, {"file": str(config)})
    assert found.json["approvers"] == {"file": str(tmp_path / "approvers.yaml")}


def test_a_rule_that_nobody_could_meet_is_exit_code_1(desk: Desk, tmp_path: Path) -> None:
    config = tmp_path / "other.yaml"
    config.write_text(PRODUCT.replace("release-approver: 1", "release-approver: 9"))
    files = ("--config", str(config), "--approvers", str(tmp_path / "approvers.yaml"))
    found = desk.run("access", "list", *files)
    assert found.code == 1
    assert "impossible: deploy in production cannot be approved: 6 release-approver too few" in found.out
    assert desk.run("access", "list", *files, "--json").json["impossible"][0]["missing"] == {"release-approver": 6}


def test_who_holds_a_role_is_asked_of_an_instant(desk: Desk, tmp_path: Path) -> None:
    approvers = tmp_path / "some.yaml"
    approvers.write_text("people: [{id: ana, name: Ana, github: ana, roles: [release-approver], until: 2026-11-23}]\n")
    config = tmp_path / "product.yaml"
    config.write_text(PRODUCT)
    for at, code in (("2026-11-22T23:59:59Z", 0), ("2026-11-23T00:00:00Z", 1)):
        found = desk.run("access", "list", "--config", str(config), "--approvers", str(approvers), "--at", at, "--json")
        assert (found.code, found.json["at"]) == (code, at)


def test_files_that_cannot_be_read_and_instants_that_are_none_are_refused(desk: Desk, tmp_path: Path) -> None:
    gone, config = str(tmp_path / "gone.yaml"), tmp_path / "product.yaml"
    config.write_text(PRODUCT)
    desk.run("access", "list", "--config", gone, "--json").refused(2, "unreadable_file", gone)
    desk.run("access", "list", "--config", str(config), "--approvers", gone, "--json").refused(
        2, "unreadable_file", gone
    )
    desk.run("access", "list", "--at", "now", "--json").refused(2, "no_instant", "--at")
