"""A Slack-shaped receiver for the sandbox: takes messages as Slack does, keeps them, and shows them on a page.

`python -m stationmaster.deployments.sandbox.slack --port P --data FILE`, the token callers must carry in SLACK_TOKEN
(without it one is made beside the messages, FILE with the suffix .token). It speaks chat.postMessage, chat.update,
chat.getPermalink, conversations.history, conversations.replies and auth.test, with Slack's limits and Slack's words for
what is wrong.
"""

import argparse
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from stationmaster.deployments.sandbox.slack_page import page
from stationmaster.deployments.sandbox.slack_store import Message, MessageStore

Arguments = dict[str, Any]
_PAGE = 100
_LONGEST = 1 << 20  # bytes of a call


class RefusedCallError(Exception):
    """Slack's word for what is wrong with a call."""


def create_app(store: MessageStore, token: str) -> Starlette:
    """The receiver over a store; only calls that carry `token` are answered."""

    async def call(request: Request) -> Response:
        method = _METHODS.get(request.path_params["method"])
        if method is None:
            return _answer({"ok": False, "error": "unknown_method"})
        try:
            arguments = {"origin": str(request.base_url), **await _arguments(request)}
            _authorise(request, arguments, token)
            return _answer({"ok": True, **await run_in_threadpool(method, store, arguments)})
        except RefusedCallError as error:
            return _answer({"ok": False, "error": str(error)})

    async def show(request: Request) -> Response:
        html = page(store, request.query_params.get("channel"))
        return HTMLResponse(html, headers={"Cache-Control": "no-store", "Content-Security-Policy": _POLICY})

    async def version(_request: Request) -> Response:
        return JSONResponse({"version": store.version}, headers={"Cache-Control": "no-store"})

    return Starlette(
        routes=[
            Route("/", show),
            Route("/version", version),
            Route("/api/{method}", call, methods=["GET", "POST"]),
        ]
    )


# The page holds no script of others, whatever a message says.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'"
)


def _answer(content: Message) -> JSONResponse:
    return JSONResponse(content)


async def _arguments(request: Request) -> Arguments:
    """From the query, a form or JSON, as Slack takes them."""
    body = await request.body()
    if len(body) > _LONGEST:
        raise RefusedCallError("msg_too_long")
    query: Arguments = dict(request.query_params)
    if "json" in request.headers.get("content-type", ""):
        try:
            given = json.loads(body or b"{}")
        except ValueError:
            raise RefusedCallError("invalid_json") from None
        return {**query, **given} if isinstance(given, dict) else query
    return {**query, **dict(parse_qsl(body.decode("utf-8", "replace")))}


def _authorise(request: Request, arguments: Arguments, token: str) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ") or str(arguments.pop("token", ""))
    if not given:
        raise RefusedCallError("not_authed")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise RefusedCallError("invalid_auth")


def _auth_test(_store: MessageStore, _arguments: Arguments) -> Message:
    return {"url": "/", "team": "Sandbox", "user": "stationmaster", "team_id": "T0SANDBOX", "bot_id": "B0STATION"}


def _post(store: MessageStore, arguments: Arguments) -> Message:
    channel, content = _channel(arguments), _content(arguments)
    thread = arguments.get("thread_ts")
    if thread and store.get(channel, thread) is None:
        raise RefusedCallError("thread_not_found")
    message = {"type": "message", "channel": channel, "bot_id": "B0STATION", "username": "Stationmaster", **content}
    made = store.post({**message, **({"thread_ts": thread} if thread else {})}, time.time())
    return {"channel": channel, "ts": made["ts"], "message": made}


def _update(store: MessageStore, arguments: Arguments) -> Message:
    channel, ts = _channel(arguments), str(arguments.get("ts", ""))
    edited = {"edited": {"user": "B0STATION", "ts": f"{time.time():.6f}"}}
    made = store.update(channel, ts, {**_content(arguments), **edited})
    if made is None:
        raise RefusedCallError("message_not_found")
    return {"channel": channel, "ts": ts, "message": made}


