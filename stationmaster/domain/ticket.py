"""A ticket: how one is written, and which tickets asked for a release. Whether one exists is not asked."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

SHAPE = "CHG-4711, #123 or https://…"
_KEY = re.compile(r"[A-Z][A-Z0-9]*-[0-9]+|#[0-9]+", re.ASCII)
_LONGEST = 500


def is_ticket(text: object) -> bool:
    """Whether something is written as a ticket: a key as CHG-4711, a number as #123, or an address without a password
    in it.
    """
    return isinstance(text, str) and len(text) <= _LONGEST and (bool(_KEY.fullmatch(text)) or _is_address(text))


def must_be_ticket(text: str) -> str:
    """The ticket, stripped.

    Raises:
        ValueError: it is written as none.
    """
    if not is_ticket(text.strip()):
        raise ValueError(f"{text!r} is not a ticket, as {SHAPE}")
    return text.strip()


def tickets_of(asked: str | None, changes: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The ticket of the request first, then those of each change in their order; each once."""
    named = (ticket for refs in changes for ticket in refs)
    return tuple(dict.fromkeys([asked, *named] if asked else named))


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
