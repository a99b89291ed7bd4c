"""`--help` and questions that need no server stay light: what they import, and what `--help` costs."""

import os
import subprocess
import sys
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
_RUN = """
import sys
from stationmaster.cli.main import run
code = run(sys.argv[1:])
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(tokens: str, home: Path) -> tuple[int, set[str]]:
    """Exit code of the command and the packages its process had imported."""
    env = {**os.environ, "STATIONMASTER_HOME": str(home), "STATIONMASTER_LEDGER": f"sqlite:///{home}/ledger.db"}
    command = [sys.executable, "-c", _RUN, *tokens.split()]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    code, *names = done.stderr.splitlines()[-1].split()
    return int(code), set(names)


@pytest.mark.parametrize("command", HELPS)
def test_help_imports_neither_prefect_nor_a_database(command: str, tmp_path: Path) -> None:
    code, names = imported(f"{command} --help", tmp_path)
    assert code == 0
    assert names & HEAVY == set()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("release list", 0), ("release status r1", 2), ("release why r1", 2), ("schema", 0), ("schema --stages", 0),
        ("tenants list", 2), ("doctor", 0), ("freeze status", 0), ("freeze on --reason x", 0),
        ("freeze off --reason x", 0), ("release pause r1 --reason x", 2), ("release resume r1 --reason x", 2),
    ],
)  # fmt: skip
def test_questions_never_import_prefect(command: str, code: int, tmp_path: Path) -> None:
    ended, names = imported(command, tmp_path)
    assert "prefect" not in names
    assert ended == code or command == "doctor"  # which looks at this very machine


def test_help_costs_little_more_than_its_libraries() -> None:
    figures = benchmark.main(rounds=5)
    assert figures["ratio"] <= figures["limit"]
