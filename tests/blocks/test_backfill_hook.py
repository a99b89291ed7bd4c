"""The hook of a backfill, asked over real sockets: a yes, a wait, and everything that is neither."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stationmaster.blocks.backfill_hook import Asked
from stationmaster.domain.backfill_pace import PauseHook

JSON = {"Content-Type": "application/json"}
SECRET = "hunter2-hunter2"


class Endpoint(ThreadingHTTPServer):
    """Answers what it is told to. `raw` is written in place of an answer; `drip` seconds before each of its bytes."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.headers, self.raw, self.drip = 200, b"", dict[str, str](), b"", 0.0
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def say(self, status: int = 200, body: object = b"", **headers: str) -> None:
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if not isinstance(body, bytes):
            self.headers = {**JSON, **headers}

    def ask(self, path: str = "/may", **more: Any) -> str | None:
        said = Asked(PauseHook(url=f"http://{self.place}{path}", **{"timeout_s": 5, **more})).ask()
        return said.why if said else None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Endpoint)
        server.asked.append((self.path, dict(self.headers.items())))
        for byte in server.raw:
            if server.over.wait(server.drip):
                return
            self.wfile.write(bytes([byte]))
        if server.raw:
            return
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("body", [b"", b"ok", b"<html>fine</html>", {}, {"wait": False, "reason": "none"}, {"lag": 3}])
def test_200_is_go_on_whatever_else_it_says(endpoint: Endpoint, body: object) -> None:
    endpoint.say(200, body)
    assert endpoint.ask() is None


def test_204_is_go_on(endpoint: Endpoint) -> None:
    endpoint.say(204)
    assert endpoint.ask() is None


@pytest.mark.parametrize("status", [429, 503])
def test_busy_is_stand_still(endpoint: Endpoint, status: int) -> None:
    endpoint.say(status, b"<html>busy</html>")
    assert endpoint.ask() == f"the hook at {endpoint.place} says wait (HTTP {status})"
    endpoint.say(status, {"reason": "a sale is on"})
    assert endpoint.ask() == f"the hook at {endpoint.place} says wait (HTTP {status}): a sale is on"


def test_wait_is_stand_still_with_its_reason_on_one_line(endpoint: Endpoint) -> None:
    endpoint.say(200, {"wait": True, "reason": "the nightly\n\x1b[31mreport\u202e runs  " + "x" * 999})
    why = str(endpoint.ask())
    assert why.startswith(f"the hook at {endpoint.place} says wait: the nightly [31mreport runs xxx")
    assert why.isprintable()
    assert len(why) < 300


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (500, b"", {}, "answers HTTP 500"),
        (404, b"", {}, "answers HTTP 404"),
        (201, b"", {}, "answers HTTP 201"),
        (302, b"", {"Location": "/login"}, "has moved (HTTP 302); give its new address"),
        (200, b'{"wait": tru', {}, "answers HTTP 200 with what is no JSON object"),
        (200, b"[true]", JSON, "answers HTTP 200 with what is no JSON object"),
        (200, b"[" * 60_000, JSON, "answers HTTP 200 with what is no JSON object"),
        (200, {"wait": "yes"}, {}, "says neither true nor false of `wait`"),
        (200, {"wait": 1}, {}, "says neither true nor false of `wait`"),
        (200, {"wait": None}, {}, "says neither true nor false of `wait`"),
        (200, b"x" * 100_000, {}, "answers more than 64 KiB"),
    ],
)
def test_everything_else_is_stand_still(
    endpoint: Endpoint, status: int, body: object, headers: dict[str, str], said: str
) -> None:
    endpoint.say(status, body, **headers)
    assert endpoint.ask() == f"the hook at {endpoint.place} {said}"
    assert len(endpoint.asked) == 1  # a redirect is not followed


def test_garbage_is_stand_still(endpoint: Endpoint) -> None:
    endpoint.raw = b"\x00\x01 nonsense\r\n\r\n"
    assert endpoint.ask() == f"the hook at {endpoint.place} cannot be asked: RemoteProtocolError"


def test_nobody_there_is_stand_still(endpoint: Endpoint) -> None:
    hook = PauseHook(url="http://127.0.0.1:1/may")
    assert str(Asked(hook).ask()).endswith("the hook at 127.0.0.1:1 cannot be asked: ConnectError')")


def test_a_hook_that_answers_byte_by_byte_costs_its_timeout_and_is_not_asked_again_meanwhile(
    endpoint: Endpoint,
) -> None:
    endpoint.raw, endpoint.drip = b"HTTP/1.1 200 OK\r\n\r\n" * 9, 0.1  # each byte within the timeout
    one = Asked(PauseHook(url=f"http://{endpoint.place}/may", timeout_s=0.3))
    began = time.monotonic()
    assert str(one.ask()).endswith("the hook did not answer within 0.3 s')")
    assert "still has not answered" in str(one.ask())
    assert time.monotonic() - began < 1.5
    assert len(endpoint.asked) == 1


def test_a_broken_address_is_stand_still_and_not_repeated() -> None:
    for url in (f"ftp://x/{SECRET}", SECRET, f"http://[half/{SECRET}", f"http://x:port/{SECRET}", "http://\n/"):
        why = str(Asked(PauseHook(url=url)).ask())
        assert "cannot be asked" in why
        assert SECRET not in why


# Secrets


def test_headers_and_address_come_from_variables_and_are_in_no_message(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "STATIONMASTER_HOOK_URL", f"http://user:{SECRET}-p@{endpoint.place}/{SECRET}-path?key={SECRET}-q"
    )
    monkeypatch.setenv("STATIONMASTER_HOOK_AUTH", f"Bearer {SECRET}-t")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # loopback is asked without one
    hook = PauseHook(url="env:STATIONMASTER_HOOK_URL", headers={"X-Auth": "env:STATIONMASTER_HOOK_AUTH"}, timeout_s=5)
    endpoint.say(200, {"wait": True, "reason": f"{SECRET}-t {SECRET}-q /{SECRET}-path {SECRET}-p"})
    why = str(Asked(hook).ask())
    assert SECRET not in why
    assert why.count("***") == 4
    path, headers = endpoint.asked[0]
    assert path == f"/{SECRET}-path?key={SECRET}-q"
    assert headers["X-Auth"] == f"Bearer {SECRET}-t"
    for status in (302, 500):
        endpoint.say(status, Location=f"http://{SECRET}/")
        assert SECRET not in str(Asked(hook).ask())


@pytest.mark.parametrize("value", ["a\nX-Other: b", "ä\u0151"])
def test_a_header_that_cannot_be_sent_is_not_repeated(endpoint: Endpoint, value: str) -> None:
    why = str(endpoint.ask(headers={"Authorization": f"{SECRET}{value}"}))
    assert "cannot be asked" in why
    assert SECRET not in why


def test_a_variable_that_is_not_set_is_named(endpoint: Endpoint) -> None:
    why = endpoint.ask(headers={"Authorization": "env:STATIONMASTER_HOOK_NONE"})
    assert why == "the hook needs the environment variable STATIONMASTER_HOOK_NONE, which is not set"
    assert not endpoint.asked
