import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import UnixStreamServer
from tempfile import mkdtemp
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from stationmaster.blocks.journeys import Endpoint, run
from stationmaster.domain.journey import JourneyResult, UnknownPlaceholderError
from stationmaster.domain.product import Journey

SECRETS = {"PROBE_PASSWORD": SecretStr("correct horse")}

ORDER = Journey.model_validate(
    {
        "name": "order",
        "steps": [
            {
                "name": "log in",
                "method": "POST",
                "path": "/login",
                "headers": {"X-Tenant": "{tenant}"},
                "body": {"password": "{secret:PROBE_PASSWORD}"},
                "capture": {"token": "token"},
            },
            {
                "name": "place",
                "method": "POST",
                "path": "/orders",
                "headers": {"X-Tenant": "{tenant}", "Authorization": "Bearer {token}"},
                "body": {"note": "by {token}"},
                "expect": {"status": 201, "within": 1},
                "capture": {"order": "id"},
            },
            {"name": "read", "path": "/orders/{order}", "expect": {"json": {"id": "{order}", "total": "12.45"}}},
            {"name": "cancel", "method": "POST", "path": "/orders/{order}/cancel", "cleanup": True},
        ],
    }
)


class Shop(BaseHTTPRequestHandler):
    """A product whose answers a test may replace, and which remembers what it was asked."""

    answers: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[tuple[str, str]]] = []
    usual: ClassVar[dict[str, tuple[int, object]]] = {
        "POST /login": (200, {"token": "tok-1"}),
        "POST /orders": (201, {"id": 5}),
        "GET /orders/5": (200, {"id": 5, "total": "12.45"}),
        "POST /orders/5/cancel": (200, {"status": "cancelled"}),
    }

    def do_GET(self) -> None:
        call = f"{self.command} {self.path}"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((call, body.decode()))
        answer = self.answers.get(call, self.usual[call])
        if callable(answer):
            answer(self)
        else:
            self.send(*answer)

    do_POST = do_GET  # noqa: N815 the name http.server looks for

    def send(self, status: int, body: object) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...

    def address_string(self) -> str:
        return "client"


class UnixShop(UnixStreamServer):
    def get_request(self) -> tuple[Any, Any]:
        return super().get_request()[0], ("client", 0)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(Shop, "answers", {})
    monkeypatch.setattr(Shop, "asked", [])
    socket = str(Path(mkdtemp(dir="/tmp", prefix="stm-")) / "shop")
    with UnixShop(socket, Shop) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Endpoint(socket=socket)
        server.shutdown()
        thread.join()


def go(shop: Endpoint, **answers: object) -> JourneyResult:
    Shop.answers.update({key.replace("__", " /").replace("_", "/"): answer for key, answer in answers.items()})
    return run(ORDER, shop, "acme", SECRETS)


def test_a_journey_hands_on_what_it_captures(shop: Endpoint) -> None:
    result = go(shop)
    assert result.passed, result.reasons
    assert [(step.name, step.status, step.skipped) for step in result.steps] == [
        ("log in", 200, False),
        ("place", 201, False),
        ("read", 200, False),
        ("cancel", 200, False),
    ]
    assert Shop.asked == [
        ("POST /login", '{"password":"correct horse"}'),
        ("POST /orders", '{"note":"by tok-1"}'),
        ("GET /orders/5", ""),
        ("POST /orders/5/cancel", ""),
    ]
    assert result.steps[1].request is None


def test_cleanup_runs_after_a_failing_step(shop: Endpoint) -> None:
    result = go(shop, GET__orders_5=(200, {"id": 5, "total": "0.00"}))
    assert result.reasons == ("read: total is '0.00' where '12.45' is expected",)
    assert [call for call, _ in Shop.asked][-1] == "POST /orders/5/cancel"


def test_cleanup_has_nothing_to_do_when_nothing_was_made(shop: Endpoint) -> None:
    result = go(shop, POST__orders=(500, {"error": "ours"}))
    assert result.reasons == ("place: answered 500 where 201 is expected",)
    assert [(step.name, step.skipped) for step in result.steps][2:] == [("read", True), ("cancel", True)]
    assert len(Shop.asked) == 2


