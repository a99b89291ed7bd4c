"""What ran before a shutdown or a kill comes back as it was: the same artifacts behind the same routes and port."""

import contextlib
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.haproxy import STATS
from stationmaster.blocks.instances import Instance
from stationmaster.blocks.supervisor import Fence
from stationmaster.deployments import descriptor, restoring, wanted
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.sandbox import proxy
from tests.stack import COMMAND, Stack, alive, ask, descendants, eventually, stack

FENCE = Fence(release="r1", epoch=1)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path))
    with stack() as started:
        yield started


def described(running: Stack) -> Descriptor:
    front = f"http://127.0.0.1:{running.supervisor.ping().front_port}"
    run = str(running.run_dir)
    return Descriptor(
        run=run, supervisor=running.supervisor.socket, prefect_ui="http://127.0.0.1:1", prefect_auth=run, front=front
    )


def serve(running: Stack) -> dict[str, str]:
    """Two instances, each on a version of its own, the first on its second colour. Tenant to version."""
    running.supervisor.ensure(proxy.prepare(running.run_dir, ["cloud", "globex"]))
    target = SandboxTarget(
        supervisor=running.supervisor.socket, stats=str(running.run_dir / STATS), run_dir=str(running.run_dir),
        instances={name: Instance(environment="production") for name in ("cloud", "globex")},
    )  # fmt: skip
    for version, instance, tenant in (("1", "cloud", "acme"), ("2", "cloud", "acme"), ("1", "globex", "globex")):
        path, digest = running.artifact(version)
        colour = target.start(instance, path, digest, COMMAND, fence=FENCE, timeout=20)
        target.shift([tenant], instance, colour, FENCE)
    target.retire("cloud", "a", FENCE)
    told = f"echo traffic to --front {described(running).front}; exec sleep 100"
    traffic = running.shell("traffic", told)
    front = str(described(running).front).removeprefix("http://")
    argv = (*traffic.argv, "--front", front)
    running.supervisor.ensure(traffic.model_copy(update={"argv": argv}))
    return {"acme": "2", "globex": "1"}


def served(found: Descriptor) -> dict[str, str]:
    port = int(str(found.front).rpartition(":")[2])
    return {tenant: json.loads(ask(port, tenant)[1] or "{}").get("version", "") for tenant in ("acme", "globex")}


def kill(running: Stack) -> None:
    pid = running.supervisor.ping().pid
    below = descendants(pid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not [left for left in (pid, *below) if alive(left)])


@pytest.mark.parametrize("killed", [False, True])
def test_all_of_it_comes_back(running: Stack, *, killed: bool) -> None:
    versions = serve(running)
    found, units = described(running), set(running.supervisor.units())
    kill(running) if killed else running.supervisor.shutdown()
    assert restoring.begin(found) == found
    assert running.supervisor.units() == {}
    assert restoring.restore(found, running.supervisor) == []
    assert set(running.supervisor.units()) == units == {"proxy", "cloud_b", "globex_a", "traffic"}
    assert served(found) == versions
    pids = {name: unit.pid for name, unit in running.supervisor.units().items()}
    assert restoring.restore(found, running.supervisor) == []
    assert {name: unit.pid for name, unit in running.supervisor.units().items()} == pids, "safe to repeat"


def test_a_kill_in_the_middle_of_coming_back_forgets_nothing(running: Stack) -> None:
    versions = serve(running)
    found = described(running)
    for _ in range(2):
        kill(running)
        restoring.begin(found)
        running.supervisor.ensure(running.shell("postgres", "exec sleep 100"))
    restoring.restore(found, running.supervisor)
    assert served(found) == versions


def take(held: contextlib.ExitStack, port: int) -> bool:
    """Listen on the port as soon as the one who had it is gone."""
    with contextlib.suppress(OSError):
        held.enter_context(socket.create_server(("127.0.0.1", port)))
        return True
    return False


def test_on_a_port_that_was_taken_meanwhile_it_comes_back_on_another(running: Stack) -> None:
    versions = serve(running)
    found = described(running)
    running.supervisor.shutdown()
    with contextlib.ExitStack() as held:
        eventually(lambda: take(held, int(str(found.front).rpartition(":")[2])))
        moved = restoring.begin(found)
        assert moved.front != found.front
        assert descriptor.load() == moved
        restoring.restore(moved, running.supervisor)
        assert served(moved) == versions
    traffic = next(unit for unit in wanted.read(running.run_dir) if unit.name == "traffic")
    assert traffic.argv[-2:] == ("--front", str(moved.front).removeprefix("http://"))


def test_an_instance_that_does_not_come_back_is_named(running: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(running)
    found = described(running)
    running.supervisor.shutdown()
    (running.run_dir / "app-2.py").unlink()
    monkeypatch.setattr(restoring, "_HEALTHY", 2.0)
    restoring.begin(found)
    assert restoring.restore(found, running.supervisor) == ["cloud_b"]
    assert served(found) == {"acme": "", "globex": "1"}


def test_what_was_ended_stays_ended_and_what_up_starts_itself_is_left_to_it(running: Stack) -> None:
    for name in ("one", "two", "worker"):
        running.supervisor.ensure(running.shell(name, "exec sleep 100"))
    running.supervisor.end("one")
    running.supervisor.shutdown()
    assert [unit.name for unit in wanted.read(running.run_dir)] == ["two", "worker"]
    found = restoring.begin(Descriptor(run=str(running.run_dir), supervisor="", prefect_ui="", prefect_auth=""))
    assert restoring.restore(found, running.supervisor) == []
    assert set(running.supervisor.units()) == {"two"}


def test_the_file_is_its_owners_alone_and_a_strange_one_brings_nothing_back(running: Stack) -> None:
    running.supervisor.ensure(running.shell("one", "exec sleep 100", env={"TOKEN": "hunter2"}))
    path = running.run_dir / wanted.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for text in ("{", '{"a": 1}', "[1]", '[{"name": "x", "unknown": 1}]', "null"):
        path.write_text(text)
        assert wanted.read(running.run_dir) == ()
