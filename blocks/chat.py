"""Messages to Slack: one per key, whatever becomes of the answer.

A message carries its key as metadata and is looked for before it is posted, so a lost answer, a killed process and a
second start post it once. What it says is decided elsewhere.
"""

import contextlib
import http.client
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from stationmaster.domain.errors import OutsideError

T = TypeVar("T")

_EVENT = "stationmaster"
_TRIES = 3
_BETWEEN = 0.5  # seconds between tries
_PATIENCE = 30  # seconds that rate limits may cost a call in all
_PAGES, _PAGE = 10, 200  # how far back a message is looked for
_WRITES = frozenset({"chat.postMessage", "chat.update"})
_WORD = re.compile(r"[a-z_]+")  # how Slack spells a reason; anything else is no answer of Slack's
_UNKNOWN = {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "ratelimited"}
_HINTS = {
    "invalid_auth": "give the chat block a valid bot token (xoxb-…)",
    "not_authed": "give the chat block a bot token (xoxb-…)",
    "missing_scope": "the app needs chat:write and channels:history (groups:history for a private channel)",
    "channel_not_found": "give the chat block the channel's id (C…), and invite the app into it",
    "not_in_channel": "invite the app into the channel",
}


class ChatUnavailableError(OutsideError):
    """Slack did not answer, or not in time; the same message may be posted again, it will not appear twice."""

    code = "chat_unavailable"


class ChatRefusedError(OutsideError):
    """Slack answered no; `reason` is its own word."""

    code = "chat_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Slack refused the call: {reason}", hint=_HINTS.get(reason))
        self.reason = reason


class SlackChat(BaseModel):
    """A channel in Slack, and the bot that writes there."""

    base_url: str = Field(default="https://slack.com/api/", description="Another address for a Slack-shaped receiver.")
    token: SecretStr = Field(description="Bot token (xoxb-…) with chat:write and channels:history.")
    channel: str = Field(description="The channel's id, not its name.", examples=["C0123456789"])
    timeout: int = Field(default=10, ge=1, description="Seconds that one call may take.")

    def post(self, key: str, text: str, blocks: list[dict[str, Any]], thread: str | None = None) -> str:
        """Post the message of `key` unless it is there; its `ts`. `thread` is the `ts` it answers.

        Raises:
            ChatUnavailableError: not known to be there after several tries.
            ChatRefusedError: Slack said no.
        """

        def post_once() -> str:
            there = self._look(key, thread)
            if there is not None:
                return there
            content = {"text": text, "blocks": blocks, "metadata": _metadata(key)}
            return str(self._call("chat.postMessage", **content, thread_ts=thread)["ts"])

        return _persist(post_once)

    def update(self, ts: str, key: str, text: str, blocks: list[dict[str, Any]]) -> None:
        """Replace the message at `ts`; doing it twice changes nothing. Errors as `post`."""
        _persist(lambda: self._call("chat.update", ts=ts, text=text, blocks=blocks, metadata=_metadata(key)))

    def find(self, key: str, thread: str | None = None) -> str | None:
        """The `ts` of the message that carries `key`, among the latest of the channel or of a thread."""
        return _persist(lambda: self._look(key, thread))

    def link(self, ts: str) -> str:
        """The address at which people read the message at `ts`. Errors as `post`."""
        return str(_persist(lambda: self._call("chat.getPermalink", message_ts=ts))["permalink"])

    def check(self) -> str:
        """Who we are to Slack, for `doctor`. Errors as `post`."""
        answer = _persist(lambda: self._call("auth.test"))
        return f"{answer.get('user', '?')} in {answer.get('team', '?')}"

    def _look(self, key: str, thread: str | None) -> str | None:
        wanted = _metadata(key)
        for message in self._messages(thread):
            given = message.get("metadata") or {}
            if {name: given.get(name) for name in wanted} == wanted:
                return str(message["ts"])
        return None

    def _messages(self, thread: str | None) -> Iterator[dict[str, Any]]:
        method = "conversations.replies" if thread else "conversations.history"
        cursor: str | None = None
        for _ in range(_PAGES):
            page = self._call(method, ts=thread, cursor=cursor, limit=_PAGE, include_all_metadata=True)
            yield from page.get("messages") or []
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - Slack's own arguments
        """One call. Rate limits are waited out within `_PATIENCE`; nothing else is tried again here."""
        payload = {name: value for name, value in arguments.items() if value is not None}
        how = "json" if method in _WRITES else "params"  # Slack reads JSON only where it writes
        sent: dict[str, Any] = {how: {"channel": self.channel, **payload}}
        patience = float(_PATIENCE)
        while True:
            try:
                return _data(self._client().api_call(method, **sent))
            except SlackApiError as error:
                pause = _pause(error)
                if pause is None or pause > patience:
                    raise _named(error, method) from None
                time.sleep(pause)
                patience -= max(pause, 1.0)
            except (OSError, http.client.HTTPException, SlackClientError) as error:
                raise _silence(method, type(error).__name__) from None

    def _client(self) -> WebClient:
        # The library's own retries would post twice after a lost answer, and it logs what we raise.
        client = WebClient(
            self.token.get_secret_value(),
            base_url=self.base_url.rstrip("/") + "/",
            timeout=self.timeout,
            retry_handlers=[],
            logger=_quiet(),
        )
        if _is_loopback(self.base_url):
            client.proxy = None  # it takes the proxy from the environment and does not look at NO_PROXY
        return client


def _metadata(key: str) -> dict[str, Any]:
    return {"event_type": _EVENT, "event_payload": {"key": key}}


def _persist(act: Callable[[], T]) -> T:
    """Do it again after an unknown outcome, a little later each time: what was lost may still arrive."""
    for attempt in range(1, _TRIES):
        with contextlib.suppress(ChatUnavailableError):
            return act()
        time.sleep(_BETWEEN * attempt)
    return act()


def _data(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - SlackResponse, its data untyped
    return dict(answer.data)


def _pause(error: SlackApiError) -> float | None:
    """Seconds that Slack asks us to wait, when it does."""
    if error.response.status_code != http.HTTPStatus.TOO_MANY_REQUESTS:
        return None
    try:
        return max(0.0, float(error.response.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0


def _named(error: SlackApiError, method: str) -> ChatUnavailableError | ChatRefusedError:
    """What an answer means: a plain no, or that nothing is known."""
    status, data = error.response.status_code, error.response.data
    reason = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == http.HTTPStatus.OK and reason not in _UNKNOWN and _WORD.fullmatch(reason):
        return ChatRefusedError(reason)
    return _silence(method, reason if _WORD.fullmatch(reason) else f"HTTP {status}")


def _silence(method: str, why: str) -> ChatUnavailableError:
    return ChatUnavailableError(
        f"Slack did not answer {method} ({why})", hint="is base_url of the chat block right, and Slack up?"
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _quiet() -> logging.Logger:
    logger = logging.Logger("slack")  # noqa: LOG001 - outside the hierarchy on purpose: what it says, we raise
    logger.addHandler(logging.NullHandler())
    return logger
