"""The messages of the sandbox's Slack: in memory, and line by line in a file that survives a restart."""

import contextlib
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Message = dict[str, Any]


@dataclass
class MessageStore:
    """Every message by channel and `ts`. Each change is on disk before it is answered."""

    path: Path
    _messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    version: int = 0

    @classmethod
    def open(cls, path: Path) -> "MessageStore":
        """The messages of a file, which is made if it is not there; a torn last line is what a crash left."""
        store = cls(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            file.seek(0)
            text = file.read()
            if text and not text.endswith("\n"):
                file.write("\n")
        for line in text.splitlines():
            with contextlib.suppress(ValueError, KeyError):
                store._put(json.loads(line))
        return store

    def post(self, message: Message, now: float) -> Message:
        """Keep a new message; it gets the next free `ts` at or after `now`."""
        with self._lock:
            latest = max((ts for _, ts in self._messages), default="0")
            micros = max(int(now * 1_000_000), _micros(latest) + 1)
            made = {**message, "ts": f"{micros // 1_000_000}.{micros % 1_000_000:06}"}
            self._keep(made)
        return made

    def update(self, channel: str, ts: str, change: Message) -> Message | None:
        """Replace parts of a message, or None when there is no such message."""
        with self._lock:
            if (channel, ts) not in self._messages:
                return None
            made = {**self._messages[channel, ts], **change}
            self._keep(made)
        return made

    def get(self, channel: str, ts: str) -> Message | None:
        """One message."""
        return self._messages.get((channel, ts))

    def history(self, channel: str) -> list[Message]:
        """What stands in the channel itself, newest first."""
        return [message for message in self.every(channel) if not _is_reply(message)]

    def replies(self, channel: str, ts: str) -> list[Message]:
        """A message and its thread, oldest first."""
        return [message for message in reversed(self.every(channel)) if ts in {message["ts"], message.get("thread_ts")}]

    def channels(self) -> list[str]:
        """Every channel with a message in it."""
        return sorted({channel for channel, _ in self._messages})

    def every(self, channel: str) -> list[Message]:
        """All messages of a channel, replies too, newest first."""
        with self._lock:
            found = [message for (where, _), message in self._messages.items() if where == channel]
        return sorted(found, key=lambda message: _micros(message["ts"]), reverse=True)

    def _keep(self, message: Message) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(message, ensure_ascii=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._put(message)

    def _put(self, message: Message) -> None:
        self._messages[message["channel"], message["ts"]] = message
        self.version += 1


def _micros(ts: str) -> int:
    whole, _, part = ts.partition(".")
    return int(whole) * 1_000_000 + int(part or 0)


def _is_reply(message: Message) -> bool:
    return message.get("thread_ts") not in {None, message["ts"]}
