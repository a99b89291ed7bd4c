"""What every chat must do, whichever it is: one message per key, whatever becomes of the answer.

A test module inherits `ChatConformance` and gives a `chat` fixture: a `Subject` around the chat under test.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from stationmaster.blocks.chat import ChatRefusedError, ChatUnavailableError

BLOCKS: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}]


class Chat(Protocol):
    """The calls that tasks make."""

    channel: str

    def post(self, key: str, text: str, blocks: list[dict[str, Any]], thread: str | None = None) -> str: ...
    def update(self, ts: str, key: str, text: str, blocks: list[dict[str, Any]]) -> None: ...
    def find(self, key: str, thread: str | None = None) -> str | None: ...
    def link(self, ts: str) -> str: ...


class World(Protocol):
    """What stands in the channel, and the mishaps that can be ordered."""

    def texts(self) -> list[str]: ...
    def lose_answers(self, count: int) -> None: ...
    def go_away(self) -> None: ...
    def refuse(self, reason: str) -> None: ...


@dataclass
class Subject:
    chat: Chat
    world: World


class ChatConformance:
    def test_a_message_is_posted_and_found_by_its_key(self, chat: Subject) -> None:
        ts = chat.chat.post("r1/brief", "hello", BLOCKS)
        assert chat.chat.find("r1/brief") == ts
        assert chat.world.texts() == ["hello"]

    def test_a_message_has_an_address_and_what_is_no_message_has_none(self, chat: Subject) -> None:
        ts = chat.chat.post("r1/brief", "hello", BLOCKS)
        address = chat.chat.link(ts)
        assert address.startswith("http")
        assert ts in address
        with pytest.raises(ChatRefusedError, match="message_not_found"):
            chat.chat.link("1.000001")

    def test_a_key_nobody_posted_is_not_found(self, chat: Subject) -> None:
        chat.chat.post("r1/brief", "hello", BLOCKS)
        assert chat.chat.find("r1") is None

    def test_posting_a_key_again_posts_nothing(self, chat: Subject) -> None:
        first = chat.chat.post("r1/brief", "hello", BLOCKS)
        assert chat.chat.post("r1/brief", "hello again", BLOCKS) == first
        assert chat.world.texts() == ["hello"]

    def test_two_keys_are_two_messages(self, chat: Subject) -> None:
        assert chat.chat.post("r1/brief", "one", BLOCKS) != chat.chat.post("r2/brief", "two", BLOCKS)
        assert sorted(chat.world.texts()) == ["one", "two"]

    def test_an_answer_that_was_lost_does_not_post_twice(self, chat: Subject) -> None:
        chat.world.lose_answers(1)
        ts = chat.chat.post("r1/brief", "hello", BLOCKS)
        assert chat.world.texts() == ["hello"]
        assert chat.chat.find("r1/brief") == ts

    def test_an_update_replaces_the_message_and_keeps_its_key(self, chat: Subject) -> None:
        ts = chat.chat.post("r1/brief", "planned", BLOCKS)
        chat.chat.update(ts, "r1/brief", "done", BLOCKS)
        assert chat.world.texts() == ["done"]
        assert chat.chat.find("r1/brief") == ts

    def test_a_reply_is_found_in_its_thread_and_not_in_the_channel(self, chat: Subject) -> None:
        head = chat.chat.post("r1/brief", "head", BLOCKS)
        reply = chat.chat.post("r1/brief/1", "more", BLOCKS, thread=head)
        assert chat.chat.post("r1/brief/1", "more", BLOCKS, thread=head) == reply
        assert chat.chat.find("r1/brief/1", thread=head) == reply
        assert chat.chat.find("r1/brief/1") is None
        assert sorted(chat.world.texts()) == ["head", "more"]

    def test_an_update_of_nothing_is_refused(self, chat: Subject) -> None:
        with pytest.raises(ChatRefusedError):
            chat.chat.update("1.000001", "r1/brief", "x", BLOCKS)

    def test_when_it_is_away_the_error_says_so(self, chat: Subject) -> None:
        chat.world.go_away()
        with pytest.raises(ChatUnavailableError):
            chat.chat.post("r1/brief", "hello", BLOCKS)

    def test_a_plain_no_is_given_as_it_is_and_not_tried_again(self, chat: Subject) -> None:
        chat.world.refuse("channel_not_found")
        with pytest.raises(ChatRefusedError, match="channel_not_found"):
            chat.chat.post("r1/brief", "hello", BLOCKS)
