"""Guests that fail, hang, spawn, escape and shout secrets."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stationmaster.blocks import guest
from stationmaster.blocks.guest import CommandNotFoundError, Finished, GuestFailedError, GuestTimeoutError
from stationmaster.domain.errors import Exit
from tests.stack import alive, eventually

OURS = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "STATIONMASTER_LEDGER", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD")
ESCAPES = """
import os, sys, time
for turn in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(1, f"{os.getpid()}\\n".encode())
            time.sleep(60)
        os._exit(0)
"""  # daemons, as a careless build tool starts them


def run(tmp_path: Path, *command: str, timeout: float = 20, env: dict[str, str] | None = None) -> Finished:
    return guest.run(command, cwd=tmp_path, home=tmp_path, log=log(tmp_path), timeout=timeout, env=env)


def shell(tmp_path: Path, script: str, timeout: float = 20, **env: str) -> Finished:
    return run(tmp_path, "sh", "-c", script, timeout=timeout, env=env)


def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "log"


def pids(tmp_path: Path, count: int) -> list[int]:
    """The process ids that the guest wrote to its log."""
    eventually(lambda: log(tmp_path).exists() and len(log(tmp_path).read_text().split()) >= count)
    return [int(word) for word in log(tmp_path).read_text().split()[:count]]


# What a guest sees


def test_a_guest_sees_its_own_environment_and_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.setenv(name, "ours")
    shell(tmp_path, "env -0", VERSION="1.2.0")
    seen = dict(line.split("=", 1) for line in log(tmp_path).read_text().rstrip("\0").split("\0"))
    assert set(seen) - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        "PATH", "HOME", "TMPDIR", "LANG", "TZ", "PYTHONDONTWRITEBYTECODE", "VERSION",
    }  # fmt: skip
    assert seen["VERSION"] == "1.2.0"
    assert seen["HOME"] == seen["TMPDIR"] == str(tmp_path)
    assert seen["PATH"].startswith(str(Path(sys.executable).parent))


def test_a_guest_has_no_input_no_file_of_ours_and_the_usual_signals(tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w"):
        shell(tmp_path, "ls -l /proc/self/fd; readlink /proc/self/fd/0; grep SigIgn /proc/self/status")
    said = log(tmp_path).read_text()
    assert str(tmp_path / "ours") not in said
    assert "/dev/null" in said
    ignored = int(said.partition("SigIgn:\t")[2].split()[0], 16)
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


@pytest.mark.parametrize("name", ["ctypes.py", "signal.py", "stationmaster/__init__.py", "sitecustomize.py"])
def test_what_lies_in_the_export_is_never_loaded_by_us(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit('hijacked')")
    run(tmp_path, "true", env={"PYTHONPATH": str(tmp_path)})


def test_a_guest_that_ends_well_leaves_its_log(tmp_path: Path) -> None:
    done = shell(tmp_path, "echo out; echo err >&2")
    said = b"out\nerr\n"
    assert Path(done.log).read_bytes() == said
    assert 0 < done.seconds < 20


# How a guest fails


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 3", "exit code 3\n"), ("kill -9 $$", "exit code 137 (SIGKILL)"), ("exit 255", "exit code 255\n")],
)
def test_an_exit_code_is_told(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(GuestFailedError) as caught:
        shell(tmp_path, script)
    assert said in caught.value.message
    assert caught.value.exit is Exit.NO
    assert str(log(tmp_path)) in str(caught.value.hint)


def test_the_message_ends_with_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(GuestFailedError) as caught:
        shell(tmp_path, "seq 300000; printf '\\377bytes\\n'; echo the reason >&2; exit 1")
    assert caught.value.returncode == 1
    lines = caught.value.message.splitlines()
    assert lines[-3:] == ["    300000", "    �bytes", "    the reason"]
    assert len(lines) < 15


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter2@db/orderdesk",
        "postgresql:///orderdesk?host=/run/x&password=hunter2",
        "host=db user=app password=hunter2 dbname=orderdesk",
        "host=db password='hunter2' dbname=orderdesk",
    ],
)
def test_a_password_that_a_guest_says_is_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(GuestFailedError) as caught:
        shell(tmp_path, "echo hunter2 $URL; exit 1", URL=url)
    assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.hint}"
    assert "***" in caught.value.said


def test_a_password_is_not_repeated_when_time_is_over(tmp_path: Path) -> None:
    with pytest.raises(GuestTimeoutError) as caught:
        shell(tmp_path, "echo hunter2; exec sleep 30", timeout=1, URL="postgresql://app:hunter2@db/orderdesk")
    assert "hunter2" not in str(caught.value)


def test_a_password_is_hidden_as_it_is_written_and_as_it_is_meant(tmp_path: Path) -> None:
    with pytest.raises(GuestFailedError) as caught:
        shell(tmp_path, "echo $URL p@ss/word; exit 1", URL="postgresql://app:p%40ss%2Fword@db/x", OTHER="http://[half")
    assert "word" not in caught.value.said


def test_a_guest_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    script = f"echo $$; sleep 60 & echo $!; {sys.executable} -c '{ESCAPES}'; wait"
    with pytest.raises(GuestTimeoutError, match="did not end within 1 s") as caught:
        shell(tmp_path, script, timeout=1)
    assert not [pid for pid in pids(tmp_path, 5) if alive(pid)]
    assert caught.value.file == str(log(tmp_path))


@pytest.mark.parametrize("end", ["exit 0", "exit 1"])
def test_nothing_outlives_a_command_that_ended(tmp_path: Path, end: str) -> None:
    try:
        shell(tmp_path, f"sleep 60 & echo $!; {sys.executable} -c '{ESCAPES}'; sleep 0.2; {end}")
    except GuestFailedError:
        assert end == "exit 1"
    assert not [pid for pid in pids(tmp_path, 4) if alive(pid)]


def test_a_guest_and_all_it_started_die_with_us(tmp_path: Path) -> None:
    script = f"echo $$; sleep 60 & echo $!; {sys.executable} -c '{ESCAPES}'; wait"
    place = f"cwd=P('{tmp_path}'), home=P('{tmp_path}'), log=P('{log(tmp_path)}'), timeout=60"
    ours = "from pathlib import Path as P; from stationmaster.blocks.guest import run; "
    ours += f"run(('sh', '-c', {script!r}), {place})"
    with subprocess.Popen([sys.executable, "-c", ours]) as host:
        started = pids(tmp_path, 5)
        host.send_signal(signal.SIGKILL)
    eventually(lambda: not [pid for pid in started if alive(pid)], within=5)


def test_a_guest_that_stops_its_leash_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "_GRACE", 0.2)
    with pytest.raises(GuestTimeoutError):
        shell(tmp_path, "echo $$; kill -STOP $PPID; exec sleep 60", timeout=0.5)
    (pid,) = pids(tmp_path, 1)
    eventually(lambda: not alive(pid), within=5)


# Programs that are not there


def program(folder: Path, name: str, content: str = "#!/bin/sh\n", mode: int = 0o755) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    (folder / name).chmod(mode)


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("pyhton", "did you mean 'python'?"),
        ("scripts/bulid.sh", "did you mean 'build.sh'?"),
        ("scripts/flat.sh", "make it executable: git update-index --chmod=+x flat.sh"),
        ("scripts/folder", "make it executable"),
        ("qqqqqqqqqqqqqq", "install 'qqqqqqqqqqqqqq', or mend the command in stationmaster.yaml"),
    ],
)
def test_a_program_that_is_not_there_is_named_with_a_way_out(tmp_path: Path, command: str, hint: str) -> None:
    program(tmp_path / "scripts", "build.sh")
    program(tmp_path / "scripts", "flat.sh", mode=0o644)
    (tmp_path / "scripts" / "folder").mkdir()
    with pytest.raises(CommandNotFoundError) as caught:
        run(tmp_path, command)
    assert repr(command) in caught.value.message
    assert str(caught.value.hint).startswith(hint)
    assert caught.value.exit is Exit.INPUT


def test_a_program_of_the_export_runs(tmp_path: Path) -> None:
    program(tmp_path / "scripts", "build.sh", "#!/bin/sh\necho built $1\n")
    run(tmp_path, "scripts/build.sh", "it")
    assert log(tmp_path).read_text() == "built it\n"


def test_a_program_that_cannot_be_started_says_so_without_our_traceback(tmp_path: Path) -> None:
    program(tmp_path, "build.sh", "#!/no/such/shell\n")
    with pytest.raises(GuestFailedError) as caught:
        run(tmp_path, "./build.sh")
    assert caught.value.returncode == 126
    assert caught.value.said == "    ./build.sh cannot be started: No such file or directory"


def test_a_leash_whose_starter_is_gone_starts_nothing(tmp_path: Path) -> None:
    leash = (sys.executable, "-I", "-S", guest._LEASH, "1", "touch", str(tmp_path / "started"))
    assert os.getpid() != 1
    assert subprocess.run(leash, check=False).returncode == 1
    assert not (tmp_path / "started").exists()


def test_signs_that_no_database_or_terminal_wants_are_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("nul \0 here\nturned \u202e around\ta tab\n")
    assert guest.tail(log) == "    nul · here\n    turned · around\ta tab"
