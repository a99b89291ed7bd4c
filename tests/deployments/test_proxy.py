"""The proxy's configuration in a real HAProxy: whom it answers itself, what it forgets and what it does not."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stationmaster.blocks import haproxy
from stationmaster.blocks.instances import socket_path
from stationmaster.blocks.supervisor import Supervisor
from stationmaster.blocks.unix_http import get
from stationmaster.deployments.sandbox import proxy
from tests.stack import COMMAND, Stack, ask, eventually, stack


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """A proxy for `cloud`, with an application behind its colour a."""
    with stack() as started:
        started.supervisor.ensure(proxy.prepare(started.run_dir, ["cloud", "globex"]))
        path, _ = started.artifact("1")
        place = str(socket_path(started.run_dir, "cloud_a"))
        argv = tuple(word.format(artifact=path, socket=place) for word in COMMAND)
        unit = started.shell("cloud_a", "", inherit=("PATH",), env={}).model_copy(update={"argv": argv})
        started.supervisor.ensure(unit)
        started.supervisor.route({"acme": "cloud_a", "empty": "cloud_b"})
        eventually(lambda: ask(_port(started), "acme")[0] == 200)
        yield started


def _port(running: Stack) -> int:
    return running.supervisor.ping().front_port


def _kill_proxy(supervisor: Supervisor) -> None:
    pid = supervisor.units()["proxy"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: supervisor.units()["proxy"].pid not in {None, pid})


def test_a_tenant_is_answered_by_its_backend_whatever_the_case_of_its_name(running: Stack) -> None:
    assert ask(_port(running), "acme")[0] == 200
    assert ask(_port(running), "ACME")[0] == 200


@pytest.mark.parametrize("tenant", ["nobody", "", "acme beta"])
def test_an_unknown_tenant_gets_404_in_json(running: Stack, tenant: str) -> None:
    assert ask(_port(running), tenant) == (404, '{"error": "unknown_tenant"}')


def test_a_tenant_whose_instance_is_down_gets_503_in_json(running: Stack) -> None:
    assert ask(_port(running), "empty") == (503, '{"error": "no_instance"}')


def test_routes_and_port_survive_the_proxys_death(running: Stack) -> None:
    running.supervisor.route({"beta": "cloud_a"})
    _kill_proxy(running.supervisor)
    eventually(lambda: ask(_port(running), "beta")[0] == 200)
    assert ask(_port(running), "nobody")[0] == 404


def test_a_route_set_while_the_proxy_is_down_is_live_when_the_call_returns(running: Stack) -> None:
    pid = running.supervisor.units()["proxy"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    running.supervisor.route({"late": "cloud_a"})
    shown = haproxy.ask(str(running.run_dir / haproxy.STATS), f"show map {running.run_dir / haproxy.ROUTE_MAP}")
    assert haproxy.map_lines(shown) == running.supervisor.routes()
    eventually(lambda: ask(_port(running), "late")[0] == 200)


def test_a_thousand_routes_are_set_at_once_and_the_file_says_the_same(running: Stack) -> None:
    routes = {f"tenant-{number:04}-{'x' * 40}": "globex_b" for number in range(1000)}
    running.supervisor.route(routes)
    shown = haproxy.ask(str(running.run_dir / haproxy.STATS), f"show map {running.run_dir / haproxy.ROUTE_MAP}")
    assert haproxy.map_lines(shown) == running.supervisor.routes()
    assert routes.items() <= running.supervisor.routes().items()
    assert ask(_port(running), "acme")[0] == 200


def test_the_exporter_speaks_prometheus(running: Stack) -> None:
    answer = get(str(running.run_dir / proxy.METRICS), "/metrics", 5)
    assert answer is not None
    assert b'haproxy_server_http_responses_total{proxy="cloud_a",server="app",code="2xx"}' in answer[1]


def test_another_set_of_instances_is_another_unit_and_the_same_set_is_not(tmp_path: Path) -> None:
    unit = proxy.prepare(tmp_path, ["cloud"])
    assert proxy.prepare(tmp_path, ["cloud"]) == unit
    assert proxy.prepare(tmp_path, ["cloud", "globex"]) != unit


def test_a_directory_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(proxy.RunDirectoryTooLongError):
        proxy.prepare(tmp_path / ("d" * 90), ["cloud"])


def test_the_map_file_reads_back_and_long_ones_fit_the_buffer() -> None:
    routes = {f"{'t' * 60}{number:03}": f"{'i' * 63}_a" for number in range(250)}
    assert haproxy.map_lines(haproxy.map_text(routes)) == routes
    commands = list(haproxy.replace_map(Path("/r/route.map"), "7", routes))
    assert len(commands) == 4
    assert max(map(len, commands)) < 16000
    assert commands[-1] == "commit map @7 /r/route.map"


def test_a_socket_nobody_listens_on_is_a_named_error(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
        with pytest.raises(haproxy.ProxyGoneError, match="Connection refused"):
            haproxy.ask(path, "show info")