def _history(store: MessageStore, arguments: Arguments) -> Message:
    return _paged(store.history(_channel(arguments)), arguments)


def _replies(store: MessageStore, arguments: Arguments) -> Message:
    channel, ts = _channel(arguments), str(arguments.get("ts", ""))
    if store.get(channel, ts) is None:
        raise RefusedCallError("thread_not_found")
    return _paged(store.replies(channel, ts), arguments)


def _permalink(store: MessageStore, arguments: Arguments) -> Message:
    channel, ts = _channel(arguments), str(arguments.get("message_ts", ""))
    if store.get(channel, ts) is None:
        raise RefusedCallError("message_not_found")
    return {"channel": channel, "permalink": f"{arguments['origin']}?channel={quote(channel)}#m{ts}"}


_METHODS: dict[str, Callable[[MessageStore, Arguments], Message]] = {
    "auth.test": _auth_test,
    "chat.postMessage": _post,
    "chat.update": _update,
    "chat.getPermalink": _permalink,
    "conversations.history": _history,
    "conversations.replies": _replies,
}


def _paged(messages: list[Message], arguments: Arguments) -> Message:
    """A page of messages; metadata only when it is asked for, as Slack does."""
    start, limit = _number(arguments, "cursor", 0), _number(arguments, "limit", _PAGE)
    shown = messages[start : start + limit]
    if str(arguments.get("include_all_metadata", "")).lower() not in {"1", "true"}:
        shown = [{name: value for name, value in message.items() if name != "metadata"} for message in shown]
    more = start + limit < len(messages)
    return {
        "messages": shown,
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + limit) if more else ""},
    }


def _number(arguments: Arguments, name: str, default: int) -> int:
    try:
        return max(0, int(arguments.get(name) or default))
    except ValueError:
        raise RefusedCallError("invalid_cursor" if name == "cursor" else "invalid_limit") from None


def _channel(arguments: Arguments) -> str:
    channel = arguments.get("channel")
    if not isinstance(channel, str) or not channel:
        raise RefusedCallError("channel_not_found")
    return channel


def _content(arguments: Arguments) -> Message:
    """Text, blocks and metadata within Slack's limits."""
    text, blocks, metadata = arguments.get("text") or "", _parsed(arguments, "blocks"), _parsed(arguments, "metadata")
    if not text and not blocks:
        raise RefusedCallError("no_text")
    _within_limits(blocks or [])
    given = {"text": str(text), "blocks": blocks or []}
    return {**given, "metadata": metadata} if metadata else given


def _parsed(arguments: Arguments, name: str) -> Any:  # noqa: ANN401 - JSON
    value = arguments.get(name)
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise RefusedCallError(f"invalid_{name}") from None


_BLOCKS, _SECTION, _HEADER, _MESSAGE = 50, 3_000, 150, 13_172


def _within_limits(blocks: Any) -> None:  # noqa: ANN401 - as a caller sent it
    if not isinstance(blocks, list) or len(blocks) > _BLOCKS or not all(isinstance(block, dict) for block in blocks):
        raise RefusedCallError("invalid_blocks")
    for block in blocks:
        limit = _HEADER if block.get("type") == "header" else _SECTION
        text = block.get("text")
        if isinstance(text, dict) and not 0 < len(str(text.get("text", ""))) <= limit:
            raise RefusedCallError("invalid_blocks")
    if len(json.dumps(blocks, ensure_ascii=False)) > _MESSAGE:
        raise RefusedCallError("msg_too_long")


def read_token(path: Path) -> str:
    """The token that callers must carry; made, readable by its owner alone, where there is none."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
            file.write(f"xoxb-sandbox-{secrets.token_urlsafe(24)}\n")
    return path.read_text().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description="A Slack-shaped receiver for the sandbox.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="messages, one JSON object a line")
    given = parser.parse_args()
    store = MessageStore.open(given.data)
    token = os.environ.get("SLACK_TOKEN") or read_token(given.data.with_suffix(".token"))
    uvicorn.run(create_app(store, token), host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
