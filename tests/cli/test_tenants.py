"""`tenants …`: the directory beside what the ledger says each tenant runs."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from stationmaster.blocks.tenant_sql import SqlDirectory
from stationmaster.blocks.toolbox import remember
from stationmaster.cli import linting, tenants
from tests.cli.conftest import Desk
from tests.shop import PRODUCT, TENANTS


def test_list_tells_what_each_runs_and_whether_it_may_be_touched(desk: Desk) -> None:
    desk.reach("deployed")
    found = desk.run("tenants", "list", "--json").json["tenants"]
    assert [(one["id"], one["version"], one["instance"], one["window"]) for one in found] == [
        ("acme", "2.0.0", "cloud", "open"),
        ("birch", "1.0.0", "cloud", "open"),
        ("cedar", "1.0.0", "cedar", "open"),
    ]
    assert found[0]["release"] == "r2"
    assert [line.split()[0] for line in desk.run("tenants", "list").out.splitlines()][1:] == ["acme", "birch", "cedar"]


def test_show_is_one_tenant_and_a_misspelt_one_gets_the_nearest(desk: Desk) -> None:
    found = desk.run("tenants", "show", "cedar", "--json")
    assert (found.code, found.json["id"], found.json["since"]) == (0, "cedar", "2026-11-23T08:00:00Z")
    assert "cedar is open: by default" in desk.run("tenants", "show", "cedar").out
    desk.run("tenants", "show", "cedra", "--json").refused(2, "unknown_tenant", "did you mean 'cedar'?")


def test_a_directory_that_is_wrong_names_the_line(desk: Desk) -> None:
    (desk.root / "tenants.yaml").write_text("tenants:\n  - {id: acme, name: Acme, rnig: pilot}\n")
    found = desk.run("tenants", "list", "--json")
    found.refused(2, "document", "rnig", "tenants.yaml")
    assert found.json["error"]["line"] == 2
    (desk.root / "tenants.yaml").unlink()
    desk.run("tenants", "list", "--json").refused(2, "input", "tenant directory")


def test_show_names_what_is_on_its_way_and_what_is_frozen(desk: Desk) -> None:
    desk.reach("planned")
    desk.run("freeze", "on", "--ring", "pilot", "--reason", "month-end")
    found = desk.run("tenants", "show", "acme", "--json").json
    assert found["pending"] == [
        {"release": "r2", "version": "2.0.0", "stage": "planned", "waits_for": None, "until": None}
    ]
    assert found["freezes"] == [{"scope": "ring:pilot", "reason": "month-end", "until": None}]
    assert found["window"] == "closed"
    other = desk.run("tenants", "show", "birch", "--json").json
    assert (other["pending"], other["freezes"], other["window"]) == ([], [], "open")
    text = desk.run("tenants", "show", "acme").out
    assert "release r2, version 2.0.0, stage planned" in text
    assert "scope ring:pilot, reason month-end" in text


def test_what_reached_the_tenant_or_is_over_is_not_on_its_way(desk: Desk) -> None:
    desk.reach("deployed")
    assert desk.run("tenants", "show", "acme", "--json").json["pending"] == []
    desk.reach("approved", "r3", "3.0.0")
    assert [one["release"] for one in desk.run("tenants", "show", "acme", "--json").json["pending"]] == ["r3"]
    desk.run("release", "abort", "r3", "--reason", "no")
    assert desk.run("tenants", "show", "acme", "--json").json["pending"] == []


def test_a_release_without_a_plan_may_reach_anybody(desk: Desk) -> None:
    desk.reach("built")
    assert [one["stage"] for one in desk.run("tenants", "show", "cedar", "--json").json["pending"]] == ["built"]


def test_an_end_of_a_freeze_is_until_when_the_window_is_closed(desk: Desk) -> None:
    desk.run("freeze", "on", "--tenant", "acme", "--until", "2099-01-01T00:00:00Z", "--reason", "audit")
    found = desk.run("tenants", "list", "--json").json["tenants"]
    assert [(one["window"], one["until"]) for one in found][:2] == [("closed", "2099-01-01T00:00:00Z"), ("open", None)]
    assert "2099-01-01T00:00:00Z" in desk.run("tenants", "list").out


# A directory that is asked


@pytest.fixture
def crm(desk: Desk) -> Path:
    path = desk.root / "crm.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id, name, ring, calendar)")
        always = '{"timezone": "UTC", "default": "open"}'
        rows = [(one, one.title(), "pilot", always) for one in ("acme", "birch", "cedar")]
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", rows)
    connection.close()
    query = "SELECT * FROM customers"
    remember("tenants", "shop", SqlDirectory(url=SecretStr(f"sqlite:///{path}"), query=query, cache=0))
    return path


def test_the_age_of_the_last_good_copy_is_told(desk: Desk, crm: Path) -> None:
    assert desk.run("tenants", "list", "--json").json["directory"] == {"age": 0, "note": None}
    crm.unlink()
    found = desk.run("tenants", "list", "--json")
    assert [one["id"] for one in found.json["tenants"]] == ["acme", "birch", "cedar"]
    assert found.json["directory"]["note"].startswith("tenant directory is 0 s old: ")
    assert "tenant directory is 0 s old: " in found.err
    assert "unable to open database file" in desk.run("tenants", "show", "acme").err


def test_a_loss_of_tenants_is_accepted_by_a_person(desk: Desk, crm: Path) -> None:
    desk.run("tenants", "list")
    with sqlite3.connect(crm) as connection:
        connection.execute("DELETE FROM customers WHERE id <> 'acme'")
    connection.close()
    found = desk.run("tenants", "list", "--json")
    assert len(found.json["tenants"]) == 3
    assert "has lost 2 of 3 tenants: birch, cedar" in found.json["directory"]["note"]
    assert desk.run("tenants", "lint", "--json").json["warnings"] > 0
    assert desk.run("tenants", "accept", "--json").json == {"tenants": 1}
    assert desk.run("tenants", "list", "--json").json["directory"]["note"] is None


def test_what_is_broken_is_not_accepted(desk: Desk, crm: Path) -> None:
    desk.run("tenants", "list")
    with sqlite3.connect(crm) as connection:
        connection.execute("UPDATE customers SET name = NULL WHERE id = 'birch'")
    connection.close()
    found = desk.run("tenants", "accept", "--json")
    found.refused(2, "document", "missing key 'name' in tenants[2]", "crm.db")
    assert found.json["error"]["line"] == 2


# Lint


def lint(desk: Desk, text: str, *tokens: str) -> list[tuple[str, int | None, str]]:
    file = desk.root / "other" / "tenants.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    found = desk.run("tenants", "lint", str(file), *tokens, "--json").json["findings"]
    return [(one["level"], one["line"], one["message"]) for one in found]


def test_a_good_directory_passes(desk: Desk) -> None:
    found = desk.run("tenants", "lint", "--json")
    nothing = {"findings": [], "errors": 0, "warnings": 0, "unknown": [], "tenants": 3}
    assert (found.code, found.json) == (0, nothing)
    assert desk.run("tenants", "lint").out == "3 tenants, errors: 0, warnings: 0\n"


def test_every_problem_of_a_file_is_told_at_once(desk: Desk) -> None:
    (desk.root / "other").mkdir()
    (desk.root / "other" / "stationmaster.yaml").write_text(PRODUCT)
    text = TENANTS.replace("ring: pilot", "ring: pliot").replace("id: cedar", "id: birch")
    assert lint(desk, text) == [
        ("warning", None, "no tenant is in ring 'pilot' of stationmaster.yaml"),
        ("error", 2, "tenant 'acme': unknown ring 'pliot'"),
        ("error", 4, "tenant 'birch': the id is given twice, first in line 3"),
    ]
    found = desk.run("tenants", "lint", str(desk.root / "other" / "tenants.yaml"))
    assert found.code == 2
    assert "tenants.yaml:2: error: tenant 'acme': unknown ring 'pliot' (did you mean 'pilot'?)" in found.out
    assert found.out.endswith("3 tenants, errors: 2, warnings: 1\n")


def test_a_file_that_is_no_directory_names_each_line(desk: Desk) -> None:
    assert lint(desk, "tenants:\n  - {id: acme, name: Acme, rnig: pilot}\n") == [
        ("error", 2, "missing key 'ring' in tenants[1]"),
        ("error", 2, "unknown key 'rnig' in tenants[1]"),
    ]


def test_without_a_configuration_rings_are_not_looked_at_and_that_is_said(desk: Desk) -> None:
    assert lint(desk, TENANTS.replace("pilot", "anywhere")) == []
    found = desk.run("tenants", "lint", str(desk.root / "other" / "tenants.yaml"))
    assert found.code == 0
    assert "not looked at: rings: there is no stationmaster.yaml beside the file; name one with --config" in found.out


def test_the_configuration_may_lie_elsewhere_and_may_be_wrong_itself(desk: Desk) -> None:
    config = desk.root / "shop.yaml"
    config.write_text(PRODUCT)
    assert lint(desk, TENANTS, "--config", str(config)) == []
    config.write_text(PRODUCT.replace("broad", "general"))
    assert [level for level, *_ in lint(desk, TENANTS, "--config", str(config))] == ["warning", "error", "error"]
    config.write_text("product: shop\n")
    assert "missing key 'build'" in json.dumps(lint(desk, TENANTS, "--config", str(config)))
    missing = desk.run("tenants", "lint", "--config", str(desk.root / "none.yaml"), "--json")
    missing.refused(2, "input", "configuration cannot be read", "none.yaml")


def test_a_file_that_is_missing_is_wrong_input(desk: Desk) -> None:
    desk.run("tenants", "lint", str(desk.root / "none.yaml"), "--json").refused(2, "input", "none.yaml")


def test_a_tenant_that_is_pinned_to_what_nobody_runs_is_suspicious(desk: Desk) -> None:
    file = desk.root / "tenants.yaml"
    file.write_text(TENANTS.replace("id: acme,", "id: acme, pinned: 1.0.1,"))
    found = desk.run("tenants", "lint", "--json")
    assert (found.code, found.json["errors"], found.json["warnings"]) == (1, 0, 1)
    assert found.json["findings"][0]["tenant"] == "acme"
    assert found.json["findings"][0]["hint"] == "did you mean '1.0.0'?"


def test_rings_and_versions_that_are_not_known_here_are_said(desk: Desk) -> None:
    (desk.root / "home" / "blocks" / "source" / "shop.json").unlink()
    assert "rings: no copy of the source block" in desk.run("tenants", "lint").out
    (desk.root / "home" / "blocks" / "ledger" / "shop.json").unlink()
    assert lint(desk, TENANTS.replace("id: acme,", "id: acme, pinned: 1.0.1,")) == []
    assert "what tenants run" in desk.run("tenants", "lint", str(desk.root / "other" / "tenants.yaml")).out


# Windows and slots

NIGHTS = """\
timezone: Europe/Berlin
default: closed
cutoff: 30m
windows:
  - {name: weeknight, rrule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", start: "22:00", end: "02:00"}
"""
AT = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)  # a Tuesday, half past ten in the evening in Berlin


@pytest.fixture
def nights(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Acme is open on three nights a week; it is one of them."""
    monkeypatch.setattr(tenants, "now", lambda: AT)
    monkeypatch.setattr(linting, "now", lambda: AT)
    (desk.root / "nights.yaml").write_text(NIGHTS)
    file = desk.root / "tenants.yaml"
    one = "{id: %s, name: A, ring: %s, calendar: %s}"
    rows = [("acme", "pilot", "nights.yaml"), ("birch", "broad", "nights.yaml, notice_days: 10")]
    file.write_text("tenants:\n" + "".join(f"  - {one % row}\n" for row in rows))
    return file


def test_an_open_window_says_by_what_and_until_when(desk: Desk, nights: Path) -> None:
    found = desk.run("tenants", "list", "--json").json["tenants"][0]
    assert (found["window"], found["why"]) == ("open", "acme is open: nights.yaml#weeknight")
    assert found["until"] == "2026-11-25T01:00:00Z"


def test_the_next_slot_is_after_the_notice_and_ends_before_the_cutoff(desk: Desk, nights: Path) -> None:
    def slot(tenant: str, *tokens: str) -> object:
        return desk.run("tenants", "show", tenant, *tokens, "--json").json["next_slot"]

    assert slot("acme") == {"start": "2026-11-24T21:30:00Z", "end": "2026-11-24T22:15:00Z"}
    assert slot("acme", "--duration", "210m") == {"start": "2026-11-25T21:00:00Z", "end": "2026-11-26T00:30:00Z"}
    assert slot("birch") == {"start": "2026-12-03T23:00:00Z", "end": "2026-12-03T23:45:00Z"}
    assert slot("acme", "--duration", "5h") == {"start": None, "why": ["nights.yaml#default"]}
    for wrong in ("soon", "0s", "99999999999d"):
        desk.run("tenants", "show", "acme", "--duration", wrong, "--json").refused(2, "input", "--duration", "45m")


def test_a_freeze_and_a_pin_leave_no_slot_and_an_end_moves_it(desk: Desk, nights: Path) -> None:
    def slot() -> dict[str, object]:
        found: dict[str, object] = desk.run("tenants", "show", "acme", "--json").json["next_slot"]
        return found

    desk.run("freeze", "on", "--tenant", "acme", "--until", "2099-01-01T00:00:00Z", "--reason", "audit")
    assert slot()["start"] == "2099-01-01T21:00:00Z"
    desk.run("freeze", "on", "--reason", "ERP is down")
    assert slot() == {"start": None, "why": ["production is frozen: ERP is down"]}
    desk.run("freeze", "off", "--reason", "ERP is up")
    nights.write_text(nights.read_text().replace("id: acme,", "id: acme, pinned: 1.0.0,"))
    assert slot() == {"start": None, "why": ["it is pinned to 1.0.0"]}


def test_a_calendar_that_cannot_be_used_closes_its_tenants_and_is_named(desk: Desk, nights: Path) -> None:
    (desk.root / "nights.yaml").write_text(NIGHTS.replace("TU,WE,TH", "TU,WE,TUH"))
    found = desk.run("tenants", "show", "acme", "--json").json
    assert found["window"] == "closed"
    assert "nights.yaml:5: " in found["why"]
    assert found["next_slot"]["start"] is None
    linted = desk.run("tenants", "lint", "--json")
    assert linted.code == 2
    assert [(Path(one["file"]).name, one["line"], one["tenant"]) for one in linted.json["findings"]] == [
        ("tenants.yaml", 2, "acme"), ("tenants.yaml", 3, "birch"), ("nights.yaml", 5, None),
    ]  # fmt: skip


def test_a_calendar_file_that_is_missing_is_wrong(desk: Desk, nights: Path) -> None:
    (desk.root / "nights.yaml").unlink()
    found = desk.run("tenants", "lint", "--json")
    assert (found.code, found.json["errors"]) == (2, 2)
    assert "tenant 'acme' is closed: nights.yaml cannot be read: No such file" in found.json["findings"][0]["message"]


def test_who_has_no_calendar_or_no_slot_is_suspicious(desk: Desk, nights: Path) -> None:
    audit = "blackouts: [{name: audit, from: 2026-11-01T00:00, to: 2027-06-01T00:00}]\n"
    (desk.root / "nights.yaml").write_text(NIGHTS + audit)
    nights.write_text(nights.read_text() + "  - {id: cedar, name: Cedar, ring: broad}\n")
    found = desk.run("tenants", "lint", "--json")
    told = {(one["tenant"], one["line"]): one["message"] for one in found.json["findings"] if one["tenant"]}
    closed = "has no slot of 45 min within 90 days: closed by nights.yaml#audit"
    assert told == {
        ("acme", 2): f"tenant 'acme' {closed}",
        ("birch", 3): f"tenant 'birch' {closed}",
        ("cedar", 4): "tenant 'cedar' has no calendar: it is closed for ever",
    }
    assert found.code == 1


def test_what_is_suspicious_in_a_calendar_file_is_told_once(desk: Desk, nights: Path) -> None:
    (desk.root / "nights.yaml").write_text(
        NIGHTS + "blackouts: [{name: old, from: 2020-01-01T00:00, to: 2020-01-02T00:00}]\n"
    )
    found = desk.run("tenants", "lint", "--json")
    assert [(one["file"], one["line"], one["level"]) for one in found.json["findings"]] == [
        ("nights.yaml", 6, "warning")
    ]