def test_a_failing_cleanup_fails_the_journey(shop: Endpoint) -> None:
    assert go(shop, POST__orders_5_cancel=(500, {})).reasons == ("cancel: answered 500 where 200 is expected",)


def test_a_failing_step_is_stored_without_its_secrets(shop: Endpoint) -> None:
    echo = {"password": "x", "why": "correct horse, tok-1 is wrong", "deep": [{"Session": "s"}]}
    result = go(shop, POST__orders=(401, echo))
    stored = result.model_dump_json()
    assert "correct horse" not in stored
    assert "tok-1" not in stored
    assert result.steps[1].request == {
        "method": "POST",
        "path": "/orders",
        "headers": {"X-Tenant": "acme", "Authorization": "***"},
        "body": {"note": "by ***"},
    }
    assert json.loads(result.steps[1].answer or "") == {
        "password": "***",
        "why": "***, *** is wrong",
        "deep": [{"Session": "***"}],
    }


def test_a_long_answer_is_cut_after_it_is_masked(shop: Endpoint) -> None:
    page = ("x" * 3995 + "correct horse" + "y" * 100).encode()
    stored = go(shop, POST__login=(500, page)).steps[0].answer or ""
    assert stored == "x" * 3995 + "***" + "yy"


def test_an_answer_that_is_no_json_captures_nothing(shop: Endpoint) -> None:
    for page in (b"<html>", b"\xff", b"[" * 100_000):
        assert go(shop, POST__login=(200, page)).reasons == ("log in: no value to capture at 'token'",)


def test_a_late_answer_says_how_late(shop: Endpoint) -> None:
    def late(handler: Shop) -> None:
        time.sleep(1.2)
        handler.send(201, {"id": 5})

    assert go(shop, POST__orders=late).reasons == ("place: took 1.2 s where 1 s are allowed",)


def test_an_answer_that_never_ends_is_given_up(shop: Endpoint) -> None:
    def drip(handler: Shop) -> None:
        handler.send_response(201)
        handler.end_headers()
        for _ in range(12):
            time.sleep(0.2)
            handler.wfile.write(b" ")

    began = time.monotonic()
    (reason,) = go(shop, POST__orders=drip).reasons
    assert reason.startswith("place: no answer: gave up after")
    assert time.monotonic() - began < 4


def test_an_endless_answer_is_given_up(shop: Endpoint) -> None:
    def flood(handler: Shop) -> None:
        handler.send(200, b"x" * 3_000_000)

    with pytest.MonkeyPatch.context() as quiet:
        quiet.setattr(UnixShop, "handle_error", lambda *_: None)  # the client hangs up
        (reason,) = go(shop, POST__login=flood).reasons
    assert "gave up after" in reason


# httpcore leaves the socket of a failed connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_product_that_hangs_up_or_is_not_there_fails_the_journey(shop: Endpoint, tmp_path: Path) -> None:
    (reason,) = go(shop, POST__login=lambda _: None).reasons
    assert reason.startswith("log in: no answer: ")
    nobody = run(ORDER, Endpoint(socket=str(tmp_path / "none")), "acme", SECRETS)
    assert nobody.reasons[0].startswith("log in: no answer: ")
    assert [step.skipped for step in nobody.steps] == [False, True, True, True]


def test_a_missing_secret_is_an_error_before_anything_is_sent(shop: Endpoint) -> None:
    with pytest.raises(UnknownPlaceholderError, match="secret:PROBE_PASSWORD"):
        run(ORDER, shop, "acme", {})
    assert Shop.asked == []


def test_an_endpoint_may_be_a_tcp_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shop, "answers", {})
    monkeypatch.setattr(Shop, "asked", [])
    with HTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert run(ORDER, Endpoint(base_url=f"http://127.0.0.1:{server.server_port}"), "acme", SECRETS).passed
        server.shutdown()
        thread.join()
