"""The receiver in this process: what is checked in which order, what is answered, and what is kept."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

from stationmaster.deployments.consents import ConsentDesk
from stationmaster.deployments.inbox_writer import InboxWriter
from stationmaster.deployments.receiver import create_app
from stationmaster.deployments.receiver_openapi import REFUSALS, document
from stationmaster.deployments.receiving import AddressUnusableError, _listening
from stationmaster.deployments.request_body import LONGEST, Bodies, BodyTooSlowError
from stationmaster.domain.hooks import Hook
from stationmaster.ledger.faults import LedgerFullError
from stationmaster.ledger.inbox import Inbox, Outcome
from tests.hook_deliveries import (
    GITHUB,
    GITLAB,
    NOW,
    SECRET,
    STANDARD,
    body_of,
    event_of,
    github,
    gitlab,
    merged,
    put,
    standard,
)

BASE = ["main", "master"]
HOOKS = {
    name: Hook.model_validate({"host": host, "product": "shop", "secret": "in the table below", "base": BASE})
    for name, host in (("hub", "github"), ("lab", "gitlab"), ("lab-signed", "gitlab"))
}
SECRETS = {"hub": SecretStr(SECRET), "lab": SecretStr(SECRET), "lab-signed": SecretStr(STANDARD)}


@dataclass
class Client:
    """Calls the application in this process, on a loop of its own that also writes."""

    app: Starlette
    runner: asyncio.Runner

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        return self.runner.run(self._send(method, path, **how))

    async def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            return await client.request(method, path, **how)


@dataclass
class Receiver:
    """The application, and the inbox behind it. `end` ends it as SIGTERM does."""

    client: Client
    inbox: Inbox
    end: Callable[[], None]

    def hub(self, body: bytes, **headers: str) -> httpx.Response:
        return self.post("hub", body, github(body) | headers)

    def post(self, hook: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.client.request("POST", f"/hooks/{hook}", content=body, headers=headers)

    def refused(self, answer: httpx.Response, status: int, code: str) -> str:
        """Checks an error's form and gives its message and hint."""
        assert (answer.status_code, set(answer.json())) == (status, {"error"}), answer.text
        error = answer.json()["error"]
        assert (error["code"], set(error)) == (code, {"code", "message", "hint"})
        return f"{error['message']} ({error['hint']})"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with Inbox.open(f"sqlite:///{tmp_path}/inbox.db") as inbox:
        writer = InboxWriter(inbox, lambda: NOW, patience=0.5)
        app = create_app(HOOKS, SECRETS, inbox, lambda: NOW, writer)
        with asyncio.Runner() as runner, ExitStack() as ends:
            lifespan = app.router.lifespan_context(app)
            runner.run(_entered(lifespan))
            ends.callback(lambda: runner.run(_left(lifespan)))
            yield Receiver(Client(app, runner), inbox, ends.close)


async def _entered(lifespan: AbstractAsyncContextManager[Any]) -> None:
    await lifespan.__aenter__()


async def _left(lifespan: AbstractAsyncContextManager[Any]) -> None:
    await lifespan.__aexit__(None, None, None)


def test_a_merged_pull_request_is_in_the_inbox_when_it_is_acknowledged(receiver: Receiver) -> None:
    event = merged(7)
    answer = receiver.hub(body_of(event))
    commit = event["pull_request"]["merge_commit_sha"]
    assert (answer.status_code, answer.json()) == (
        202, {"accepted": True, "change": f"shop@{commit}", "duplicate": False},
    )  # fmt: skip
    (arrival,) = receiver.inbox.changes()
    assert (arrival.hook, arrival.delivery, arrival.change.number) == ("hub", "d-1", 7)


def test_the_same_delivery_again_is_a_duplicate(receiver: Receiver) -> None:
    told = [receiver.hub(body_of(merged())).json()["duplicate"] for _ in range(3)]
    assert told == [False, True, True]
    assert len(receiver.inbox.changes()) == 1


