"""The tenant directory over HTTP: pages, what has not changed, who is busy, a server that dies between two pages."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from stationmaster.blocks import tenant_http
from stationmaster.blocks.copies import wrong_fields
from stationmaster.blocks.tenant_copies import TenantsUnavailableError
from stationmaster.blocks.tenant_http import HttpDirectory
from tests.blocks.tenants_conformance import PRODUCT, AskedConformance, older, tenants

URL = "https://crm.example/tenants?limit=2"
TOKEN = "hunter2-token"


@dataclass
class Endpoint:
    """Pages of two, each with an ETag. `answer` may be replaced; `requests` has every request, `pauses` every sleep."""

    given: list[dict[str, Any]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[httpx.Request], httpx.Response] | None = None

    @property
    def directory(self) -> HttpDirectory:
        return HttpDirectory(**{"url": URL, "token": SecretStr(TOKEN), **self.more})

    def put(self, tenants: list[dict[str, Any]]) -> None:
        self.given = tenants

    def go_away(self) -> None:
        self.answer = lambda _: httpx.Response(503)

    def come_back(self) -> None:
        self.answer = None

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request) if self.answer else self.page(request)

    def page(self, request: httpx.Request) -> httpx.Response:
        first = int(request.url.params.get("from", "0"))
        more = first + 2 < len(self.given)
        body: dict[str, Any] = {"tenants": self.given[first : first + 2]}
        body["next"] = f"?limit=2&from={first + 2}" if more else None
        etag = f'"{hash(json.dumps(body))}"'
        if request.headers.get("if-none-match") == etag:
            return httpx.Response(304, headers={"ETag": etag})
        return httpx.Response(200, json=body, headers={"ETag": etag})


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """After every test: it was only asked, and always with the token."""
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    made = Endpoint()

    def client(headers: dict[str, str], timeout: float, *, loopback: bool) -> httpx.Client:
        return httpx.Client(headers=headers, timeout=timeout, transport=httpx.MockTransport(made.handle))

    monkeypatch.setattr(tenant_http, "_client", client)
    monkeypatch.setattr(time, "sleep", made.pauses.append)
    yield made
    assert {one.method for one in made.requests} <= {"GET"}
    assert {one.url.host for one in made.requests} <= {"crm.example"}
    assert {one.headers["authorization"] for one in made.requests} <= {f"Bearer {TOKEN}"}


class TestHttp(AskedConformance):
    @pytest.fixture
    def world(self, endpoint: Endpoint) -> Endpoint:
        return endpoint

    @pytest.fixture
    def asked(self, endpoint: Endpoint) -> Endpoint:
        return endpoint


def ids(directory: HttpDirectory) -> str:
    return "".join(one.id for one in directory.read().tenants)


# Pages


def test_pages_are_read_in_their_order(endpoint: Endpoint) -> None:
    endpoint.put(tenants(*"abcde"))
    assert ids(endpoint.directory) == "abcde"
    assert [one.url.params.get("from") for one in endpoint.requests] == [None, "2", "4"]


def test_the_link_header_comes_before_the_key(endpoint: Endpoint) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("page") == "2":
            return httpx.Response(200, json=tenants("b"))
        header = {"Link": '<https://crm.example/tenants?page=2>; rel="next", <x>; rel="last"'}
        return httpx.Response(200, json={"tenants": tenants("a"), "next": "/never"}, headers=header)

    endpoint.answer = answer
    assert ids(endpoint.directory) == "ab"


def test_list_and_next_page_may_lie_deeper(endpoint: Endpoint) -> None:
    endpoint.answer = lambda request: httpx.Response(
        200,
        json={"data": {"rows": tenants("b")}}
        if request.url.path == "/2"
        else {"data": {"rows": tenants("a")}, "links": {"next": "/2"}},
    )
    endpoint.more = {"items": "data.rows", "next": "links.next"}
    assert ids(endpoint.directory) == "ab"


@pytest.mark.parametrize(
    ("following", "said"),
    [
        ("https://elsewhere.example/tenants", "page 1 leads to another server"),
        ("http://crm.example/tenants", "page 1 leads to another server"),
        ("https://crm.example:444/tenants", "page 1 leads to another server"),
        ("https://crm.example@elsewhere.example/", "page 1 leads to another server"),
        (URL, "page 1 leads back"),
        ("#again", "page 1 leads back"),
        (7, "is no text"),
        ("https://[", "is none"),
    ],
)
def test_the_next_page_is_not_elsewhere_and_not_one_before(endpoint: Endpoint, following: Any, said: str) -> None:
    endpoint.answer = lambda _: httpx.Response(200, json={"tenants": tenants("a"), "next": following})
    with pytest.raises(TenantsUnavailableError, match=said):
        endpoint.directory.read()
    assert len(endpoint.requests) == 1


def test_there_is_an_end_to_pages(endpoint: Endpoint) -> None:
    endpoint.put(tenants(*"abcde"))
    endpoint.more = {"pages": 2}
    with pytest.raises(TenantsUnavailableError, match="more than 2 pages") as caught:
        endpoint.directory.read()
    assert "raise `pages`" in str(caught.value.hint)
    endpoint.more = {"pages": 3}
    assert ids(endpoint.directory) == "abcde"


# What has not changed


def test_a_page_that_has_not_changed_is_not_sent_again(endpoint: Endpoint) -> None:
    endpoint.put(tenants(*"abcde"))
    endpoint.directory.read()
    older(endpoint.directory, 61)
    endpoint.given[3] = {"id": "x", "name": "X", "ring": "pilot"}
    answers: list[int] = []

    def counted(request: httpx.Request) -> httpx.Response:
        answer = endpoint.page(request)
        answers.append(answer.status_code)
        return answer

    endpoint.answer = counted
    assert ids(endpoint.directory) == "abcxe"
    assert answers == [304, 200, 304]
    older(endpoint.directory, 61)
    assert (ids(endpoint.directory), answers[3:]) == ("abcxe", [304, 304, 304])


def test_nothing_has_changed_is_no_answer_to_a_first_question(endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: httpx.Response(304)
    with pytest.raises(TenantsUnavailableError, match="HTTP 304"):
        endpoint.directory.read()


# Its words and ours


def test_foreign_keys_become_ours(endpoint: Endpoint) -> None:
    item = {"customer_id": "acme", "id": 7, "title": "Acme", "release": {"ring": "pilot"}, "plan": None, "debt": 3}
    endpoint.answer = lambda _: httpx.Response(200, json=[item])
    names = {"id": "customer_id", "name": "title", "ring": "release.ring"}
    endpoint.more = {"fields": names}
    with pytest.raises(Exception, match="unknown key 'debt'"):
        endpoint.directory.read()
    endpoint.more = {"fields": names, "ignore_others": True}
    (found,) = endpoint.directory.read(PRODUCT).tenants
    assert (found.id, found.name, found.ring, found.plan) == ("acme", "Acme", "pilot", "standard")
    assert "debt" not in endpoint.directory.copy_path.read_text()


def test_a_key_that_no_tenant_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="a tenant has no key 'rnig'"):
        HttpDirectory(url=URL, fields={"rnig": "ring"})


# What does not go well


@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        (httpx.Response(401, text="hunter2-token"), "HTTP 401", "a token that is valid"),
        (httpx.Response(403), "HTTP 403", "may read"),
        (httpx.Response(404), "HTTP 404", "`url`"),
        (httpx.Response(500), "HTTP 500", "tenants block"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example/"}), "it has moved", "the new address"),
        (httpx.Response(200, text="<html>"), "page 1 is no JSON", "tenants block"),
        (httpx.Response(200, text="[" * 100_000), "page 1 is no JSON", "tenants block"),
        (httpx.Response(200, json={"customers": []}), "no list of objects at 'tenants'", "`items`"),
        (httpx.Response(200, json=["acme"]), "page 1 has no list of objects", "`items`"),
        (httpx.Response(200, json="acme"), "no list of objects at 'tenants'", "`items`"),
    ],
)
def test_every_other_answer_is_said_once_and_in_our_words(
    endpoint: Endpoint, answer: httpx.Response, said: str, hint: str
) -> None:
    endpoint.answer = lambda _: answer
    with pytest.raises(TenantsUnavailableError, match=f"^crm.example gives no tenants: .*{said}") as caught:
        endpoint.directory.read()
    assert hint in str(caught.value.hint)
    assert len(endpoint.requests) == 1
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_who_is_busy_is_asked_again_when_it_says(endpoint: Endpoint) -> None:
    endpoint.put(tenants("a"))
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20))
    waits = iter([{"Retry-After": "7"}, {"Retry-After": soon}, {}])

    def busy(request: httpx.Request) -> httpx.Response:
        headers = next(waits, None)
        return endpoint.page(request) if headers is None else httpx.Response(429, headers=headers)

    endpoint.answer = busy
    assert ids(endpoint.directory) == "a"
    assert endpoint.pauses[0] == 7
    assert 15 < endpoint.pauses[1] <= 20
    assert len(endpoint.pauses) == 3


def test_a_wait_that_is_too_long_is_not_begun(endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: httpx.Response(429, headers={"Retry-After": "3600"})
    with pytest.raises(TenantsUnavailableError, match="HTTP 429 for page 1 after 1 tries, and asks to wait 3600 s"):
        endpoint.directory.read()
    assert endpoint.pauses == []


def test_a_connection_that_breaks_is_tried_again(endpoint: Endpoint) -> None:
    endpoint.put(tenants(*"abc"))
    broken = iter([True, True])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("from") and next(broken, False):
            raise httpx.ConnectError(TOKEN)
        return endpoint.page(request)

    endpoint.answer = answer
    assert ids(endpoint.directory) == "abc"
    broken = iter([True] * 10)
    endpoint.put(tenants(*"abcd"))
    older(endpoint.directory, 61)
    known = endpoint.directory.look()
    assert "ConnectError for page 2 after 4 tries" in str(known.note)
    assert len(known.directory.tenants) == 3


def test_all_pages_together_have_an_end_in_time(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.put(tenants(*"abcdef"))
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(TenantsUnavailableError, match="pages take longer than 60 s"):
        endpoint.directory.read()


def test_a_page_has_a_largest_size(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_http, "_LARGEST", 1 << 20)
    endpoint.answer = lambda _: httpx.Response(200, content=b"[" + b" " * (2 << 20) + b"]")
    with pytest.raises(TenantsUnavailableError, match="larger than 1 MiB"):
        endpoint.directory.read()


@pytest.mark.parametrize(
    "url",
    ["http://crm.example/", "ftp://crm.example/", "crm.example", "https://", "https://a:b@crm.example/", "https://["],
)
def test_an_address_that_would_tell_the_token_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        HttpDirectory(url=url, token=SecretStr(TOKEN))


@pytest.mark.parametrize("token", [f"{TOKEN}\n", "hunter2 token", "hünter2"])
def test_a_token_that_fits_no_header_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ValidationError, match="line break") as caught:
        HttpDirectory(url=URL, token=SecretStr(token))
    assert "hunter2" not in f"{caught.value} {wrong_fields(caught.value)}"


# A real server

SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        second = "page=2" in self.path
        items = [{"id": "ab"[second], "name": "A", "ring": "pilot"}]
        body = json.dumps({"tenants": items, "next": None if second else "?page=2"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:9] if second and "slow" in sys.argv else body)
        self.wfile.flush()
        if second and "slow" in sys.argv:
            print("half", flush=True)
            sys.stdin.read()
    def log_message(self, *_): pass

server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def begin(*words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SERVER, *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_server_that_is_killed_between_two_pages_leaves_the_copy_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path))
    with begin("0") as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        directory = HttpDirectory(url=f"http://127.0.0.1:{port}/tenants", timeout=5)
        assert ids(directory) == "ab"
        server.kill()
    before = json.loads(directory.copy_path.read_text())["pages"]
    older(directory, 7200)
    with begin(port, "slow") as server:
        assert server.stdout
        assert server.stdout.readline().strip() == port
        killer = f"import os, signal, sys; sys.stdin.readline(); os.kill({server.pid}, {int(signal.SIGKILL)})"
        with subprocess.Popen([sys.executable, "-c", killer], stdin=server.stdout) as killing:
            began = time.monotonic()
            known = directory.look(PRODUCT)
            assert killing.wait(timeout=10) == 0
    assert time.monotonic() - began < 20
    assert "".join(one.id for one in known.directory.tenants) == "ab"
    assert str(known.note).startswith(f"tenant directory is 2 h old: 127.0.0.1:{port} gives no tenants: ")
    assert json.loads(directory.copy_path.read_text())["pages"] == before
    assert directory.copy_path.stat().st_mode & 0o777 == 0o600
