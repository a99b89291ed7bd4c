"""The sandbox's users: at the rate that was asked, whatever the server does, and every failure is on record."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from stationmaster.deployments.sandbox.orderdesk import TRAFFIC
from stationmaster.deployments.sandbox.traffic import Traffic
from stationmaster.deployments.sandbox.traffic_http import BrokenAnswerError, Connections
from stationmaster.deployments.sandbox.traffic_log import Recorder, TrafficLog
from stationmaster.deployments.sandbox.traffic_plan import TrafficPlan, traffic_plan

ORIGIN = {"X-Orderdesk-Version": "1.2.0", "X-Orderdesk-Digest": "sha256:d"}


def http(status: int, body: Any = None, **headers: str) -> bytes:
    content = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


Respond = Callable[["Desk", str, dict[str, str]], Awaitable[bytes | None]]


async def healthy(_desk: "Desk", target: str, _headers: dict[str, str]) -> bytes | None:
    if target == "POST /login":
        return http(200, {"token": "t1"}, **ORIGIN)
    return http(201 if target.startswith("POST") else 200, {"id": "o7"}, **ORIGIN)


@dataclass
class Desk:
    """A server on a unix socket; `respond` gives the bytes of an answer, or None to hang up."""

    respond: Respond = healthy
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0

    def targets(self) -> list[str]:
        return [target for target, _ in self.seen]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                await reader.readexactly(int(headers["Content-Length"]))
                target = head[0].removesuffix(" HTTP/1.1")
                self.seen.append((target, headers))
                answer = await self.respond(self, target, headers)
                if answer is None:
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@pytest.fixture
def address() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="stm-") as folder:
        yield f"{folder}/s"


def planned(**change: Any) -> TrafficPlan:
    return TrafficPlan.model_validate(
        {
            "tenants": {"acme": 50},
            "login": {"method": "POST", "path": "/login", "body": {"user": "u"}},
            "reads": [{"path": "/orders"}, {"path": "/orders/{id}"}],
            "writes": [{"method": "POST", "path": "/orders", "body": {"n": 1}, "expect": [201], "keep": "id"}],
            "arrivals": "even",
            "timeout": 1,
            **change,
        }
    )


def met(address: str, plan: TrafficPlan, desk: Desk, seconds: float) -> list[dict[str, Any]]:
    """Every line that the traffic wrote in that time."""
    file = StringIO()

    async def drive() -> None:
        server = await asyncio.start_unix_server(desk.serve, address)
        traffic = Traffic(plan, Connections(address), Recorder(file))
        asyncio.get_running_loop().call_later(seconds, traffic.stop)
        await traffic.run()
        server.close()

    asyncio.run(drive())
    return [json.loads(line) for line in file.getvalue().splitlines()]


def failures(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == "failure"]


def total(lines: list[dict[str, Any]], name: str) -> int:
    return sum(line[name] for line in lines if line["kind"] == "second")


def test_each_tenant_asks_at_its_own_rate_and_everything_is_counted(address: str) -> None:
    desk = Desk()
    lines = met(address, planned(tenants={"big": 80, "small": 5}), desk, 1)
    by_tenant = [headers["X-Tenant"] for _, headers in desk.seen]
    assert 70 <= by_tenant.count("big") <= 95
    assert 3 <= by_tenant.count("small") <= 8
    assert total(lines, "sent") == total(lines, "answered") == len(desk.seen)
    assert failures(lines) == []


def test_a_second_says_who_answered_and_how_fast(address: str) -> None:
    lines = met(address, planned(), Desk(), 0.3)  # a second of the clock may end in between
    second = max((line for line in lines if line["kind"] == "second"), key=lambda line: line["answered"])
    assert second["versions"] == {"1.2.0": second["answered"]}
    assert list(second["last"]["sha256:d"]) == ["acme"]
    assert 1 <= second["p50"] <= second["p99"] < 500


def test_a_user_logs_in_first_and_carries_the_token(address: str) -> None:
    desk = Desk()
    met(address, planned(), desk, 0.3)
    assert desk.targets()[0] == "POST /login"
    assert desk.targets().count("POST /login") == 1
    assert {headers["Authorization"] for _, headers in desk.seen[1:]} == {"Bearer t1"}


def test_writes_are_about_their_share_and_each_has_a_key_of_its_own(address: str) -> None:
    desk = Desk()
    met(address, planned(tenants={"acme": 300}), desk, 1)
    keys = [headers["Idempotency-Key"] for target, headers in desk.seen if target == "POST /orders"]
    assert 0.2 < len(keys) / len(desk.seen) < 0.4
    assert len(set(keys)) == len(keys)
    assert "GET /orders/o7" in desk.targets()


def test_connections_are_kept(address: str) -> None:
    desk = Desk()
    met(address, planned(), desk, 0.5)
    assert desk.connections <= 3


async def broken(desk: Desk, target: str, headers: dict[str, str]) -> bytes | None:
    return http(500, {}, **ORIGIN) if target == "POST /orders" else await healthy(desk, target, headers)


def test_a_server_error_is_recorded_with_who_gave_it(address: str) -> None:
    desk = Desk(broken)
    lines = met(address, planned(write_share=1), desk, 0.2)
    bad = failures(lines)
    assert len(bad) == desk.targets().count("POST /orders") == total(lines, "failed") > 5
    assert {name: bad[0][name] for name in ("tenant", "method", "path", "status", "version", "digest")} == {
        "tenant": "acme",
        "method": "POST",
        "path": "/orders",
        "status": 500,
        "version": "1.2.0",
        "digest": "sha256:d",
    }


def test_an_unexpected_status_below_500_is_a_failure_too(address: str) -> None:
    lines = met(
        address, planned(writes=[{"method": "POST", "path": "/orders", "expect": [200]}], write_share=1), Desk(), 0.2
    )
    assert {line["status"] for line in failures(lines)} == {201}


async def hangs_up(desk: Desk, target: str, headers: dict[str, str]) -> bytes | None:
    return await healthy(desk, target, headers) if target == "POST /login" else None


def test_no_answer_is_a_failure_and_is_not_tried_again(address: str) -> None:
    desk = Desk(hangs_up)
    bad = failures(met(address, planned(), desk, 0.3))
    assert len(bad) == len(desk.seen) - 1 > 5
    assert {line["status"] for line in bad} == {None}


def test_nobody_listening_is_a_failure(address: str) -> None:
    file = StringIO()

    async def drive() -> None:
        traffic = Traffic(planned(), Connections(address), Recorder(file))
        asyncio.get_running_loop().call_later(0.2, traffic.stop)
        await traffic.run()

    asyncio.run(drive())
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    bad, seconds = ([line for line in lines if line["kind"] == kind] for kind in ("failure", "second"))
    assert sum(one["sent"] for one in seconds) == sum(one["failed"] for one in seconds) == len(bad) > 5
    assert {line["error"].split(":")[0] for line in bad} == {"FileNotFoundError"}


async def slow(desk: Desk, target: str, headers: dict[str, str]) -> bytes | None:
    if target != "POST /login":
        await asyncio.sleep(0.4)
    return await healthy(desk, target, headers)


def test_a_slow_server_does_not_slow_the_users_down(address: str) -> None:
    desk = Desk(slow)
    lines = met(address, planned(), desk, 1)
    assert 40 <= len(desk.seen) <= 60
    assert failures(lines) == []
    assert max(int(ms) for line in lines for ms in line["ms"]) >= 400


def test_no_answer_in_time_is_a_failure(address: str) -> None:
    bad = failures(met(address, planned(timeout=0.1), Desk(slow), 0.3))
    assert bad
    assert all(line["error"] == "TimeoutError" and line["status"] is None for line in bad)
    assert all(line["ended"] - line["at"] >= 0.09 for line in bad)


def test_more_than_may_be_under_way_is_a_failure_not_a_queue(address: str) -> None:
    desk = Desk(slow)
    lines = met(address, planned(in_flight=5), desk, 0.5)
    overflown = [line for line in failures(lines) if line["error"] == "overflow"]
    assert overflown
    assert total(lines, "sent") == len(desk.seen) + len(overflown)


async def forgets(desk: Desk, target: str, headers: dict[str, str]) -> bytes | None:
    return http(401, {}) if len(desk.seen) == 4 else await healthy(desk, target, headers)


def test_a_token_that_is_refused_is_a_failure_and_the_user_logs_in_again(address: str) -> None:
    desk = Desk(forgets)
    bad = failures(met(address, planned(), desk, 0.4))
    assert [line["status"] for line in bad] == [401]
    assert desk.targets().count("POST /login") == 2


async def chunked(_desk: Desk, _target: str, _headers: dict[str, str]) -> bytes | None:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


async def endless(_desk: Desk, _target: str, _headers: dict[str, str]) -> bytes | None:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"


async def nonsense(_desk: Desk, _target: str, _headers: dict[str, str]) -> bytes | None:
    return b"SMTP ready\r\n\r\n"


REQUEST = b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


def test_chunked_answers_are_read_whole(address: str) -> None:
    async def drive() -> tuple[bytes, bytes]:
        server = await asyncio.start_unix_server(Desk(chunked).serve, address)
        front = Connections(address)
        bodies = (await front.ask(REQUEST)).body, (await front.ask(REQUEST)).body
        front.close()
        server.close()
        assert front.opened == 1
        return bodies

    assert asyncio.run(drive()) == (b"abcde", b"abcde")


@pytest.mark.parametrize("respond", [endless, nonsense])
def test_half_an_answer_and_nonsense_are_no_answer(address: str, respond: Respond) -> None:
    async def once(desk: Desk, target: str, headers: dict[str, str]) -> bytes | None:
        return await respond(desk, target, headers) if len(desk.seen) == 1 else None

    async def drive() -> None:
        server = await asyncio.start_unix_server(Desk(once).serve, address)
        with pytest.raises((BrokenAnswerError, TimeoutError)):
            await asyncio.wait_for(Connections(address).ask(REQUEST), 0.2)
        server.close()

    asyncio.run(drive())


def test_the_log_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    with path.open("w") as file:
        recorder = Recorder(file)
        for at in (100.0, 101.0):
            recorder.sent += 3
            recorder.answered("acme", "1.1.0", "sha256:a", 0.004, at - 0.5)
            recorder.answered("bolt", "1.1.0", "sha256:a", 0.250, at - 0.4)
            recorder.failure({"at": at - 0.3, "tenant": "acme"})
            recorder.second(at)
        file.write('{"kind": "second", "at"')
    log = TrafficLog(path)
    assert (log.answered(), log.sent(), log.sent(since=100.5), log.rate()) == (4, 6, 3, 2.0)
    assert [line["at"] for line in log.failures()] == [99.7, 100.7]
    assert [line["at"] for line in log.failures(since=100.0)] == [100.7]
    assert log.latency() == "half within 4 ms, 99 % within 250 ms"
    assert log.last_answer("sha256:a", {"acme"}) == 100.5
    assert log.last_answer("sha256:a", {"nobody"}) is None


def test_no_log_yet_is_no_traffic(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "none")
    assert (log.answered(), log.rate(), log.failures(), log.latency()) == (0, 0.0, [], "no answers")


def test_the_plan_for_orderdesk_asks_as_often_as_it_says() -> None:
    plan = TrafficPlan.model_validate(traffic_plan("secret"))
    assert plan.tenants == TRAFFIC
    assert sum(plan.tenants.values()) == pytest.approx(200)
    assert plan.login.body == {"user": "probe", "password": "secret"}
    assert all(write.expect == (201,) for write in plan.writes)


def test_poisson_arrivals_keep_the_rate() -> None:
    traffic = Traffic(planned(arrivals="poisson", tenants={"acme": 10}), Connections("/none"), Recorder(StringIO()))
    gaps = [traffic._gap("acme") for _ in range(20_000)]
    assert sum(gaps) / len(gaps) == pytest.approx(0.1, rel=0.03)
    assert sum(gap > 0.1 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)


@pytest.mark.slow
def test_two_hundred_a_second_cost_less_than_a_quarter_of_a_core_and_end_on_sigterm(
    address: str, tmp_path: Path
) -> None:
    plan, out = tmp_path / "plan.json", tmp_path / "out.jsonl"
    plan.write_text(json.dumps(traffic_plan("x")))

    async def drive() -> None:
        server = await asyncio.start_unix_server(Desk().serve, address)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stationmaster.deployments.sandbox.traffic",
            "--socket", address, "--plan", str(plan), "--out", str(out),
        )  # fmt: skip
        while TrafficLog(out).answered() < 100:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.1)
        before, started = _cpu(process.pid), time.monotonic()
        await asyncio.sleep(8)
        share = (_cpu(process.pid) - before) / (time.monotonic() - started)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0
        server.close()
        assert share < 0.25, f"{share:.0%} of a core"

    asyncio.run(drive())
    log = TrafficLog(out)
    assert log.failures() == []
    assert log.rate(7) == pytest.approx(200, rel=0.1)


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def test_a_plan_that_is_wrong_ends_at_once(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"tenants": {}}')
    arguments = ("--socket", "/none", "--plan", str(plan), "--out", str(tmp_path / "out"))
    done = subprocess.run(
        [sys.executable, "-m", "stationmaster.deployments.sandbox.traffic", *arguments],
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode != 0
    assert b"tenants" in done.stderr


def test_a_read_that_needs_an_id_waits_for_one() -> None:
    traffic = Traffic(planned(), Connections("/none"), Recorder(StringIO()))
    session = traffic._sessions["acme"]
    assert traffic._choose(session).path == "/login"
    session.token = "t"
    assert "/orders/{id}" not in {traffic._choose(session).path for _ in range(50)}
    session.id = "o1"
    assert "/orders/{id}" in {traffic._choose(session).path for _ in range(50)}
