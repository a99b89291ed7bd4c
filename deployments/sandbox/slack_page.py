"""The page on which the sandbox's messages are read: Block Kit as HTML. Nothing a message says is ever markup."""

import html
import re
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from stationmaster.deployments.sandbox.slack_store import Message, MessageStore

_SHOWN = 100  # messages of a channel
_LINK = re.compile(r"&lt;(https?://[^|&\s]+(?:&amp;[^|&\s]+)*)(?:\|([^&]*(?:&(?!gt;)[^&]*)*))?&gt;")
_AROUND_PRE = re.compile(r"(?:<br>)*(<pre>.*?</pre>)(?:<br>)*", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08]")
_LT, _GT, _LINKED = "\x01", "\x02", "\x03"  # stand for what the text means literally; no text holds them
_STYLES = (
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])"), r"<em>\1</em>"),
    (re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])"), r"<s>\1</s>"),
)


def page(store: MessageStore, channel: str | None) -> str:
    """The page of one channel, the first one when none is asked for."""
    channels = store.channels()
    chosen = channel if channel in channels else (channels[0] if channels else None)
    threads = [_thread(store, message) for message in store.history(chosen)[:_SHOWN]] if chosen else []
    return _TEMPLATES.get_template("slack.html.j2").render(
        channels=channels, chosen=chosen, threads=threads[::-1], version=store.version
    )


def _thread(store: MessageStore, message: Message) -> dict[str, Any]:
    replies = store.replies(message["channel"], message["ts"])[1:]
    return {"head": message, "replies": replies}


def mrkdwn(text: str) -> Markup:
    """Slack's spelling as HTML. Everything is escaped first; the only markup is what is put in after that."""
    bare = _CONTROL.sub("", text).replace("&lt;", _LT).replace("&gt;", _GT).replace("&amp;", "&")
    parts = re.split(r"(```.*?```|`[^`\n]+`)", html.escape(bare), flags=re.DOTALL)
    made = "".join(_code(part) if index % 2 else _prose(part) for index, part in enumerate(parts))
    made = _AROUND_PRE.sub(r"\1", made)  # a block of code brings its own room
    return Markup(made.replace(_LT, "&lt;").replace(_GT, "&gt;"))  # noqa: S704 - escaped above


def _code(part: str) -> str:
    if part.startswith("```"):
        return f"<pre>{part[3:-3].strip(chr(10))}</pre>"
    return f"<code>{part[1:-1]}</code>"


def _prose(part: str) -> str:
    """Links are set aside while the rest is styled: an address may hold any sign."""
    links = [f'<a href="{match[1]}" rel="noreferrer">{match[2] or match[1]}</a>' for match in _LINK.finditer(part)]
    styled = _LINK.sub(_LINKED, part)
    for pattern, markup in _STYLES:
        styled = pattern.sub(markup, styled)
    for link in links:
        styled = styled.replace(_LINKED, link, 1)
    return styled.replace("\n", "<br>")


def _clock(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), UTC).strftime("%H:%M:%S")


def _day(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), UTC).strftime("%A, %d %B %Y")


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("stationmaster.deployments.sandbox", "."),
        autoescape=select_autoescape(["html", "html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(mrkdwn=mrkdwn, plain=html.unescape, clock=_clock, day=_day)
    return environment


_TEMPLATES = _templates()
