"""Whatever is said, Slack accepts it: within the limits, and nothing in it is obeyed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.block_kit import Block, escaped, fields, header, messages, mrkdwn, sections, split


@pytest.mark.parametrize(
    ("markdown", "slack"),
    [
        ("**bold** and [a page](https://x.example/?a=1&b=2)", "*bold* and <https://x.example/?a=1&amp;b=2|a page>"),
        ("# Title\n- one\n* two\n  - three", "*Title*\n• one\n• two\n  • three"),
        ("`a **b** [c](https://d)` **e**", "`a **b** [c](https://d)` *e*"),
        ("```\n# not a title\n- x\n```\n# T", "```\n# not a title\n- x\n```\n*T*"),
        ("<!channel> & <@U1> `<x>`", "&lt;!channel&gt; &amp; &lt;@U1&gt; `&lt;x&gt;`"),
        ("[no](javascript:alert)", "[no](javascript:alert)"),
    ],
)
def test_markdown_is_said_in_slacks_spelling(markdown: str, slack: str) -> None:
    assert mrkdwn(markdown) == slack


def test_long_text_is_cut_at_lines_then_words() -> None:
    assert list(split("one two\nthree four\nfive", 12)) == ["one two", "three four", "five"]
    assert list(split("one two three", 8)) == ["one two", " three"]
    assert list(split("x" * 25, 10)) == ["x" * 10, "x" * 10, "x" * 5]


def test_an_entity_is_never_cut_in_two() -> None:
    assert list(split("a" * 8 + "&amp;" + "b", 10)) == ["a" * 8, "&amp;b"]


def test_a_title_that_is_too_long_is_cut_to_fit() -> None:
    assert len(header("x" * 400)["text"]["text"]) == 150


def test_fields_fit_a_message_whatever_they_hold() -> None:
    assert len(messages([fields(*['"' * 5000] * 12)])) == 1
    assert len(json.dumps(fields(*['"' * 5000] * 12))) < 12_000


@given(st.text(max_size=9_000).map(escaped))
def test_sections_hold_all_the_words_within_the_limit(text: str) -> None:
    made = sections(text)
    assert all(0 < len(block["text"]["text"]) <= 3_000 for block in made)
    assert "".join("".join(block["text"]["text"] for block in made).split()) == "".join(text.split())


TEXTS = st.lists(st.integers(1, 3_000), max_size=80).map(lambda sizes: [sections("x" * size)[0] for size in sizes])


@given(TEXTS)
def test_messages_keep_the_order_and_the_limits(blocks: list[Block]) -> None:
    packed = messages(blocks)
    assert [block for message in packed for block in message] == blocks
    for message in packed:
        assert len(message) <= 50
        assert len(json.dumps(message, ensure_ascii=False)) <= 13_000
