"""The chat block over real HTTP against the sandbox's receiver; `tests/tasks/test_fakes.py` has the fake's suite."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from stationmaster.blocks.chat import ChatRefusedError, ChatUnavailableError, SlackChat
from stationmaster.deployments.sandbox.slack import create_app
from stationmaster.deployments.sandbox.slack_store import MessageStore
from tests.blocks.chat_conformance import BLOCKS, ChatConformance, Subject

TOKEN = "xoxb-test"


@dataclass
class Mishaps:
    """An ASGI layer that does what networks do, before or after the call took effect."""

    app: ASGIApp
    lost: int = 0
    limited: list[str] = field(default_factory=list)
    broken: bool = False
    refusal: str | None = None
    calls: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        self.calls.append(scope["path"].rsplit("/", 1)[-1])
        if self.broken:
            return await _reply(send, 503, b"<html>down</html>")
        if self.refusal:
            return await _reply(send, 200, json.dumps({"ok": False, "error": self.refusal}).encode())
        if self.limited:
            return await _reply(send, 429, b'{"ok":false,"error":"ratelimited"}', retry_after=self.limited.pop())
        if self.lost and scope["path"].endswith("chat.postMessage"):
            self.lost -= 1
            await self.app(scope, receive, _swallow)
            await asyncio.sleep(1.3)  # longer than the client waits
            return None
        return await self.app(scope, receive, send)


async def _swallow(_message: Any) -> None:
    return None


async def _reply(send: Send, status: int, body: bytes, retry_after: str | None = None) -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(b"retry-after", retry_after.encode())] if retry_after else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Receiver:
    """A running receiver with its store."""

    store: MessageStore
    mishaps: Mishaps
    url: str

    def texts(self) -> list[str]:
        return [message["text"] for channel in self.store.channels() for message in self.store.every(channel)]

    def lose_answers(self, count: int) -> None:
        self.mishaps.lost = count

    def go_away(self) -> None:
        self.mishaps.broken = True

    def refuse(self, reason: str) -> None:
        self.mishaps.refusal = reason


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/"
        finally:
            server.should_exit = True
            thread.join(timeout=5)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    store = MessageStore.open(tmp_path / "messages.jsonl")
    mishaps = Mishaps(create_app(store, TOKEN))
    with served(mishaps) as url:
        yield Receiver(store, mishaps, url)


def slack(url: str, token: str = TOKEN) -> SlackChat:
    return SlackChat(base_url=url, token=SecretStr(token), channel="releases", timeout=1)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stationmaster.blocks.chat._BETWEEN", 0.01)


class TestSlackChat(ChatConformance):
    @pytest.fixture
    def chat(self, receiver: Receiver) -> Subject:
        return Subject(slack(receiver.url), receiver)

    def test_a_process_killed_before_it_knew_posts_once(self, receiver: Receiver) -> None:
        ts = slack(receiver.url).post("r1/brief", "hello", BLOCKS)
        assert slack(receiver.url).post("r1/brief", "hello", BLOCKS) == ts
        assert receiver.texts() == ["hello"]

    def test_rate_limits_are_waited_out(self, receiver: Receiver) -> None:
        receiver.mishaps.limited = ["0", "0.05", "soon"]
        slack(receiver.url).post("r1/brief", "hello", BLOCKS)
        assert receiver.texts() == ["hello"]

    def test_a_rate_limit_beyond_our_patience_is_told(self, receiver: Receiver) -> None:
        receiver.mishaps.limited = ["3600"] * 9
        with pytest.raises(ChatUnavailableError, match="ratelimited"):
            slack(receiver.url).post("r1/brief", "hello", BLOCKS)

    def test_a_plain_no_costs_one_call(self, receiver: Receiver) -> None:
        receiver.refuse("not_in_channel")
        with pytest.raises(ChatRefusedError) as caught:
            slack(receiver.url).find("k")
        assert (caught.value.hint, len(receiver.mishaps.calls)) == ("invite the app into the channel", 1)

    def test_a_wrong_token_is_refused_and_not_shown(self, receiver: Receiver) -> None:
        chat = slack(receiver.url, "xoxb-wrong")
        with pytest.raises(ChatRefusedError, match="invalid_auth") as caught:
            chat.check()
        assert "xoxb-wrong" not in str(caught.value) + repr(caught.value.record()) + repr(chat) + chat.model_dump_json()

    def test_check_says_who_we_are(self, receiver: Receiver) -> None:
        assert slack(receiver.url).check() == "stationmaster in Sandbox"

    def test_nobody_listening_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            port = bound.getsockname()[1]
        with pytest.raises(ChatUnavailableError, match=r"did not answer conversations\.history"):
            slack(f"http://127.0.0.1:{port}/api/").post("k", "t", BLOCKS)

    def test_a_key_is_found_behind_many_messages(self, receiver: Receiver) -> None:
        ts = slack(receiver.url).post("r1/brief", "hello", BLOCKS)
        for number in range(250):
            receiver.store.post({"channel": "releases", "text": f"chatter {number}"}, time.time())
        assert slack(receiver.url).find("r1/brief") == ts
