"""`tenants mode …`, and who else tells of a tenant that is left in a mode."""

from typing import Any

import pytest
from pydantic import SecretStr

from stationmaster.blocks import toolbox
from stationmaster.blocks.holder import this_process
from stationmaster.cli import modes, preview_modes
from stationmaster.cli.doctor import _modes
from stationmaster.cli.person import now
from stationmaster.domain.errors import OutsideError
from tests.cli.conftest import Desk
from tests.fake_target import FakeTarget
from tests.fakes import FakeDatabase
from tests.shop import PRODUCT

FACT = {"mode": "read_only", "instance": "cloud", "why": "e2 is long", "product": "shop", "notice": None}


@pytest.fixture
def target(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    """Two tenants in a mode by release r2, and cedar in one of which no release knows."""
    found, really = FakeTarget(), toolbox.recall

    def recall(kind: str, product: str) -> Any:
        return found if kind == "target" else really(kind, product)

    monkeypatch.setattr(modes, "recall", recall)
    desk.reach("briefed")
    for tenant in ("acme", "birch"):
        desk.write("mode_on", FACT, tenant)
    found.set_mode(["acme", "birch"], "read_only")
    found.set_mode(["cedar"], "maintenance")
    return found


@pytest.mark.usefixtures("target")
def test_status_has_each_tenant_with_what_requests_meet_and_what_is_recorded(desk: Desk) -> None:
    found = desk.run("tenants", "mode", "status", "--json")
    assert found.code == 0
    acme, birch, cedar = found.json["modes"]
    assert acme == {
        "tenant": "acme", "mode": "read_only", "recorded": "read_only", "since": "2026-11-23T08:00:00Z",
        "release": "r2", "under_way": False, "why": "e2 is long",
    }  # fmt: skip
    assert [birch["tenant"], cedar["mode"], cedar["recorded"]] == ["birch", "maintenance", None]
    assert "nobody said why" in desk.run("tenants", "mode", "status").out


def test_status_without_the_target_says_so(desk: Desk, target: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> dict[str, str]:
        raise OutsideError("no supervisor answers")

    monkeypatch.setattr(target, "modes", away)
    found = desk.run("tenants", "mode", "status", "--json")
    assert (found.code, found.json["target"]) == (3, "no supervisor answers")
    assert [one["tenant"] for one in found.json["modes"]] == ["acme", "birch"]


def test_off_serves_in_full_and_records_who_and_why(desk: Desk, target: FakeTarget) -> None:
    found = desk.run("tenants", "mode", "off", "acme", "--reason", "orders must come in", "--json")
    assert (found.code, found.json) == (0, {"served": ["acme"], "already": []})
    entry = desk.ledger.entries("r2")[-1]
    assert (entry.step, entry.subject, entry.fact["why"]) == ("mode_off", "acme", "orders must come in")
    assert desk.ledger.personal(entry) == {"who": "ana"}
    assert target.in_mode == {"birch": "read_only", "cedar": "maintenance"}
    again = desk.run("tenants", "mode", "off", "acme", "--reason", "orders must come in", "--json")
    assert again.json == {"served": [], "already": ["acme"]}


def test_off_all_ends_also_what_nobody_recorded(desk: Desk, target: FakeTarget) -> None:
    assert "acme, birch, cedar served in full again" in desk.run("tenants", "mode", "off", "--all", "--reason", "x").out
    assert target.in_mode == {}
    (entry,) = desk.ledger.entries("mode")
    assert (entry.subject, entry.fact["mode"], desk.ledger.personal(entry)) == ("cedar", "maintenance", {"who": "ana"})
    assert "every tenant is served in full" in desk.run("tenants", "mode", "status").out


@pytest.mark.usefixtures("target")
def test_what_a_person_gets_wrong(desk: Desk) -> None:
    desk.run("tenants", "mode", "off", "amce", "--reason", "x", "--json").refused(
        2, "not_in_mode", "did you mean 'acme'?"
    )
    desk.run("tenants", "mode", "off", "--reason", "x", "--json").refused(2, "input", "name tenants or --all")
    desk.run("tenants", "mode", "off", "acme", "--all", "--reason", "x", "--json").refused(2, "input", "name tenants")
    desk.run("tenants", "mode", "off", "acme", "--reason", " ", "--json").refused(2, "input", "a reason")


@pytest.mark.usefixtures("target")
def test_tenants_and_release_status_tell_it(desk: Desk) -> None:
    found = desk.run("tenants", "list", "--json").json["tenants"]
    assert [one["mode"] for one in found] == ["read_only", "read_only", "rw"]
    assert "acme is read-only: stationmaster tenants mode status" in desk.run("release", "status", "r2").out


@pytest.mark.usefixtures("target")
def test_doctor_tells_of_whom_nobody_sees_to(desk: Desk) -> None:
    (left,) = _modes()
    assert (left.ok, left.name) == (False, "shop modes")
    assert "acme read-only since 2026-11-23T08:00:00Z, birch" in left.detail
    assert "stationmaster tenants mode off --all --reason WHY" in left.hint
    desk.ledger.take_lease("r2", this_process("flow run 7"), now())
    (meant,) = _modes()
    assert meant.ok
    told = desk.run("tenants", "mode", "off", "--all", "--reason", "x")
    assert "r2 is at work" in told.err
    assert list(_modes()) == []


def preview_of(desk: Desk) -> tuple[dict[str, Any], str]:
    """Of a commit whose schema change cannot be made online, as data and as text."""
    says = PRODUCT.replace("version: /about}", "version: /about, modes: {maintenance: router}}")
    sql = "CREATE INDEX i ON orders (note)"
    more = {"stationmaster.yaml": says, "migrations/head": "r2", "migrations/expand.sql": sql}
    commit = desk.repository.commit("Make v3", more)
    tokens = ("release", "plan", "--ref", commit)
    return desk.run(*tokens, "--json").json, desk.run(*tokens).out


def test_a_preview_says_whom_it_limits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("stage", "cloud", "cedar")
    database = FakeDatabase(databases={name: SecretStr("x") for name in names}, scratch=SecretStr("x"))
    database.put("r1")
    monkeypatch.setattr(preview_modes, "recall", lambda _kind, _product: database)
    found, told = preview_of(desk)
    assert [(one["instance"], one["mode"], one["tenants"]) for one in found["modes"]] == [
        ("cedar", "maintenance", ["cedar"]), ("cloud", "maintenance", ["acme", "birch"]),
    ]  # fmt: skip
    assert found["modes_unknown"] is None
    assert "limits      acme, birch behind a maintenance page, expected in the slot from 2" in told


def test_a_preview_says_that_it_is_not_known(desk: Desk) -> None:
    found, told = preview_of(desk)
    assert (found["modes"], "no copy of the database block" in found["modes_unknown"]) == ([], True)
    assert "limits      not known: no copy of the database block" in told
