"""What people see of a release beside its flow run, of releases over the fakes."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL, temporary_settings

from stationmaster.blocks.migration_estimates import outlook, outlook_table
from stationmaster.domain.summary import percent, plan_of, plan_rows, summary
from stationmaster.flows.showing import is_there, show
from tests.tasks.test_migration_rehearsal import ADD, REHEARSED
from tests.world import World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def told(world: World, release: str = "r2", begins: str | None = None) -> str:
    return summary(release, world.ledger.entries(release), world.ledger.running(), begins=begins)


def done(world: World, release: str = "r2") -> float:
    entries = world.ledger.entries(release)
    plan = plan_of(entries)
    assert plan is not None
    return percent(plan, entries)


def test_one_that_waits_says_for_what_and_how_to_go_on(world: World) -> None:
    world.start()
    page = told(world)
    assert page.startswith("# r2\n\n**planned** · version 2 · manual\n\nArtifact `sha256:")
    assert "Waits for approval: r2 waits for 1 more release-approver" in page
    assert "```\nstationmaster approve r2 --key FILE\n```" in page
    assert "| 1 | pilot | 2026-11-23 08:00 UTC | planned | acme |" in page
    assert "| 2 | broad | 2026-11-23 08:45 UTC | planned | birch, cedar |" in page
    assert done(world) == 0


def test_a_schema_change_is_told_with_its_kinds_below_each_rehearsal(world: World) -> None:
    world.commit("v3", product=REHEARSED, sql=ADD)
    world.start("r3", "v3")
    page = summary(
        "r3", world.ledger.entries("r3"), world.ledger.running(), schema=outlook(world.tools.ledger, "r3")
    )  # fmt: skip
    section = page.partition("## Schema change")[2].partition("## What happened")[0]
    assert (
        "\n- rehearsed from r1 to r2 on 2,000,000 rows of orders (generated): up in 1.0 s\n  - longest lock" in section
    )
    assert "\n  - work on all rows (1): 1.0 s rehearsed, 1.0 s expected; longest lock ACCESS EXCLUSIVE" in section
    assert "\n- way back: a downgrade, 1 ms in rehearsal, until its contract runs" in section
    (row,) = outlook_table(world.tools.ledger, "r3")
    assert (row["statements"], row["longest lock"]) == ("1 work on all rows", "ACCESS EXCLUSIVE for 1.0 s")


def test_a_wave_that_begins_is_under_way_before_the_ledger_knows(world: World) -> None:
    world.start()
    assert "| now | acme |" in told(world, begins="pilot")


def test_one_that_is_released_has_nothing_in_its_way(world: World) -> None:
    world.release()
    page = told(world)
    assert "**released**" in page
    assert "| done | birch, cedar |" in page
    assert "```" not in page
    assert page.index("released to 3 tenants") < page.index("started from v2")
    assert done(world) == 100


def test_one_that_went_back_says_why_and_what_lifts_the_hold(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.release("r3", "v3")
    page = told(world, "r3")
    assert "| rolled back | acme |" in page
    assert "stationmaster release resume r3" in page
    assert done(world, "r3") == 0


def test_the_plan_names_each_tenant_its_wave_and_why_in_the_order_in_which_they_come(world: World) -> None:
    world.start()
    plan = plan_of(world.ledger.entries("r2"))
    assert plan is not None
    rows = plan_rows(plan, world.ledger.running())
    assert [(row["tenant"], row["in"], row["instance"], row["runs now"]) for row in rows] == [
        ("acme", "wave 1", "cloud", "1"), ("birch", "wave 2", "cloud", "1"), ("cedar", "wave 2", "cedar", "1"),
    ]  # fmt: skip
    assert all(row["why"] for row in rows)


def test_nothing_that_a_change_is_called_becomes_markup(world: World) -> None:
    world.start()
    world.ledger.append(
        world.draft("r2", "aborted", "r2", {"reason": "<b>no</b> [click](http://x) | `x`\n# Head"}), world.clock.now()
    )
    page = told(world)
    assert r"aborted: \<b\>no\</b\> \[click\](http://x) \| \`x\` \# Head" in page


def test_outside_a_flow_run_nobody_is_shown_anything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stationmaster.flows.showing.create_markdown_artifact", lambda *_, **__: pytest.fail("shown"))
    world.release()
    show(world.tools, "r2")


def test_a_server_that_does_not_take_it_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise PrefectException("away")

    world.start()
    monkeypatch.setattr("stationmaster.flows.showing.FlowRunContext.get", object)
    monkeypatch.setattr("stationmaster.flows.showing.create_table_artifact", away)
    show(world.tools, "r2", planned=True)


def test_a_server_that_does_not_answer_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's client tries each artifact for a minute and more; the tenants of a wave would wait so long."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        server = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        world.start()
        monkeypatch.setattr("stationmaster.flows.showing.FlowRunContext.get", object)
        monkeypatch.setattr("stationmaster.flows.showing._show", lambda *_, **__: pytest.fail("it was asked"))
        with temporary_settings({PREFECT_API_URL: server}):
            show(world.tools, "r2")


def test_one_that_answers_is_there_whatever_it_says() -> None:
    answers = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # 501 to whatever is asked
    thread = Thread(target=answers.serve_forever, daemon=True)
    thread.start()
    try:
        assert is_there(f"http://127.0.0.1:{answers.server_port}/api")
    finally:
        answers.shutdown()
        answers.server_close()
        thread.join()
    assert is_there(None)
