"""What runs in the guest: imports of Alembic, SQLAlchemy and nothing else, in the syntax of 3.9 where Python is old."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from stationmaster.blocks import migration_literals, migration_offline, migration_operations, migration_recording

MODULES = (migration_recording, migration_operations, migration_offline, migration_literals)
ALLOWED = {"alembic", "sqlalchemy"}


def imported(tree: ast.Module) -> set[str]:
    found = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            one = node.module or ""
            found |= {f"{one}.{name.name}" for name in node.names} if one == "stationmaster.blocks" else {one}
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_it_runs_in_an_old_python_that_does_not_have_us(module: object) -> None:
    text = Path(str(getattr(module, "__file__", ""))).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    assert "from __future__ import annotations" in text
    ours = {one.__name__ for one in MODULES}
    others = {name for name in imported(tree) if name not in ours and name.partition(".")[0] not in ALLOWED}
    assert {name.partition(".")[0] for name in others} <= set(sys.stdlib_module_names)


def test_what_only_reads_revisions_does_not_wait_for_a_driver_or_a_parser() -> None:
    code = "import sys, stationmaster.blocks.migrations; print(*sys.modules, sep='\\n')"
    done = subprocess.run((sys.executable, "-P", "-c", code), capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "alembic.script" in loaded
    assert loaded & {"psycopg", "postgast", "pydantic", "concurrent.futures.process"} == set()
    ours = {one.removeprefix("stationmaster.domain.") for one in loaded if one.startswith("stationmaster.domain.")}
    assert ours <= {"errors", "modes"}
