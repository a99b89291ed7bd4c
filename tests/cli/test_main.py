"""The front door: every way of ending is an exit code and a sentence, with --json one object and never a traceback."""

import json
import os
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from cyclopts import App

from stationmaster.cli import main as front
from stationmaster.domain.errors import Exit
from tests.cli.conftest import Desk

COMMANDS = (
    ["release", "status"], ["release", "nonsense"], ["nonsense"], ["--nonsense"], ["release", "list", "--nonsense"],
    ["release", "list", "extra"], ["schema", "--stages=perhaps"], ["up", "--port", "many"], ["approve", "r", "--key"],
    ["tenants"], ["release", "abort", "r"], ["demo", "--scenario", "sad"],
)  # fmt: skip


@pytest.mark.parametrize("tokens", COMMANDS, ids=" ".join)
def test_a_command_line_that_does_not_fit_is_an_input_error(desk: Desk, tokens: list[str]) -> None:
    found = desk.run(*tokens, "--json")
    if tokens == ["tenants"]:  # a group without a command shows its help
        assert found.code == 0 or found.json["error"]["code"] == "usage"
        return
    found.refused(Exit.INPUT, "usage")
    assert found.json["error"]["hint"]


def test_an_unknown_command_gets_the_nearest(desk: Desk) -> None:
    desk.run("relaese", "--json").refused(2, "usage", "did you mean 'release'?")
    desk.run("tenants", "lsit", "--json").refused(2, "usage", "did you mean 'list'?")
    assert desk.run("release", "statsu").err == "error: there is no command 'statsu'\n hint: did you mean 'status'?\n"


def test_json_may_be_written_with_a_value(desk: Desk) -> None:
    desk.run("release", "status", "r9", "--json=true").refused(2, "unknown_release")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> App:
    """The real front door with two commands that go wrong."""
    app = App(name="stationmaster", suppress_keyboard_interrupt=front.app.suppress_keyboard_interrupt)

    @app.command
    def crash(*, json: bool = False) -> None:
        raise KeyError("hunter2-secret")

    @app.command
    def wait(*, json: bool = False) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(front, "app", app)
    return app


def test_an_error_of_ours_is_a_sentence_and_its_traceback_a_private_file(desk: Desk, broken: App) -> None:
    found = desk.run("crash", "--json")
    path = Path(os.environ["STATIONMASTER_HOME"]) / "last-error.txt"
    found.refused(Exit.UNKNOWN, "internal", "KeyError", str(path))
    assert "Traceback" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_error_of_ours_is_told_where_nothing_can_be_written(
    desk: Desk, broken: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", "/dev/null/nowhere")
    desk.run("crash", "--json").refused(Exit.UNKNOWN, "internal", "KeyError")


def test_an_interruption_is_said(desk: Desk, broken: App) -> None:
    desk.run("wait", "--json").refused(Exit.UNKNOWN, "interrupted", "goes on")


def test_a_reader_that_has_seen_enough_gets_no_traceback(desk: Desk) -> None:
    command = [sys.executable, "-m", "stationmaster.cli.main", "schema", "product"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(20) == 0


def test_the_version_is_the_package_s(desk: Desk) -> None:
    assert desk.run("--version").out.strip() == version("stationmaster")


def test_doctor_says_what_is_there_and_what_is_missing(desk: Desk) -> None:
    found = desk.run("doctor", "--json")
    findings = {one["name"]: one for one in found.json["findings"]}
    assert {"python", "git", "postgresql", "haproxy", "fastapi", "prefect", "disk", "stack"} <= set(findings)
    assert findings["git"]["ok"]
    assert findings["shop ledger"]["ok"]
    assert not findings["shop/target"]["ok"]  # nobody copied that block
    assert all(one["hint"] for one in findings.values() if not one["ok"])
    assert (found.code, found.json["ok"]) == (1, False)
    assert "MISSING  shop/target" in desk.run("doctor").out


def test_journeys_without_a_complete_toolbox(desk: Desk) -> None:
    desk.run("journeys", "run", "--json").refused(2, "block_missing", "artifacts")


def test_one_object_even_for_the_longest_of_errors(desk: Desk) -> None:
    (desk.root / "tenants.yaml").write_text("tenants:\n" + "  - {id: A}\n" * 50)
    found = desk.run("tenants", "list", "--json")
    assert json.loads(found.out)["error"]["message"].count("\n") >= 50
    assert found.out.count("\n") == 1
