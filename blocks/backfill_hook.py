"""Asks an HTTP endpoint whether a backfill may go on. Only a clear yes lets it.

What of the address and the headers may be secret is in no message: the host alone is named.
"""

import json
import os
import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from stationmaster.domain.backfill_pace import PauseHook, Unread
from stationmaster.domain.masking import Mask

if TYPE_CHECKING:
    import httpx

_LARGEST = 1 << 16  # bytes of an answer
_SAID = 200  # characters of its reason that are told
_YES, _WAIT = (200, 204), (429, 503)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SHORT = 6  # characters; what is shorter and part of a path is no secret


class Asked:
    """One hook, asked by one thread at a time."""

    def __init__(self, hook: PauseHook) -> None:
        self._hook = hook
        self._asking: threading.Thread | None = None

    def ask(self) -> Unread | None:
        """Why to stand still. Takes no longer than `timeout_s`, however slowly the other side talks."""
        if self._asking is not None and self._asking.is_alive():
            return Unread("the hook still has not answered what it was asked before")
        answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._asking = threading.Thread(target=lambda: answers.put(_ask(self._hook)), daemon=True)
        self._asking.start()
        try:
            why = answers.get(timeout=self._hook.timeout_s)
        except queue.Empty:
            why = f"the hook did not answer within {self._hook.timeout_s:g} s"
        return Unread(why) if why else None


def _ask(hook: PauseHook) -> str | None:
    try:
        url, headers = _given(hook.url), {name: _given(value) for name, value in hook.headers.items()}
    except KeyError as error:
        return f"the hook needs the environment variable {error.args[0]}, which is not set"
    try:
        where = _host(url)
        return _Judged(where, _mask(url, headers)).of(*_answer(url, headers, hook.timeout_s))
    except Exception as error:  # noqa: BLE001 - whatever it is, it was no yes; its words may repeat the address
        return f"the hook{_at(url)} cannot be asked: {type(error).__name__}"


def _given(value: SecretStr) -> str:
    """What was written, or what the variable holds that it names."""
    text = value.get_secret_value()
    return os.environ[text.removeprefix("env:")] if text.startswith("env:") else text


def _answer(url: str, headers: Mapping[str, str], timeout: float) -> tuple["httpx.Response", bytes]:
    import httpx  # noqa: PLC0415 - most backfills have no hook

    body, proxied = bytearray(), urlsplit(url).hostname not in _LOOPBACK
    plain = {**headers, "Accept-Encoding": "identity"}  # so that a small answer cannot unfold into a large one
    with (
        httpx.Client(headers=plain, timeout=timeout, follow_redirects=False, trust_env=proxied) as client,
        client.stream("GET", url) as answer,
    ):
        for part in answer.iter_raw():
            body += part
            if len(body) > _LARGEST:
                break
    return answer, bytes(body)


class _Judged:
    """What an answer means."""

    def __init__(self, where: str, mask: Mask) -> None:
        self._where, self._mask = where, mask

    def of(self, answer: "httpx.Response", body: bytes) -> str | None:
        """None is yes."""
        status = answer.status_code
        if answer.is_redirect:
            return f"the hook{self._where} has moved (HTTP {status}); give its new address"
        if status not in (*_YES, *_WAIT):
            return f"the hook{self._where} answers HTTP {status}"
        if len(body) > _LARGEST:
            return f"the hook{self._where} answers more than {_LARGEST >> 10} KiB"
        is_json = "json" in answer.headers.get("content-type", "") or body.lstrip().startswith(b"{")
        return self._of_object(status, _object(body) if is_json and body.strip() else {})

    def _of_object(self, status: int, said: Mapping[str, object] | None) -> str | None:
        if status in _WAIT:
            return f"the hook{self._where} says wait (HTTP {status}){self._reason(said or {})}"
        if said is None:
            return f"the hook{self._where} answers HTTP {status} with what is no JSON object"
        wait = said.get("wait", False)
        if wait is True:
            return f"the hook{self._where} says wait{self._reason(said)}"
        return None if wait is False else f"the hook{self._where} says neither true nor false of `wait`"

    def _reason(self, said: Mapping[str, object]) -> str:
        reason = said.get("reason")
        if not isinstance(reason, str) or not reason.strip():
            return ""
        shown = "".join(sign if sign.isprintable() else " " for sign in self._mask.text(reason))
        return f": {' '.join(shown.split())[:_SAID]}"


def _object(body: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _mask(url: str, headers: Mapping[str, str]) -> Mask:
    """An answer may well repeat what it was asked with."""
    parts = urlsplit(url)
    words = {url, parts.password or "", parts.query, *(value for _, value in parse_qsl(parts.query))}
    words |= {part for part in (parts.path, *parts.path.split("/")) if len(part) >= _SHORT}
    words |= {word for value in headers.values() for word in (value, value.rpartition(" ")[2])}
    return Mask.of(words - {""})


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("no address of HTTP")
    return f" at {parts.hostname}{f':{parts.port}' if parts.port else ''}"


def _at(url: str) -> str:
    try:
        return _host(url)
    except ValueError:
        return ""
