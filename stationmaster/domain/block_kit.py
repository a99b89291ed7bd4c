"""Slack's Block Kit: text in Slack's spelling, blocks within its limits, and messages cut where they grow too long.

Limits: 150 characters a header, 3,000 a section, 50 blocks and 12,000 characters a message (Slack refuses the whole
message otherwise). What is said is decided elsewhere.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

HEADER, SECTION, FIELD, BLOCKS, MESSAGE = 150, 3_000, 500, 50, 12_000

Block = dict[str, Any]

_LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^\s)]+)\)")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_HEAD = re.compile(r"^#{1,6} +(.+?)\s*$")
_BULLET = re.compile(r"^(\s*)[-*] +")
_HALF_ENTITY = re.compile(r"&[a-z]{0,3}$")


def escaped(text: str) -> str:
    """Text that Slack shows as it is: no mention, link or channel call can be hidden in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(markdown: str) -> str:
    """Markdown as people write it in Slack's own spelling; code is left alone."""
    parts = re.split(r"(```.*?(?:```|\Z)|`[^`\n]*`)", escaped(markdown), flags=re.DOTALL)
    return "".join(part if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(text: str) -> str:
    lines = (_BULLET.sub(r"\1• ", _HEAD.sub(r"*\1*", line)) for line in text.split("\n"))
    return _BOLD.sub(r"*\1*", _LINK.sub(r"<\2|\1>", "\n".join(lines)))


def header(text: str) -> Block:
    """A title in plain text, cut to fit."""
    return {"type": "header", "text": {"type": "plain_text", "text": _cut(text, HEADER), "emoji": True}}


def sections(text: str) -> list[Block]:
    """As many sections as the text (in Slack's spelling) needs."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in split(text, SECTION)]


def fields(*texts: str) -> Block:
    """Short texts side by side, two in a row; at most ten, cut to 500 characters each so that they fit a message."""
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": _cut(text, FIELD)} for text in texts[:10]]}


def context(text: str) -> Block:
    """A line in small print."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut(text, SECTION)}]}


def divider() -> Block:
    """A line across."""
    return {"type": "divider"}


def split(text: str, limit: int) -> Iterator[str]:
    """Parts of at most `limit` characters, cut at a line's end, else between words, else anywhere."""
    while len(text) > limit:
        cut = max(text.rfind("\n", 0, limit), 0) or max(text.rfind(" ", 0, limit), 0) or _between(text, limit)
        if text[:cut].strip():
            yield text[:cut].rstrip()
        text = text[cut:].lstrip("\n")
    if text.strip():
        yield text


def _between(text: str, limit: int) -> int:
    half = _HALF_ENTITY.search(text, 0, limit)
    return half.start() if half else limit


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: _between(text, limit - 1)]}…"


def messages(blocks: Iterable[Block]) -> list[list[Block]]:
    """The blocks, in order, as as few messages as the limits allow; the first is the head, the rest its thread.

    Characters are counted over the JSON, which is more than Slack counts.
    """
    packed: list[list[Block]] = []
    size = 0
    for block in blocks:
        weight = len(json.dumps(block, ensure_ascii=False))
        if not packed or len(packed[-1]) == BLOCKS or size + weight > MESSAGE:
            packed.append([])
            size = 0
        packed[-1].append(block)
        size += weight + 1
    return packed
