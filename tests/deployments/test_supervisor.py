"""The supervisor as others see it, with shell scripts for units: every test is a real process tree."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stationmaster.blocks.supervisor import (
    Fence,
    FencedError,
    Supervisor,
    SupervisorFailedError,
    SupervisorGoneError,
    UnknownBackendError,
)
from stationmaster.deployments.detach import SupervisorDidNotStartError, start_supervisor
from tests.stack import Stack, alive, descendants, eventually, stack


def test_the_same_unit_is_left_alone_and_another_specification_replaces_it(running: Stack) -> None:
    unit = running.shell("same", "exec sleep 100")
    first = running.supervisor.ensure(unit)
    assert running.supervisor.ensure(unit).pid == first.pid
    other = running.supervisor.ensure(running.shell("same", "exec sleep 101"))
    assert other.pid != first.pid
    assert first.pid is not None
    assert not alive(first.pid)


def test_a_unit_that_ends_is_started_again_and_its_last_words_are_kept(running: Stack) -> None:
    running.supervisor.ensure(running.shell("failing", "echo no such table; exit 3"))
    eventually(lambda: running.supervisor.units()["failing"].restarts >= 2)
    eventually(lambda: running.supervisor.units()["failing"].state == "waiting")
    status = running.supervisor.units()["failing"]
    assert status.last_exit == 3
    assert set(status.tail.splitlines()) == {"no such table"}
    running.supervisor.end("failing")


def test_a_unit_killed_comes_back_with_another_pid(running: Stack) -> None:
    pid = running.supervisor.ensure(running.shell("killed", "exec sleep 100")).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: running.supervisor.units()["killed"].pid not in {None, pid})
    assert running.supervisor.units()["killed"].last_exit == -signal.SIGKILL


def test_a_unit_without_restart_is_left_ended_and_can_be_ensured_again(running: Stack) -> None:
    unit = running.shell("once", "exit 7", restart=False)
    running.supervisor.ensure(unit)
    eventually(lambda: running.supervisor.units()["once"].state == "exited")
    assert running.supervisor.units()["once"].last_exit == 7
    assert running.supervisor.ensure(unit).pid is not None


def test_a_program_that_does_not_exist_says_so(running: Stack) -> None:
    unit = running.shell("missing", "").model_copy(update={"argv": ("no-such-program",)})
    status = running.supervisor.ensure(unit)
    assert (status.state, status.last_exit) == ("waiting", 127)
    assert "no-such-program" in status.tail
    running.supervisor.end("missing")


def test_the_environment_is_exact(running: Stack) -> None:
    unit = running.shell("env", "env > $OUT; exec sleep 100", env={"PATH": os.defpath, "OUT": f"{running.run_dir}/env"})
    running.supervisor.ensure(unit.model_copy(update={"inherit": ("HOME", "NOT_THERE")}))
    eventually(lambda: Path(f"{running.run_dir}/env").exists() and Path(f"{running.run_dir}/env").read_text())
    names = {line.partition("=")[0] for line in (running.run_dir / "env").read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_"} == {"PATH", "OUT", "HOME"}


def test_ending_a_deaf_unit_kills_it_and_keeps_nobody_waiting(running: Stack) -> None:
    pid = running.supervisor.ensure(running.shell("deaf", "trap '' TERM; echo on; while :; do sleep 0.1; done")).pid
    assert pid is not None
    eventually((running.run_dir / "logs/deaf.log").read_text)
    ending = threading.Thread(target=running.supervisor.end, args=("deaf", 0.6))
    ending.start()
    eventually(lambda: running.supervisor.units()["deaf"].state == "stopping")
    asked = time.monotonic()
    running.supervisor.ping()
    assert time.monotonic() - asked < 0.3
    ending.join()
    assert not alive(pid)
    assert "deaf" not in running.supervisor.units()


def test_ending_an_unknown_unit_is_already_done(running: Stack) -> None:
    running.supervisor.end("never-started")


def _grandchild(running: Stack, name: str) -> int:
    eventually(lambda: (running.run_dir / f"logs/{name}.log").read_text().strip())
    return int((running.run_dir / f"logs/{name}.log").read_text().split()[0])


def test_what_a_unit_started_ends_with_it(running: Stack) -> None:
    running.supervisor.ensure(running.shell("family", "sleep 100 & echo $!; wait"))
    grandchild = _grandchild(running, "family")
    running.supervisor.end("family")
    assert not alive(grandchild)


def test_what_a_crashed_unit_started_ends_with_it(running: Stack) -> None:
    pid = running.supervisor.ensure(running.shell("crashed", "sleep 100 & echo $!; wait")).pid
    grandchild = _grandchild(running, "crashed")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(grandchild))
    running.supervisor.end("crashed")


def test_an_older_epoch_is_refused_even_by_a_restarted_supervisor() -> None:
    with stack() as running:
        running.supervisor.ensure(running.shell("x", "exec sleep 100"), Fence(release="r1", epoch=5))
        for attempt in (
            lambda: running.supervisor.ensure(running.shell("x", "exec sleep 101"), Fence(release="r1", epoch=4)),
            lambda: running.supervisor.end("x", fence=Fence(release="r1", epoch=4)),
            lambda: running.supervisor.route({}, Fence(release="r1", epoch=4)),
        ):
            with pytest.raises(FencedError, match="epoch 4 is older than 5"):
                attempt()
        running.supervisor.ensure(running.shell("x", "exec sleep 102"), Fence(release="r2", epoch=1))
        running.supervisor.shutdown()
        start_supervisor(running.run_dir)
        with pytest.raises(FencedError):
            running.supervisor.end("x", fence=Fence(release="r1", epoch=4))


def test_routes_are_merged_and_a_backend_must_be_known() -> None:
    with stack() as running:
        (running.run_dir / "haproxy.cfg").write_text("backend cloud_a\nbackend cloud_b\nbackend nowhere\n")
        running.supervisor.route({"acme": "cloud_a", "beta": "cloud_a"})
        running.supervisor.route({"beta": "cloud_b"})
        with pytest.raises(UnknownBackendError) as refused:
            running.supervisor.route({"acme": "cloud_b", "beta": "cluod_a"})
        assert refused.value.hint == "did you mean 'cloud_a'?"
        with pytest.raises(UnknownBackendError):
            running.supervisor.route({"acme": "nowhere"})
        assert running.supervisor.routes() == {"acme": "cloud_a", "beta": "cloud_b"}


def test_two_supervisors_cannot_own_one_directory(running: Stack) -> None:
    with pytest.raises(SupervisorDidNotStartError, match="another supervisor owns"):
        start_supervisor(running.run_dir)
    assert running.supervisor.ping().run_dir == str(running.run_dir)


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(SupervisorDidNotStartError, match=rf"127\.0\.0\.1:{port}: Address already in use"),
            stack(port),
        ):
            pass


def test_nobody_there_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SupervisorGoneError) as gone:
        Supervisor(socket=str(tmp_path / "none.sock")).ping()
    assert gone.value.hint == "stationmaster up"


def test_a_request_that_makes_no_sense_shows_no_secret_and_does_no_harm(running: Stack) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(running.supervisor.socket)
        request = {"op": "ensure", "unit": {"name": "BAD NAME", "env": {"DATABASE_URL": "hunter2"}, "log": "x"}}
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = connection.recv(1 << 16).decode()
    assert not json.loads(answer)["ok"]
    assert "hunter2" not in answer
    assert "hunter2" not in (running.run_dir / "supervisor.log").read_text()
    with pytest.raises(SupervisorFailedError, match="no such operation"):
        running.supervisor._ask("dance")


def test_shutdown_stops_the_last_started_first_and_leaves_nobody() -> None:
    with stack() as running:
        say = "trap 'echo {0} >> {1}/order; exit' TERM; echo on; while :; do sleep 0.02; done"
        for name in ("one", "two", "three"):
            running.supervisor.ensure(running.shell(name, say.format(name, running.run_dir)))
            eventually(lambda name=name: (running.run_dir / f"logs/{name}.log").read_text())  # type: ignore[misc]
        running.supervisor.ensure(running.shell("loner", "setsid sleep 100 & echo on; exit 0", restart=False))
        pid = running.supervisor.ping().pid
        eventually(lambda: len(descendants(pid)) >= 4)
        before = descendants(pid)
        running.supervisor.shutdown()
        eventually(lambda: not alive(pid))
        assert (running.run_dir / "order").read_text().split() == ["three", "two", "one"]
        assert [left for left in before if alive(left)] == []


def test_sigterm_is_a_shutdown() -> None:
    with stack() as running:
        child = running.supervisor.ensure(running.shell("x", "exec sleep 100")).pid
        pid = running.supervisor.ping().pid
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not alive(pid))
        assert child is not None
        assert not alive(child)
        assert not Path(running.supervisor.socket).exists()


def test_sigkill_of_the_supervisor_ends_its_units_and_it_can_be_started_again() -> None:
    with stack() as running:
        child = running.supervisor.ensure(running.shell("x", "exec sleep 100")).pid
        os.kill(running.supervisor.ping().pid, signal.SIGKILL)
        assert child is not None
        eventually(lambda: not alive(child), within=2)
        start_supervisor(running.run_dir)
        assert running.supervisor.units() == {}


def test_a_unit_gets_the_front_socket_and_the_port_outlives_it() -> None:
    serve = (
        "import os,socket;s=socket.socket(fileno=int(os.environ['FRONT_FD']))\n"
        "while True:\n c,_=s.accept();c.sendall(b'%d'%os.getpid());c.close()"
    )
    with stack() as running:
        unit = running.shell("front", "").model_copy(update={"argv": (sys.executable, "-c", serve), "pass_front": True})
        pid, port = running.supervisor.ensure(unit).pid, running.supervisor.ping().front_port
        assert pid is not None
        assert _said(port) == pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))
        assert _said(port) not in {0, pid}  # the connection waits in the backlog until the next one accepts it


def _said(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return int(connection.recv(100) or b"0")


def test_the_leash_kills_its_command_when_its_starter_dies(tmp_path: Path) -> None:
    leashed = (
        f"{sys.executable} -m stationmaster.deployments.leash sh -c 'echo $$ > {tmp_path}/pid; exec sleep 100' & wait"
    )
    with subprocess.Popen(("sh", "-c", leashed)) as starter:
        eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        pid = int((tmp_path / "pid").read_text())
        assert alive(pid)
        starter.kill()
    eventually(lambda: not alive(pid), within=2)
