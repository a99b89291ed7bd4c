"""What `up` leaves for other commands: found again, readable by its owner alone, and gone when it is forgotten."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from stationmaster.deployments import descriptor
from stationmaster.deployments.descriptor import Descriptor, NoStackError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def stack(tmp_path: Path) -> Descriptor:
    run = tmp_path / "run"
    run.mkdir()
    (run / "prefect.auth").write_text("stationmaster:s3cret\n")
    return Descriptor(
        run=str(run), supervisor=str(run / "s.sock"), prefect_ui="http://127.0.0.1:4200",
        prefect_auth=str(run / "prefect.auth"),
    )  # fmt: skip


def test_what_was_saved_is_found_by_nobody_else(home: Path, stack: Descriptor) -> None:
    stack.save()
    assert descriptor.load() == stack
    assert stat.S_IMODE((home / "stack.json").stat().st_mode) == 0o600
    assert (home / "run").resolve() == Path(stack.run)


def test_saving_again_points_the_link_at_the_new_run_directory(home: Path, stack: Descriptor, tmp_path: Path) -> None:
    stack.save()
    (tmp_path / "other").mkdir()
    stack.model_copy(update={"run": str(tmp_path / "other")}).save()
    assert (home / "run").resolve() == tmp_path / "other"


def test_nothing_brought_up_is_said_with_the_command_that_does(home: Path) -> None:
    with pytest.raises(NoStackError) as caught:
        descriptor.load()
    assert "stationmaster up" in str(caught.value.hint)


def test_forgetting_leaves_nothing_and_may_be_repeated(home: Path, stack: Descriptor) -> None:
    stack.save()
    descriptor.forget()
    descriptor.forget()
    assert list(home.iterdir()) == []


def test_a_client_that_imported_prefect_before_is_connected_too(stack: Descriptor) -> None:
    """In a process of its own: prefect's settings are the process's."""
    script = (
        "import prefect, sys\n"
        "from stationmaster.deployments.descriptor import Descriptor\n"
        "Descriptor.model_validate_json(sys.argv[1]).connect()\n"
        "from prefect.settings import PREFECT_API_AUTH_STRING as auth, PREFECT_API_URL as url\n"
        "print(url.value(), auth.value())"
    )
    env = {"PATH": os.defpath, "HOME": stack.run}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, stack.model_dump_json()],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["http://127.0.0.1:4200/api", "stationmaster:s3cret"], done.stderr
