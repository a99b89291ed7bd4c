"""`calendar show`: the picture of files, of a product, of a release; as text, as a page, as an object."""

from pathlib import Path

import pytest

from tests.cli.conftest import Desk

FROM = "2026-11-24T12:00:00Z"  # a Tuesday
TENANTS = """\
tenants:
  - {id: acme, name: Acme, ring: pilot, calendar: acme.yaml}
  - {id: birch, name: Birch, ring: general, calendar: {timezone: UTC, default: open}}
  - {id: cedar, name: Cedar, ring: general}
"""
ACME = """\
timezone: Europe/Berlin
windows:
  - {name: weeknight, rrule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", start: "22:00", end: "02:00"}
"""
PRODUCT = """\
product: shop
build: {command: [make], output: dist/shop}
service: {command: [run]}
rings: [{name: general}, {name: pilot}]
calendars:
  product:
    timezone: UTC
    default: open
    blackouts: [{name: fair, from: 2026-11-24T00:00, to: 2026-11-26T00:00}]
journeys: [{name: log-in, steps: [{name: a, path: /}]}]
hard_limits: {availability: {max_bad: 0.1, min_count: 1}}
approvals: {deploy: {approver: 1}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "picture"
    made.mkdir()
    (made / "tenants.yaml").write_text(TENANTS)
    (made / "acme.yaml").write_text(ACME)
    (made / "stationmaster.yaml").write_text(PRODUCT)
    return made


def files(folder: Path, *more: str) -> tuple[str, ...]:
    return ("calendar", "show", "--tenants", str(folder / "tenants.yaml"), "--from", FROM, "--days", "4", *more)


def test_it_is_drawn_in_the_terminal(desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = desk.run(*files(folder, "--zone", "Europe/Berlin"))
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0] == "24 November 2026 to 28 November 2026, in days of Europe/Berlin"
    assert lines[3:6] == [
        "pilot:",
        "acme   ···········1 █··········█ █··········█ █··········· ············",
        "general:",
    ]
    assert "1  pilot  Tue 24 Nov 22:00 to 22:45  1 tenant" in lines
    assert f"no slot for cedar: {folder}/tenants.yaml: tenant cedar has no calendar" in lines


def test_its_waves_are_those_of_plan(desk: Desk, folder: Path) -> None:
    more = ("--config", str(folder / "stationmaster.yaml"), "--duration", "1h")
    planned = desk.run("plan", *files(folder)[2:], *more, "--json").json
    told = desk.run(*files(folder, *more, "--json")).json
    assert [(one["start"], one["end"], one["tenants"]) for one in told["waves"]] == [
        (one["start"], one["end"], one["tenants"]) for one in planned["waves"]
    ]
    assert [one["tenant"] for one in told["tenants"]] == ["birch", "cedar", "acme"]  # rings as configured
    assert told["tenants"][0]["closed"][0]["by"] == "stationmaster.yaml:calendars.product#fair"


def test_a_page_is_written_and_named(desk: Desk, folder: Path) -> None:
    page = folder / "picture.html"
    shown = desk.run(*files(folder, "--html", str(page)))
    assert (shown.code, shown.out) == (0, f"{page}\n")
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert desk.run(*files(folder, "--html", str(page), "--json")).json["html"] == str(page)


def test_a_product_is_drawn_as_its_next_release_would_be_planned(desk: Desk) -> None:
    desk.write("frozen", {"reason": "ERP is down", "until": None}, "tenant:cedar", "freeze", who="ana")
    told = desk.run("calendar", "show", "--from", FROM, "--json").json
    assert [(one["name"], one["tenants"]) for one in told["waves"]] == [
        ("pilot", ["acme"]),
        ("broad", ["birch", "cedar"]),
    ]
    assert told["waves"][0]["start"] == FROM
    cedar = next(one for one in told["tenants"] if one["tenant"] == "cedar")
    assert {one["by"] for one in cedar["closed"]} == {"freeze of tenant cedar: ERP is down"}
    assert cedar["open"] == []


def test_a_products_wave_takes_as_long_as_is_said(desk: Desk) -> None:
    told = desk.run("calendar", "show", "--from", FROM, "--duration", "2h", "--json").json
    assert told["waves"][0]["end"] == "2026-11-24T14:00:00Z"


def test_a_release_is_drawn_as_it_is_planned(desk: Desk) -> None:
    desk.reach("planned")
    told = desk.run("calendar", "show", "--release", "r2", "--json").json
    (planned,) = [entry for entry in desk.ledger.entries("r2") if entry.step == "planned"]
    (wave,) = planned.fact["waves"]
    assert told["waves"] == [{key: wave[key] for key in ("name", "start", "end", "tenants")}]
    waves = {one["tenant"]: one["wave"] for one in told["tenants"]}
    assert waves == {"acme": "pilot", "birch": None, "cedar": None}  # whom the directory got since is in no wave
    assert told["from"] <= wave["start"]


def test_a_release_without_a_plan_is_refused(desk: Desk) -> None:
    desk.reach("tested")
    desk.run("calendar", "show", "--release", "r2", "--json").refused(2, "unplanned_release", "r2 has no plan yet")
    desk.run("calendar", "show", "--release", "r3", "--json").refused(2, "unknown_release", "r2")


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        (("--zone", "Europe/Berlim"), "input", "Europe/Berlin"),
        (("--days", "0"), "input", "1 to 400"),
        (("--duration", "soon"), "no_duration", "45m"),
        (("--duration", "0s"), "no_duration", "45m"),
        (("--from", "2026-11-24"), "no_instant", "2026-11-24T06:00:00Z"),
        (("--from", "9999-12-31T23:59:59Z"), "no_instant", "9999"),
        (("--release", "r2"), "input", "--tenants"),
        (("--config", "nowhere.yaml"), "input", "nowhere.yaml"),
    ],
)
def test_what_makes_no_picture_is_refused(
    desk: Desk, folder: Path, more: tuple[str, ...], error: str, words: str
) -> None:
    base = ("calendar", "show", "--tenants", str(folder / "tenants.yaml"))
    desk.run(*base, *more, "--json").refused(2, error, words)


def test_a_page_that_cannot_be_written_is_told(desk: Desk, folder: Path) -> None:
    desk.run(*files(folder, "--html", str(folder / "no" / "p.html"), "--json")).refused(
        3, "unwritable_picture", "p.html"
    )
