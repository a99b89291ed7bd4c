"""`--help` and questions that need no server stay light: what they import, and what `--help` costs."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import help as benchmark

HEAVY = {"prefect", "sqlalchemy", "boto3", "cyclonedx", "detect_secrets"}
HELPS = (
    "", "release", "release start", "release status", "approve", "demo", "up", "down", "doctor", "schema", "tenants",
    "tenants show", "journeys run", "freeze", "freeze on", "release pause", "register", "receiver", "inbox list",
    "init", "checks run", "checks scan", "release skip", "release waive", "plan", "calendar",
    "calendar check", "calendar show", "tenants lint", "evidence bundle", "evidence verify", "migrations lint",
    "migrations plan", "migrations split",
    "migrations run", "migrations status",
)  # fmt: skip
QUESTIONS = {
    "release list": 0, "release status r1": 2, "release why r1": 2, "schema": 0, "schema --stages": 0,
    "tenants list": 2, "doctor": 0, "freeze status": 0, "freeze on --reason x": 0,
    "freeze off --reason x": 0, "release pause r1 --reason x": 2, "release resume r1 --reason x": 2,
}  # fmt: skip
_RUN = """
import json, sys
from stationmaster.cli.main import run
for line in sys.stdin:
    code = run(line.split())
    print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def imported(commands: Sequence[str], home: Path) -> dict[str, tuple[int, set[str]]]:
    """Exit code of each command and the packages that their process had imported after it. It is one process, whose
    start costs more than all of them: who imports what he should not is the first that has it.
    """
    env = {**os.environ, "STATIONMASTER_HOME": str(home), "STATIONMASTER_LEDGER": f"sqlite:///{home}/ledger.db"}
    asked = "".join(f"{one}\n" for one in commands)
    done = subprocess.run(
        [sys.executable, "-c", _RUN], env=env, input=asked, capture_output=True, text=True, check=True, timeout=100
    )
    ended = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("[")]
    return {command: (code, set(names)) for command, (code, names) in zip(commands, ended, strict=True)}


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, set[str]]]:
    return imported([f"{command} --help" for command in HELPS], tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, set[str]]]:
    return imported(list(QUESTIONS), tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("command", HELPS)
def test_help_imports_neither_prefect_nor_a_database(helps: dict[str, tuple[int, set[str]]], command: str) -> None:
    code, names = helps[f"{command} --help"]
    assert code == 0
    assert names & HEAVY == set()


@pytest.mark.parametrize("command", QUESTIONS)
def test_questions_never_import_prefect(questions: dict[str, tuple[int, set[str]]], command: str) -> None:
    ended, names = questions[command]
    assert "prefect" not in names
    assert ended == QUESTIONS[command] or command == "doctor"  # which looks at this very machine


def test_help_costs_little_more_than_its_libraries() -> None:
    figures = benchmark.main(rounds=5)
    assert figures["ratio"] <= figures["limit"]
