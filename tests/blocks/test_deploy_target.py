"""The sandbox's deploy target over a real supervisor and a real HAProxy."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.haproxy import CONFIG, MODE_MAP, STATS
from stationmaster.blocks.instances import Instance, InstanceDidNotStartError, secrets_in
from stationmaster.blocks.metrics import HAProxyMetrics
from stationmaster.blocks.supervisor import NoModesError
from stationmaster.blocks.unix_http import get_json
from stationmaster.deployments.sandbox import proxy
from tests.blocks.target_conformance import FENCE, SECRET, TargetConformance, World
from tests.stack import COMMAND, Stack, Traffic, alive, ask, descendants, eventually, stack

_KINDS = {
    "good": "print('serving', flush=True)",
    "broken": "sys.exit('no such column at ' + os.environ['DATABASE_URL'])",
    "liar": "DIGEST = 'sha256:' + 64 * '0'",
    "silent": "import time; time.sleep(100)",
}


def _world(running: Stack, *instances: str) -> World:
    names = instances or ("cloud",)
    running.supervisor.ensure(proxy.prepare(running.run_dir, names))
    target = SandboxTarget(
        supervisor=running.supervisor.socket,
        stats=str(running.run_dir / STATS),
        run_dir=str(running.run_dir),
        instances={name: Instance(environment="production", database=SecretStr(SECRET)) for name in names},
    )

    def artifact(version: str, kind: str = "good") -> tuple[str, str]:
        path, digest = running.artifact(version, _KINDS[kind])
        return str(path), digest

    return World(target, artifact, COMMAND)


@pytest.fixture
def running() -> Iterator[Stack]:
    with stack() as started:
        yield started


class TestSandboxTarget(TargetConformance):
    @pytest.fixture
    def world(self, running: Stack) -> World:
        return _world(running)


def test_the_database_reaches_the_process_and_no_log(running: Stack) -> None:
    world = _world(running)
    world.start("1")
    (found,) = world.target.running()
    environment = Path(f"/proc/{found.pid}/environ").read_text().split("\0")
    assert f"DATABASE_URL={SECRET}" in environment
    assert not [name for name in environment if name.startswith("PYTEST")]
    for log in (*running.run_dir.glob("*.log"), *running.run_dir.glob("logs/*")):
        assert "hunter2" not in log.read_text()
    assert "hunter2" not in repr(world.target)


def test_what_ran_apart_is_gone_and_so_is_all_it_wrote(running: Stack) -> None:
    world = _world(running)
    path, digest = world.artifact("1")
    with world.target.apart(path, digest, COMMAND, {"DATABASE_URL": SECRET}, timeout=20) as endpoint:
        assert get_json(endpoint.socket, "/version", 2)
    assert get_json(endpoint.socket, "/version", 2) is None
    assert not list(running.run_dir.rglob("apart-*"))


def test_one_that_is_not_healthy_apart_is_given_up_in_time(running: Stack) -> None:
    world = _world(running)
    path, digest = world.artifact("1", "silent")
    with (
        pytest.raises(InstanceDidNotStartError, match="not healthy after 1 s"),
        world.target.apart(path, digest, COMMAND, {"DATABASE_URL": SECRET}, timeout=1),
    ):
        pass


def test_one_that_never_listens_is_given_up_in_time(running: Stack) -> None:
    world = _world(running)
    path, digest = world.artifact("1", "silent")
    with pytest.raises(InstanceDidNotStartError, match="not healthy after 1 s"):
        world.target.start("cloud", path, digest, COMMAND, fence=FENCE, timeout=1)
    assert world.target.running() == ()


def test_an_instance_killed_comes_back_and_serves(running: Stack) -> None:
    world, port = _world(running), running.supervisor.ping().front_port
    world.target.shift(["acme"], "cloud", world.start("1"), FENCE)
    (before,) = world.target.running()
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: ask(port, "acme")[0] == 200 and world.target.running()[0].pid != before.pid)
    assert world.target.running()[0].digest == before.digest


def test_a_colour_is_asked_past_the_proxy(running: Stack) -> None:
    world = _world(running)
    endpoint = world.target.endpoint("cloud", world.start("1"))
    answer = get_json(endpoint.socket, "/version", 2)
    assert answer is not None
    assert answer["version"] == "1"
    assert endpoint.base_url == "http://cloud"


def test_secrets_are_long_values_and_the_passwords_inside_them() -> None:
    assert secrets_in({"DATABASE_URL": SECRET, "MODE": "prod"}) == (SECRET, "hunter2-secret")


def test_a_mode_answers_for_its_tenant_alone_and_outlives_the_proxy(running: Stack) -> None:
    world, port = _world(running), running.supervisor.ping().front_port
    world.target.shift(["acme", "beta"], "cloud", world.start("1"), FENCE)
    eventually(lambda: ask(port, "acme")[0] == 200)
    world.target.set_mode(["acme"], "read_only", FENCE)
    assert ask(port, "acme", method="POST") == (403, '{"error": "read_only"}')
    assert [ask(port, "acme")[0], ask(port, "beta", method="POST")[0]] == [200, 200]
    world.target.set_mode(["acme"], "maintenance", FENCE)
    pid = running.supervisor.units()["proxy"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: ask_or_none(port, "acme") == (503, '{"error": "maintenance"}'))
    eventually(lambda: ask(port, "beta", method="POST")[0] == 200)
    assert world.target.modes() == {"acme": "maintenance"}
    world.target.set_mode(["acme"], None)
    assert ask(port, "acme", method="POST")[0] == 200


def test_what_a_mode_refuses_is_counted_for_no_version(running: Stack) -> None:
    world, port = _world(running), running.supervisor.ping().front_port
    world.target.shift(["acme"], "cloud", world.start("1"), FENCE)
    eventually(lambda: ask(port, "acme")[0] == 200)
    before = HAProxyMetrics(stats=world.target.stats).read().counts
    for mode, status in (("read_only", 403), ("maintenance", 503)):
        world.target.set_mode(["acme"], mode, FENCE)
        assert ask(port, "acme", method="POST")[0] == status
    assert HAProxyMetrics(stats=world.target.stats).read().counts == before


def test_a_proxy_that_is_older_than_modes_is_told_of(running: Stack) -> None:
    world = _world(running)
    config = running.run_dir / CONFIG
    config.write_text(config.read_text().replace(MODE_MAP, "other.map"))
    with pytest.raises(NoModesError, match="older") as older:
        world.target.set_mode(["acme"], "read_only", FENCE)
    assert older.value.hint == "stationmaster up"
    assert world.target.modes() == {}


def ask_or_none(port: int, tenant: str) -> tuple[int, str] | None:
    """What came back; None while nobody listens."""
    try:
        return ask(port, tenant)
    except OSError:
        return None


@pytest.mark.slow
def test_not_one_request_fails_while_versions_are_exchanged_under_traffic(running: Stack) -> None:
    """Five deploys with retirement of the version before, 100 requests a second on kept connections, writes among."""
    world = _world(running, "cloud", "globex")
    tenants = ("acme", "beta", "gamma")
    for instance, names in (("cloud", tenants), ("globex", ("globex",))):
        colour = world.target.start(instance, *world.artifact("0"), COMMAND, fence=FENCE)
        world.target.shift(names, instance, colour, FENCE)
    gaps = []
    with Traffic(running.supervisor.ping().front_port, (*tenants, "globex")) as traffic:
        for version in ("1", "2", "3", "4", "5"):
            for instance, names in (("cloud", tenants), ("globex", ("globex",))):
                old = world.target.routes()[names[0]][1]
                colour = world.target.start(instance, *world.artifact(version), COMMAND, fence=FENCE)
                for tenant in names:
                    world.target.shift([tenant], instance, colour, FENCE)
                shifted = time.monotonic()
                time.sleep(0.5)
                world.target.retire(instance, old, FENCE)
            gaps.append(traffic.last[str(int(version) - 1)] - shifted)
    assert traffic.failed == {}
    assert sum(traffic.answers.values()) > 400
    assert max(gaps) < 0.3
    counted = HAProxyMetrics(stats=world.target.stats).read()
    assert sum(counts.bad for counts in counted.counts.values()) == 0
    assert sum(counts.total for counts in counted.counts.values()) == sum(traffic.answers.values())


@pytest.mark.slow
def test_a_rollback_is_one_shift_and_survives_the_proxys_death(running: Stack) -> None:
    world, port = _world(running), running.supervisor.ping().front_port
    old, new = world.start("1"), world.start("2")
    world.target.shift(["acme"], "cloud", new, FENCE)
    pid = running.supervisor.units()["proxy"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    world.target.shift(["acme"], "cloud", old, FENCE)  # while it is down
    eventually(lambda: ask(port, "acme")[0] == 200)
    assert '"version": "1"' in ask(port, "acme")[1]


@pytest.mark.slow
def test_a_killed_supervisor_leaves_nobody(running: Stack) -> None:
    world = _world(running)
    world.start("1")
    world.start("2")
    pid = running.supervisor.ping().pid
    below = descendants(pid)
    assert len(below) >= 3
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not [left for left in below if alive(left)], within=2)