def test_another_change_under_a_known_delivery_is_refused_and_not_lost_silently(receiver: Receiver) -> None:
    receiver.hub(body_of(merged(1)))
    answer = receiver.hub(body_of(merged(2)))
    assert "was taken before, with another change" in receiver.refused(answer, 422, "delivery_reused")


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_published_examples_of_github_are_ignored_and_accepted_once_when_merged(receiver: Receiver, path: Path) -> None:
    body, kind = path.read_bytes(), event_of(path)
    answer = receiver.post("hub", body, github(body, event=kind))
    assert (answer.status_code, answer.json()["accepted"]) == (202, False)
    assert answer.json()["reason"]
    assert receiver.inbox.changes() == []
    if kind == "pull_request":
        event = json.loads(body)
        put(put(event, "action", "closed"), "pull_request.merged", value=True)
        put(put(event, "pull_request.merged_at", "2026-11-20T14:31:08Z"), "pull_request.merge_commit_sha", "c" * 40)
        answers = [receiver.post("hub", body_of(event), github(body_of(event), delivery=f"m{n}")) for n in range(2)]
        assert [answer.json()["duplicate"] for answer in answers] == [False, True]
        assert len(receiver.inbox.changes()) == 1


@pytest.mark.parametrize("hook", ["lab", "lab-signed"])
@pytest.mark.parametrize("path", GITLAB, ids=lambda path: path.stem)
def test_gitlabs_events_are_ignored_or_accepted_once_with_either_way_of_signing(
    receiver: Receiver, path: Path, hook: str
) -> None:
    body, outcomes = path.read_bytes(), []
    for number in range(2):
        headers = standard(body, delivery=f"m{number}") if hook == "lab-signed" else gitlab(delivery=f"m{number}")
        outcomes.append(receiver.post(hook, body, headers).json())
    is_merged = ".merge" in path.name and "other-branch" not in path.name
    assert [told["accepted"] for told in outcomes] == [is_merged] * 2
    assert [told.get("duplicate") for told in outcomes] == ([False, True] if is_merged else [None, None])
    assert all(told.get("reason") for told in outcomes) is not is_merged
    assert len(receiver.inbox.changes()) == is_merged


WRONG: dict[str, dict[str, Any]] = {  # what is wrong with a delivery, in the order in which it is found
    "unknown_hook": {"hook": "nobody"},
    "body_too_large": {"padding": LONGEST},
    "signature": {"x-hub-signature-256": "sha256=00"},
    "content_type": {"content-type": "text/plain"},
    "delivery": {"x-github-event": ""},
}


@pytest.mark.parametrize("first", range(len(WRONG)))
def test_what_is_wrong_is_found_in_the_order_that_is_promised(receiver: Receiver, first: int) -> None:
    """A delivery with this and every later thing wrong is refused for this."""
    wrong = {name: value for what in list(WRONG.values())[first:] for name, value in what.items()}
    body = body_of(merged()) + b" " * wrong.pop("padding", 0)
    hook = wrong.pop("hook", "hub")
    headers = github(body) | wrong
    code = list(WRONG)[first]
    status = next(status for status, codes in REFUSALS.items() if code in codes)
    receiver.refused(receiver.post(hook, body, headers), status, code)
    assert receiver.inbox.changes() == []


def test_an_unknown_hook_is_not_helped_to_a_known_one(receiver: Receiver) -> None:
    body = body_of(merged())
    assert "hub" not in receiver.refused(receiver.post("hup", body, github(body)), 404, "unknown_hook")


def test_a_form_of_github_is_told_which_setting_to_change(receiver: Receiver) -> None:
    body = b"payload=%7B%7D"
    headers = github(body) | {"content-type": "application/x-www-form-urlencoded"}
    assert "choose the content type application/json" in receiver.refused(
        receiver.post("hub", body, headers), 415, "content_type"
    )


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_called_so_in_several_ways(receiver: Receiver, kind: str) -> None:
    assert receiver.hub(body_of(merged()), **{"content-type": kind}).status_code == 202


def test_a_merge_that_lacks_something_is_told_what(receiver: Receiver) -> None:
    body = body_of(merged(pull_request__merge_commit_sha=None))
    assert "lacks pull_request.merge_commit_sha" in receiver.refused(receiver.hub(body), 422, "delivery")


def test_an_old_delivery_of_a_signing_gitlab_is_refused(receiver: Receiver) -> None:
    body = GITLAB[0].read_bytes()
    headers = standard(body, NOW - timedelta(minutes=6))
    assert "5 minutes" in receiver.refused(receiver.post("lab-signed", body, headers), 401, "signature")


def test_what_is_not_accepted_is_counted_by_hook_and_reason(receiver: Receiver) -> None:
    body = body_of(merged())
    receiver.hub(body)
    receiver.hub(body)
    receiver.hub(body, **{"x-hub-signature-256": "sha256=00"})
    receiver.post("lab", b"{}", gitlab("another token"))
    receiver.post("hub", b"{}", github(b"{}", event="ping"))
    for hook in ("a", "b", "c"):
        receiver.post(hook, body, github(body))
    receiver.end()
    found = {(each["hook"], each["outcome"]): each["count"] for each in receiver.inbox.counts()}
    assert found == {
        ("hub", "duplicate"): 1,
        ("hub", "signature"): 1,
        ("hub", "ignored"): 1,
        ("lab", "signature"): 1,
        ("", "unknown_hook"): 3,
    }


