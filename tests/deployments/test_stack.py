"""The stack for any product: what is decided before anything is started, and the whole of it once, for real."""

import contextlib
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stationmaster.blocks.supervisor import Supervisor
from stationmaster.deployments import stack
from stationmaster.deployments.stack import PortInUseError
from tests.stories.sandbox import Sandbox

FLOWS = [
    "stationmaster.flows.approve.approve",
    "stationmaster.flows.backfill.backfill",
    "stationmaster.flows.catch_up.catch_up",
    "stationmaster.flows.contract.contract",
    "stationmaster.flows.drift.drift",
    "stationmaster.flows.merge_back.merge_back_check",
    "stationmaster.flows.release.release",
    "stationmaster.flows.rollback.rollback",
    "stationmaster.flows.train.train",
]


def test_a_wanted_port_that_is_taken_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)):
            stack.free_port(port)


def test_without_a_wish_any_free_port_will_do() -> None:
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            busy = held.enter_context(socket.socket())
            busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that ended a moment ago is no reason
            busy.bind(("127.0.0.1", stack.UI_PORT))
            busy.listen()
        assert stack.free_port(None) != stack.UI_PORT


@pytest.fixture
def person() -> Iterator[Sandbox]:
    """Somebody at a terminal with an empty home folder: each command is a process of its own."""
    with tempfile.TemporaryDirectory(prefix="stm-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Sandbox(Path(folder))
        try:
            yield made
        finally:
            made.run("down", "--delete")


@pytest.mark.slow
def test_up_is_repeatable_down_keeps_the_data_and_up_goes_on_with_it(person: Sandbox) -> None:
    first = person.run("up", "--json").json
    pids = _pids(person)
    assert set(pids) == {"postgres", "prefect-server", "worker", "watchdog"}
    assert stat.S_IMODE(Path(first["prefect_auth"]).stat().st_mode) == 0o600
    assert person.run("up", "--json").json == first
    assert _pids(person) == pids
    assert _deployments(person) == FLOWS
    assert person.run("down").code == 0
    again = person.run("up", "--json").json
    assert (again["run"], again["prefect_auth"]) == (first["run"], first["prefect_auth"])
    assert _deployments(person) == FLOWS
    assert person.run("down", "--delete").code == 0
    assert not Path(first["run"]).exists()
    assert person.run("down", "--json").json["error"]["code"] == "no_stack"


def _pids(person: Sandbox) -> dict[str, int | None]:
    return {name: unit.pid for name, unit in Supervisor(socket=person.stack["supervisor"]).units().items()}


def _deployments(person: Sandbox) -> list[str]:
    found = person.stack
    user, _, password = Path(found["prefect_auth"]).read_text().strip().partition(":")
    url = f"{found['prefect_ui']}/api/deployments/filter"
    return sorted(one["entrypoint"] for one in httpx.post(url, json={}, auth=(user, password), timeout=10).json())
