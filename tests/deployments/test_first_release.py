"""The tutorial of the first release, walked as it stands on its page, and its sandbox killed while it is made."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stationmaster.blocks.supervisor import Supervisor
from tests.repository import Repository
from tests.stories.sandbox import ROOT, Sandbox
from tests.tutorial_page import Part, parts

PAGE = ROOT / "docs" / "tutorial" / "first-release.md"
PEOPLE = {f"GIT_{who}_{what}": "stranger" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def test_each_shown_line_follows_commands_and_each_file_is_whole() -> None:
    found = list(parts(PAGE))
    assert {part.kind for part in found} == {"file", "typed", "shown"}
    assert next(part.kind for part in found if part.kind != "file") == "typed"
    assert {"stationmaster.yaml", "tenants.yaml", "changes/first.md"} <= {part.name for part in found}


def test_what_is_shown_must_come_in_its_order() -> None:
    shown = Part("shown", "one …\n…\nthree\n")
    assert shown.missing_in("one thing\ntwo\nthree\n") is None
    assert shown.missing_in("three\none thing\n") == "three"


@pytest.fixture
def stranger() -> Iterator[Sandbox]:
    """Somebody with an empty home folder, at a short path."""
    with tempfile.TemporaryDirectory(prefix="stm-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Sandbox(Path(folder))
        try:
            yield made
        finally:
            made.run("down", "--delete")


@pytest.mark.slow
def test_the_page_leads_from_an_empty_folder_to_a_release_and_back(stranger: Sandbox) -> None:
    shell, output = Shell(stranger), ""
    for part in parts(PAGE):
        if part.kind == "file":
            path = shell.here / part.name
            assert path.parent.is_dir(), f"the page makes no folder for {part.name}"
            path.write_text(part.text)
        elif part.kind == "typed":
            output = shell.type(part)
        else:
            missing = part.missing_in(output)
            assert missing is None, f"the page shows {missing!r}, and what was said is:\n{output}"
    assert not (stranger.home / ".stationmaster" / "stack.json").exists()


@pytest.mark.slow
@pytest.mark.full
def test_a_sandbox_that_was_killed_while_it_was_made_is_completed_and_then_left_alone(stranger: Sandbox) -> None:
    folder = _product(stranger.home / "notes")
    copies = stranger.home / ".stationmaster" / "blocks"
    run = stranger.home / ".stationmaster" / "run"
    for mark in (run / "people" / "approvers.yaml", run / "haproxy.cfg", copies / "tenants" / "notes.json"):
        _killed_at(mark, stranger, folder)
    first = stranger.run("up", str(folder), "--json").json
    pids, units = _pids(stranger), (stranger.run_dir / "units.json").read_bytes()
    assert {"proxy", "messages", "receiver", "worker"} <= set(pids)
    assert stranger.run("up", str(folder), "--json").json == first
    assert (_pids(stranger), (stranger.run_dir / "units.json").read_bytes()) == (pids, units)
    planned = stranger.run("release", "plan", "--ref", "main", "--json")
    assert [wave["tenants"] for wave in planned.json["waves"]] == [["acme"], ["bolt", "corvo"]]
    other = stranger.run("demo", "--json")
    assert other.json["error"]["code"] == "other_sandbox"
    assert stranger.run("down").code == 0
    again = stranger.run("up", "--json").json
    assert (again["run"], set(_pids(stranger))) == (first["run"], set(pids))


class Shell:
    """A terminal whose folder and variables last from one block of the page to the next."""

    def __init__(self, person: Sandbox) -> None:
        self.here = person.home
        self._state = person.home / "state.sh"
        self._state.write_text("")
        self._environment = {**person.environment(**PEOPLE)}
        del self._environment["STATIONMASTER_USER"]  # a stranger has not heard of it

    def type(self, part: Part) -> str:
        """What all commands of the block said. Each ended with the exit code that the page says."""
        lines = [f". {self._state}"]
        for line, code in part.commands:
            lines += [line, f'ended=$?; [ $ended = {code} ] || {{ echo "exit code $ended"; exit 99; }}']
        lines += [f'echo "cd $PWD; front=$front" > {self._state}']
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)], cwd=self.here, env=self._environment, text=True, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{part.text}\n{done.stdout}"
        assert "Traceback" not in done.stdout
        self.here = Path(self._state.read_text().partition(";")[0].removeprefix("cd "))
        return done.stdout


def _product(folder: Path) -> Path:
    """The page's product as it is first released."""
    files: dict[str, str] = {}
    for part in parts(PAGE):
        if part.kind == "file":
            files.setdefault(part.name, part.text)
    Repository.begin(folder).commit("Notes", files)
    return folder


def _killed_at(mark: Path, person: Sandbox, folder: Path) -> None:
    """`up FOLDER`, killed as soon as the file is there; what it started goes on."""
    command = [sys.executable, "-m", "stationmaster.cli.main", "up", str(folder)]
    with subprocess.Popen(
        command, env=person.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as up:
        deadline = time.monotonic() + 120
        while not mark.exists() and up.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert up.poll() is None, f"it ended before {mark} was there"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(up.pid, signal.SIGKILL)


def _pids(person: Sandbox) -> dict[str, int | None]:
    supervisor = json.loads((person.home / ".stationmaster" / "stack.json").read_text())["supervisor"]
    return {name: unit.pid for name, unit in Supervisor(socket=supervisor).units().items()}
