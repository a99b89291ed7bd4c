"""The machine around the sandbox: a second one beside it, `down` and `up`, a supervisor that is killed."""

import os
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from stationmaster.blocks.supervisor import Supervisor
from tests.stack import alive, eventually
from tests.stories.sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def second() -> Iterator[Sandbox]:
    """Another home folder of the same user."""
    with tempfile.TemporaryDirectory(prefix="stm-home-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Sandbox(Path(folder))
        try:
            yield made
        finally:
            made.run("down", "--delete")


def supervisor(of: Sandbox) -> Supervisor:
    return Supervisor(socket=of.stack["supervisor"])


def pids(of: Sandbox) -> dict[str, int | None]:
    return {name: unit.pid for name, unit in supervisor(of).units().items()}


def answers(of: Sandbox) -> dict[str, str]:
    """Tenant to the digest of the artifact that answers it through the front door."""
    lines = (of.run_dir / "route.map").read_text().splitlines()
    return {tenant: of.answers_of(tenant) for tenant in (line.split()[0] for line in lines)}


def workers(of: Sandbox) -> list[dict[str, Any]]:
    """What its Prefect server knows of its workers, which is to say that it answers."""
    user, _, password = Path(of.stack["prefect_auth"]).read_text().strip().partition(":")
    url = f"{of.stack['prefect_ui']}/api/work_pools/stationmaster/workers/filter"
    answer = httpx.post(url, json={}, auth=(user, password), timeout=10)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


def has_a_worker(of: Sandbox) -> bool:
    return any(worker["status"] == "ONLINE" for worker in workers(of))


def test_two_side_by_side_do_not_know_of_each_other(sandbox: Sandbox, second: Sandbox) -> None:
    before, served = pids(sandbox), answers(sandbox)
    assert second.run("up").code == 0
    assert set(pids(second)) < set(before)
    assert not set(pids(second).values()) & set(before.values())
    for name in ("run", "supervisor", "prefect_ui", "prefect_auth"):
        assert sandbox.stack[name] != second.stack[name]
    for one in (sandbox, second):
        eventually(partial(has_a_worker, one), within=60)
    assert second.run("release", "list", "--json").json["error"]["message"] == "no product is known here"
    run = second.run_dir
    for words in (["down"], ["up"], ["down", "--delete"]):
        assert second.run(*words).code == 0
        assert pids(sandbox) == before
    assert not run.exists()
    assert answers(sandbox) == served
    assert has_a_worker(sandbox)


def down(one: Sandbox) -> None:
    assert one.run("down").code == 0


def kill(one: Sandbox) -> None:
    """SIGKILL of the supervisor, as the kernel does when memory ends; everything it owns ends with it."""
    pid, below = supervisor(one).ping().pid, one.processes()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not [left for left in below if alive(left)], within=30)


@pytest.mark.parametrize("how", ["down", "killed"])
def test_up_brings_it_back_whole(sandbox: Sandbox, how: str) -> None:
    units, served, stack = set(pids(sandbox)), answers(sandbox), sandbox.stack
    releases = sandbox.run("release", "list", "--json").json
    {"down": down, "killed": kill}[how](sandbox)
    with pytest.raises(httpx.TransportError):
        sandbox.answers_of(next(iter(served)))
    failed = len(sandbox.failures())
    assert sandbox.run("up").code == 0
    assert set(pids(sandbox)) == units
    assert answers(sandbox) == served
    assert {name: sandbox.stack[name] for name in ("front", "messages", "run")} == {
        name: stack[name] for name in ("front", "messages", "run")
    }
    assert sandbox.run("release", "list", "--json").json == releases
    assert sandbox.run("journeys", "run", "--json").json["passed"] is True
    length = (sandbox.run_dir / "traffic.jsonl").stat().st_size
    eventually(lambda: (sandbox.run_dir / "traffic.jsonl").stat().st_size > length)
    assert len(sandbox.failures()) == failed, "nobody was let in before somebody answered"
