"""Counters of a real HAProxy after known traffic, and what is read when it answers strangely."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.haproxy import STATS
from stationmaster.blocks.instances import socket_path
from stationmaster.blocks.metrics import HAProxyMetrics
from stationmaster.deployments.sandbox import proxy
from stationmaster.domain.signals import Counts, Reading
from tests.stack import COMMAND, Stack, ask, eventually, stack

_INFO = "Name: HAProxy\nPid: 42\nStart_time_sec: 1000\n\n"
_A = "# table: cloud_a, type: string, size:51200, used:1\n"
_B = "# table: cloud_b, type: string, size:51200, used:0\n"


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with stack() as started:
        started.supervisor.ensure(proxy.prepare(started.run_dir, ["cloud"]))
        for name, version in (("cloud_a", "1"), ("cloud_b", "2")):
            place, path = str(socket_path(started.run_dir, name)), started.artifact(version)[0]
            argv = tuple(word.format(artifact=path, socket=place) for word in COMMAND)
            unit = started.shell(name, "", inherit=("PATH",), env={})
            started.supervisor.ensure(unit.model_copy(update={"argv": argv}))
        started.supervisor.route({"wait": "cloud_a", "wait2": "cloud_b"})
        for tenant in ("wait", "wait2"):
            eventually(lambda tenant=tenant: ask(_port(started), tenant)[0] == 200)  # type: ignore[misc]
        yield started


def _port(running: Stack) -> int:
    return running.supervisor.ping().front_port


def _metrics(running: Stack) -> HAProxyMetrics:
    return HAProxyMetrics(stats=str(running.run_dir / STATS))


def test_requests_are_counted_by_tenant_and_backend_with_errors_and_those_without_an_answer(running: Stack) -> None:
    running.supervisor.route({"acme": "cloud_a", "beta": "cloud_a"})
    for path in ("/", "/", "/boom", "/drop"):
        ask(_port(running), "acme", path, "POST")
    ask(_port(running), "beta")
    running.supervisor.route({"acme": "cloud_b"})
    ask(_port(running), "acme")
    reading = _metrics(running).read()
    assert reading.status == "OK"
    assert reading.of("acme", "cloud_a") == Counts(total=4, bad=2)
    assert reading.of("acme", "cloud_b") == Counts(total=1, bad=0)
    assert reading.of("beta", "cloud_a") == Counts(total=1, bad=0)
    assert reading.of("beta", "cloud_b") == Counts()


def test_a_request_closed_without_any_answer_is_bad(running: Stack) -> None:
    """On a kept connection to the application HAProxy answers nothing at all, and logs nothing."""
    running.supervisor.route({"lost": "cloud_a"})
    with socket.create_connection(("127.0.0.1", _port(running))) as connection:
        for path in ("/", "/drop"):
            connection.sendall(f"POST {path} HTTP/1.1\r\nX-Tenant: lost\r\nContent-Length: 0\r\n\r\n".encode())
            answer = connection.recv(1 << 16)
    assert answer == b""
    assert _metrics(running).read().of("lost", "cloud_a") == Counts(total=2, bad=1)


def test_what_is_in_flight_is_not_counted_yet(running: Stack) -> None:
    running.supervisor.route({"slow": "cloud_a"})
    asking = threading.Thread(target=ask, args=(_port(running), "slow", "/slow"))
    asking.start()
    metrics = _metrics(running)
    eventually(lambda: ("slow", "cloud_a") in metrics.read().counts)
    assert metrics.read().of("slow", "cloud_a") == Counts()
    asking.join()
    assert metrics.read().of("slow", "cloud_a") == Counts(total=1, bad=0)


def test_a_restart_of_the_proxy_is_another_generation() -> None:
    with stack() as running:
        running.supervisor.ensure(proxy.prepare(running.run_dir, ["cloud"]))
        metrics = _metrics(running)
        eventually(lambda: metrics.read().status == "NO_TRAFFIC")
        before = metrics.read()
        assert metrics.read().generation == before.generation
        pid = running.supervisor.units()["proxy"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: metrics.read().generation not in {before.generation, ""})


class Scripted:
    """A stats socket that answers what it is told."""

    def __init__(self, path: Path, *answers: str) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, args=(answers,))
        self._thread.start()

    def _serve(self, answers: tuple[str, ...]) -> None:
        for answer in answers:
            connection, _ = self._server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer.encode())

    def close(self) -> None:
        self._thread.join()
        self._server.close()


def _read(path: Path, *answers: str) -> Reading:
    scripted = Scripted(path / "s", *answers)
    try:
        return HAProxyMetrics(stats=str(path / "s")).read()
    finally:
        scripted.close()


def _entry(tenant: str, requests: int, answered: int, failed: int, use: int = 0) -> str:
    counters = f"http_req_cnt={requests} gpc0={answered} gpc1={failed}"
    return f"0x1: key={tenant} use={use} exp=1 shard=0 {counters}\n"


def test_no_socket_is_a_status_and_not_an_exception(tmp_path: Path) -> None:
    reading = HAProxyMetrics(stats=str(tmp_path / "none")).read()
    assert (reading.status, dict(reading.counts)) == ("PROVIDER_ERROR", {})
    assert "HAProxy does not answer" in reading.message


def test_no_table_is_an_absent_series(tmp_path: Path) -> None:
    assert _read(tmp_path, "\n").status == "SERIES_ABSENT"


def test_a_table_that_vanished_in_between_makes_it_partial(tmp_path: Path) -> None:
    reading = _read(tmp_path, _A + _B, f"{_INFO}{_A}{_entry('acme', 3, 3, 1)}\nNo such table\n")
    assert (reading.status, reading.message) == ("PARTIAL", "no counters of cloud_b")
    assert reading.of("acme", "cloud_a") == Counts(3, 1)


def test_tables_without_entries_are_no_traffic(tmp_path: Path) -> None:
    reading = _read(tmp_path, _A + _B, f"{_INFO}{_A}\n{_B}\n")
    assert (reading.status, reading.generation) == ("NO_TRAFFIC", "42-1000")


def test_a_lost_request_stays_lost_while_another_answer_is_being_sent(tmp_path: Path) -> None:
    """An answered request that is still open is subtracted twice for that moment."""
    first, second = _entry("acme", 10, 9, 0), _entry("acme", 11, 10, 0, use=1)
    scripted = Scripted(tmp_path / "s", _A, f"{_INFO}{_A}{first}", _A, f"{_INFO}{_A}{second}")
    metrics = HAProxyMetrics(stats=str(tmp_path / "s"))
    before, after = metrics.read(), metrics.read()
    scripted.close()
    assert before.of("acme", "cloud_a") == Counts(10, 1)
    assert after.of("acme", "cloud_a") == Counts(11, 1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20))
def test_what_came_since_adds_up(steps: list[tuple[int, int]]) -> None:
    readings = [Counts()]
    for good, bad in steps:
        readings.append(readings[-1] + Counts(good + bad, bad))
    since = [later - earlier for earlier, later in pairwise(readings)]
    assert since == [Counts(good + bad, bad) for good, bad in steps]
    assert readings[-1] - readings[0] == readings[-1]


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="3 bad of 2"):
        Counts(2, 3)
    assert Counts(2, 1) - Counts(5, 0) == Counts()
