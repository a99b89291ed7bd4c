"""`evidence drift` on a machine: it says what deviates, records nothing, and is blind where nobody answers."""

import json
from collections.abc import Iterator

import pytest

from stationmaster.cli import drift as cli
from tests.world import World
from tests.world import world as made


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with made() as one:
        one.release()
        monkeypatch.setattr(cli, "remembered", lambda _: one.tools)
        monkeypatch.setattr(type(one.ledger), "close", lambda _: None)  # it is in memory, and asked again
        yield one


def asked(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    code = cli.drift(product="shop", json=True)
    return code, json.loads(capsys.readouterr().out)


def test_what_runs_as_recorded_is_told_so_and_nothing_is_written(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    before = world.ledger.entries()
    assert asked(capsys) == (0, {"product": "shop", "ok": True, "tenants": 3, "found": []})
    cli.drift(product="shop")
    assert capsys.readouterr().out == "3 tenants run what the ledger says\n"
    assert world.ledger.entries() == before


def test_what_deviates_is_a_no_and_what_is_blind_could_not_be_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.target.runs[world.target.where["cedar"]]["asked_at"] = "/elsewhere"
    code, found = asked(capsys)
    assert (code, found["ok"]) == (3, False)
    assert found["found"] == [
        {"about": "cedar b", "kind": "unreachable", "expected": "its digest", "found": "no answer"}
    ]
    del world.target.where["acme"]
    assert asked(capsys)[0] == 1
    cli.drift(product="shop")
    assert "acme: misrouted: no route, where cloud b is recorded" in capsys.readouterr().out
