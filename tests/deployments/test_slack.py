"""The sandbox's Slack: it takes, keeps and shows messages as Slack would, and nothing in one is ever markup."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from stationmaster.deployments.sandbox.slack import create_app, read_token
from stationmaster.deployments.sandbox.slack_page import mrkdwn, page
from stationmaster.deployments.sandbox.slack_store import MessageStore

TOKEN = "xoxb-test"


@pytest.fixture
def store(tmp_path: Path) -> MessageStore:
    return MessageStore.open(tmp_path / "messages.jsonl")


@dataclass
class Client:
    """Calls the application in this process."""

    app: Starlette

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._send("GET", path))

    def post(self, path: str, **how: Any) -> httpx.Response:
        return asyncio.run(self._send("POST", path, **how))

    async def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://sandbox") as client:
            return await client.request(method, path, **how)


@pytest.fixture
def client(store: MessageStore) -> Client:
    return Client(create_app(store, TOKEN))


def call(client: Client, method: str, *, token: str = TOKEN, **arguments: Any) -> dict[str, Any]:
    answer = client.post(f"/api/{method}", json=arguments, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return dict(answer.json())


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_a_message_is_kept_and_answered_with_its_ts(client: Client) -> None:
    posted = call(client, "chat.postMessage", channel="releases", text="hello")
    (message,) = call(client, "conversations.history", channel="releases")["messages"]
    assert (message["ts"], message["text"]) == (posted["ts"], "hello")


def test_messages_come_newest_first_page_by_page(client: Client) -> None:
    for number in range(5):
        call(client, "chat.postMessage", channel="releases", text=str(number))
    first = call(client, "conversations.history", channel="releases", limit=3)
    assert ([one["text"] for one in first["messages"]], first["has_more"]) == (["4", "3", "2"], True)
    cursor = first["response_metadata"]["next_cursor"]
    rest = call(client, "conversations.history", channel="releases", limit=3, cursor=cursor)
    assert ([one["text"] for one in rest["messages"]], rest["has_more"]) == (["1", "0"], False)


def test_metadata_is_given_only_to_those_who_ask(client: Client) -> None:
    metadata = {"event_type": "stationmaster", "event_payload": {"key": "r1"}}
    call(client, "chat.postMessage", channel="c", text="x", metadata=metadata)
    assert "metadata" not in call(client, "conversations.history", channel="c")["messages"][0]
    asked = call(client, "conversations.history", channel="c", include_all_metadata=True)
    assert asked["messages"][0]["metadata"] == metadata


def test_replies_stand_in_their_thread_only(client: Client) -> None:
    head = call(client, "chat.postMessage", channel="c", text="head")["ts"]
    call(client, "chat.postMessage", channel="c", text="reply", thread_ts=head)
    call(client, "chat.postMessage", channel="c", text="other")
    assert [one["text"] for one in call(client, "conversations.history", channel="c")["messages"]] == ["other", "head"]
    assert [one["text"] for one in call(client, "conversations.replies", channel="c", ts=head)["messages"]] == [
        "head",
        "reply",
    ]


def test_an_update_replaces_the_text_in_its_place(client: Client) -> None:
    first = call(client, "chat.postMessage", channel="c", text="one")["ts"]
    call(client, "chat.postMessage", channel="c", text="two")
    call(client, "chat.update", channel="c", ts=first, text="ONE")
    assert [one["text"] for one in call(client, "conversations.history", channel="c")["messages"]] == ["two", "ONE"]


def test_messages_survive_a_restart_and_a_torn_line(store: MessageStore) -> None:
    made = store.post({"channel": "c", "text": "kept"}, 100.0)
    store.update("c", made["ts"], {"text": "changed"})
    with store.path.open("a") as file:
        file.write('{"channel": "c", "ts": "200.0", "te')
    again = MessageStore.open(store.path)
    assert [message["text"] for message in again.history("c")] == ["changed"]


def test_a_message_after_a_torn_line_is_not_lost(store: MessageStore) -> None:
    store.path.write_text('{"channel": "c", "ts": "200.0", "te')
    MessageStore.open(store.path).post({"channel": "c", "text": "next"}, 300.0)
    assert [message["text"] for message in MessageStore.open(store.path).history("c")] == ["next"]


def test_every_ts_is_its_own_even_in_the_same_instant(store: MessageStore) -> None:
    stamps = [store.post({"channel": "c", "text": "x"}, 100.0)["ts"] for _ in range(5)]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "c"}, "no_text"),
        ("chat.postMessage", {"channel": "c", "text": "x", "thread_ts": "1.0"}, "thread_not_found"),
        ("chat.postMessage", {"channel": "c", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "c", "blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "c", "blocks": [section("")]}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "c", "blocks": "nonsense"}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "c", "blocks": [section("x" * 2900)] * 5}, "msg_too_long"),
        ("chat.update", {"channel": "c", "ts": "1.0", "text": "x"}, "message_not_found"),
        ("conversations.replies", {"channel": "c", "ts": "1.0"}, "thread_not_found"),
        ("conversations.history", {"channel": "c", "limit": "many"}, "invalid_limit"),
        ("chat.delete", {}, "unknown_method"),
    ],
)
def test_what_slack_refuses_is_refused_in_its_words(
    client: Client, method: str, arguments: dict[str, Any], error: str
) -> None:
    assert call(client, method, **arguments) == {"ok": False, "error": error}


def test_a_long_header_is_refused(client: Client) -> None:
    long = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    assert call(client, "chat.postMessage", channel="c", blocks=[long])["error"] == "invalid_blocks"


def test_only_the_token_is_let_in(client: Client) -> None:
    assert call(client, "auth.test")["ok"]
    assert call(client, "auth.test", token="xoxb-other")["error"] == "invalid_auth"
    assert client.post("/api/auth.test").json()["error"] == "not_authed"


def test_a_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "messages.token"
    token = read_token(path)
    assert token.startswith("xoxb-")
    assert read_token(path) == token
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*bold* _it_ ~no~ 2*3*4 a_b_c", "<strong>bold</strong> <em>it</em> <s>no</s> 2*3*4 a_b_c"),
        ("`*code*` ```\na & b\n```", "<code>*code*</code> <pre>a &amp; b</pre>"),
        (
            "<https://x.example/?a_b_=1&amp;c=2|a *page*>",
            '<a href="https://x.example/?a_b_=1&amp;c=2" rel="noreferrer">a *page*</a>',
        ),
        ("<https://x.example>", '<a href="https://x.example" rel="noreferrer">https://x.example</a>'),
        ("one\ntwo", "one<br>two"),
        ("x\n\n```\na\nb\n```\n\ny", "x<pre>a\nb</pre>y"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;b&gt; &amp;amp;", "&lt;b&gt; &amp;amp;"),
        ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),
        ('<https://x" onmouseover="alert(1)|x>', "&lt;https://x&quot; onmouseover=&quot;alert(1)|x&gt;"),
        ("\x01img\x02 \x03", "img "),
    ],
)
def test_slacks_spelling_is_shown_and_nothing_else_is_markup(text: str, shown: str) -> None:
    assert str(mrkdwn(text)) == shown


def test_the_page_shows_blocks_threads_and_channels(store: MessageStore) -> None:
    head = store.post(
        {
            "channel": "releases",
            "text": "t",
            "username": "Stationmaster",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "A &amp; B <i>"}},
                section("*Wave 1*"),
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Flags*\nnone"}]},
                {"type": "divider"},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
                {"type": "video"},
            ],
        },
        100.0,
    )
    store.post({"channel": "releases", "text": "in the thread", "thread_ts": head["ts"]}, 101.0)
    store.post({"channel": "zzz", "text": "elsewhere"}, 102.0)
    shown = page(store, None)
    for part in (
        "<h2>A &amp; B &lt;i&gt;</h2>",
        "<strong>Wave 1</strong>",
        "<hr>",
        "1 reply",
        "in the thread",
        "# zzz",
    ):
        assert part in shown
    assert "elsewhere" not in shown
    assert "elsewhere" in page(store, "zzz")


def test_an_empty_page_says_what_will_come(client: Client) -> None:
    answer = client.get("/")
    assert "No message yet" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_version_grows_with_every_change(client: Client) -> None:
    before = client.get("/version").json()["version"]
    call(client, "chat.postMessage", channel="c", text="x")
    assert client.get("/version").json()["version"] > before