def test_an_inbox_that_cannot_be_written_acknowledges_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> list[Outcome]:
        raise LedgerFullError("no space left for the ledger at postgresql://db.internal/x")

    with monkeypatch.context() as broken:
        for name in ("accept", "count", "ask"):
            broken.setattr(Inbox, name, full)
        answer = receiver.hub(body_of(merged()))
        assert "db.internal" not in receiver.refused(answer, 503, "inbox_busy")
        assert int(answer.headers["retry-after"]) > 0
        health = receiver.client.request("GET", "/healthz")
        assert "db.internal" not in receiver.refused(health, 503, "ledger_full")
        assert int(health.headers["retry-after"]) > 0
    assert receiver.hub(body_of(merged())).json()["duplicate"] is False
    assert receiver.client.request("GET", "/healthz").json() == {"ok": True}


def test_whatever_keeps_a_delivery_out_of_the_inbox_is_said_as_such(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Inbox, "accept", lambda *_: 1 / 0)
        answer = receiver.hub(body_of(merged()))
    assert "division" not in receiver.refused(answer, 503, "inbox_busy")
    assert int(answer.headers["retry-after"]) > 0
    assert "ZeroDivisionError" in caplog.text


def test_half_a_character_in_a_label_is_refused_as_in_a_title(receiver: Receiver) -> None:
    body = body_of(put(merged(), "pull_request.labels", [{"name": "\ud800"}]))
    assert "labels.0" in receiver.refused(receiver.hub(body), 422, "delivery")


