"""A release says what it changes: at least one new fragment, each of a known kind and with a text."""

import pytest

from stationmaster.domain.documents import DocumentError
from stationmaster.domain.errors import Exit
from stationmaster.domain.fragments import FragmentMissingError, read_fragment, read_fragments

GOOD = """\
---
kind: added
audience: integrator
support: {macro: order-api, watch: answers 5xx}
---
Orders have a **status**.

## Upgrade
Nothing to do.

## Internal
Ticket OD-7; watch the queue.
"""


def problem(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        read_fragment(text, "changes/od-7.md")
    return str(caught.value)


def test_a_fragment_has_its_texts_apart() -> None:
    fragment = read_fragment(GOOD, "changes/od-7.md")
    assert (fragment.id, fragment.kind, fragment.text) == ("od-7", "added", "Orders have a **status**.")
    assert (fragment.upgrade, fragment.internal) == ("Nothing to do.", "Ticket OD-7; watch the queue.")
    assert fragment.support["macro"] == "order-api"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("kind: added", "kind: addded", "changes/od-7.md:2: unknown kind 'addded' (did you mean 'added'?)"),
        ("audience:", "audiance:", "changes/od-7.md:3: unknown key 'audiance' (did you mean 'audience'?)"),
        ("kind: added\n", "", "changes/od-7.md:1: missing key 'kind'"),
        ("kind: added", "kind: [added", "changes/od-7.md:3: this is not YAML"),
        ("Orders have a **status**.", "", "changes/od-7.md:6: the fragment has no text"),
        ("---\nkind", "kind", "changes/od-7.md:1: the fragment has no front matter"),
        ("kind: added", "kind: added\nkind: fixed", "changes/od-7.md:3: 'kind' is given twice, first in line 2"),
    ],
)
def test_what_is_wrong_is_named_by_line(right: str, wrong: str, said: str) -> None:
    assert problem(GOOD.replace(right, wrong)).startswith(said)


@pytest.mark.parametrize("text", ["", "---\n", "---\n---\n", "text", "---\n- a\n---\nx", "---\n\n---\ntext"])
def test_what_is_no_fragment_is_refused(text: str) -> None:
    assert problem(text).startswith("changes/od-7.md:1")


def test_a_release_without_a_new_fragment_is_refused() -> None:
    for texts in ({}, {"changes/README.md": "about"}, {"changes/.gitkeep": ""}):
        with pytest.raises(FragmentMissingError, match="changes/ has no new file") as caught:
            read_fragments(texts, "changes")
        assert caught.value.exit is Exit.NO


def test_fragments_come_in_the_order_of_their_paths() -> None:
    texts = {"changes/b.md": GOOD, "changes/a.md": GOOD, "changes/notes.txt": "no"}
    assert [fragment.id for fragment in read_fragments(texts, "changes")] == ["a", "b"]