def test_an_inbox_that_does_not_answer_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited is refused, and what came meanwhile is not written behind their back."""
    accept, released = Inbox.accept, threading.Event()

    def slow(self: Inbox, *arguments: Any) -> list[Outcome]:
        released.wait(10)
        return accept(self, *arguments)

    with monkeypatch.context() as broken:
        broken.setattr(Inbox, "accept", slow)
        receiver.refused(receiver.hub(body_of(merged(1))), 503, "inbox_busy")
        receiver.refused(receiver.hub(body_of(merged(2)), **{"x-github-delivery": "d-2"}), 503, "inbox_busy")
        released.set()
    assert receiver.hub(body_of(merged(3)), **{"x-github-delivery": "d-3"}).status_code == 202
    assert {arrival.change.number for arrival in receiver.inbox.changes()} <= {1, 3}


def test_an_error_of_ours_is_said_and_acknowledges_nothing(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stationmaster.deployments.receiver.understood", lambda *_: 1 / 0)
    receiver.refused(receiver.hub(body_of(merged())), 500, "internal")
    assert receiver.inbox.changes() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/hooks/hub", 405), ("PUT", "/hooks/hub", 405), ("GET", "/", 404), ("POST", "/healthz", 405),
        ("POST", "/hooks/hub/", 404), ("POST", "/hooks/", 404), ("GET", "/docs", 404),
        # Prefect's API, as it would be asked through a proxy that is too helpful
        ("GET", "/api/health", 404), ("POST", "/api/flow_runs/filter", 404), ("POST", "/api/deployments/", 404),
        ("POST", "/hooks/hub/../../api/flow_runs/", 404), ("POST", "/hooks/%2e%2e%2fapi", 404),
        ("GET", "/hooks/hub/api/health", 404),
    ],
)  # fmt: skip
def test_there_is_nothing_else_here(receiver: Receiver, method: str, path: str, status: int) -> None:
    answer = receiver.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_the_openapi_document_names_every_path_and_every_answer(receiver: Receiver) -> None:
    found = receiver.client.request("GET", "/openapi.json").json()
    assert found == document()
    assert set(found["paths"]) == {"/hooks/{hook}", "/slack/{app}", "/healthz", "/consent/{token}"}
    assert set(found["paths"]["/hooks/{hook}"]["post"]["responses"]) == {"202", *(str(status) for status in REFUSALS)}


def test_the_openapi_document_names_what_the_application_serves(receiver: Receiver) -> None:
    app = create_app(HOOKS, SECRETS, receiver.inbox, more=ConsentDesk(["shop"], lambda: NOW).routes())
    served = [route for route in app.routes if isinstance(route, Route) and route.path != "/openapi.json"]
    methods = {(route.path, method.lower()) for route in served for method in route.methods or ()}
    told = {(path, method) for path, operations in document()["paths"].items() for method in operations}
    assert told == {(path, method) for path, method in methods if method != "head"}


@dataclass
class Sender:
    """A sender that knows no length beforehand: it says what it was asked for."""

    chunks: list[bytes]
    ends: bool = True
    sent: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self) -> dict[str, Any]:
        if self.sent == len(self.chunks):
            if not self.ends:
                await asyncio.sleep(60)
            return {"type": "http.disconnect"}
        self.sent += 1
        more = not self.ends or self.sent < len(self.chunks)
        return {"type": "http.request", "body": self.chunks[self.sent - 1], "more_body": more}

    async def send(self, message: dict[str, Any]) -> None:
        self.answers.append(message)

    async def post(self, app: Any, **headers: str) -> int:
        scope = {
            "type": "http", "method": "POST", "path": "/hooks/hub", "raw_path": b"/hooks/hub", "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        await app(scope, self.receive, self.send)
        return int(self.answers[0]["status"])


@pytest.fixture
def app(receiver: Receiver) -> Starlette:
    return receiver.client.app


def test_a_body_without_a_length_is_not_read_beyond_the_limit(app: Starlette) -> None:
    sender = Sender([b"x" * 1024 * 1024] * 100)
    assert asyncio.run(sender.post(app)) == 413
    assert sender.sent == 6


def test_a_length_that_is_too_large_is_believed_before_anything_is_read(app: Starlette) -> None:
    sender = Sender([b"x"])
    assert asyncio.run(sender.post(app, **{"content-length": str(LONGEST + 1)})) == 413
    assert sender.sent == 0


def test_a_length_that_lies_is_not_believed(app: Starlette) -> None:
    sender = Sender([b"x" * 1024 * 1024] * 100)
    assert asyncio.run(sender.post(app, **{"content-length": "7"})) == 413
    assert sender.sent == 6


def test_the_longest_body_passes(receiver: Receiver) -> None:
    body = body_of(merged())
    body += b" " * (LONGEST - len(body))
    assert receiver.hub(body).status_code == 202


def test_a_sender_who_goes_away_in_the_middle_leaves_nothing(app: Starlette) -> None:
    class Cut(Sender):
        async def receive(self) -> dict[str, Any]:
            message = await super().receive()
            return message | ({"more_body": True} if message["type"] == "http.request" else {})

    assert asyncio.run(Cut([b"{"]).post(app)) == 400


def test_a_sender_who_never_ends_is_not_waited_for_and_gives_its_room_back() -> None:
    class Stream:
        headers: ClassVar[dict[str, str]] = {}

        async def stream(self) -> AsyncIterator[bytes]:
            yield b"x" * 1000
            await asyncio.sleep(60)

    async def read(bodies: Bodies) -> None:
        async with bodies.of(Stream()):  # type: ignore[arg-type] # what is used of a request
            pytest.fail("there is no end")

    bodies = Bodies(patience=0.05)
    with pytest.raises(BodyTooSlowError):
        asyncio.run(read(bodies))
    assert bodies.held == 0


def test_all_bodies_together_have_their_limit(app: Starlette) -> None:
    """Whoever sends is not known before the whole body is there: a crowd must not fill the memory."""

    async def crowd() -> list[int]:
        senders = [Sender([b"x" * 1024 * 1024] * 5, ends=False) for _ in range(14)]
        waiting = [asyncio.create_task(sender.post(app)) for sender in senders]
        await asyncio.sleep(0.1)
        done = [task.result() for task in waiting if task.done()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return done

    assert asyncio.run(crowd()) == [503, 503], "twelve hold 60 MiB, and there is no room for two more"


def test_answers_do_not_wait_for_the_senders_kernel() -> None:
    """asyncio sets TCP_NODELAY only on sockets whose protocol is named."""
    with _listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", ["taken", "203.0.113.7"])
def test_an_address_that_cannot_be_used_is_named_with_the_way_out(host: str) -> None:
    with _listening("127.0.0.1", 0) as taken:
        place, port = ("127.0.0.1", taken.getsockname()[1]) if host == "taken" else (host, 0)
        with pytest.raises(AddressUnusableError, match=f"cannot listen on {place}:{port}: ") as caught:
            _listening(place, port)
    assert "--port" in str(caught.value.hint)
