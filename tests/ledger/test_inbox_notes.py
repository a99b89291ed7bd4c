"""What is kept beside a change stays as it was written, and a cursor never goes back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from stationmaster.domain.deliveries import MergedChange
from stationmaster.ledger.inbox import Delivery, Inbox
from stationmaster.ledger.inbox_notes import Note, Notes

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def inbox(address: str) -> Iterator[Inbox]:
    with Inbox.open(address) as opened:
        opened.accept([Delivery("hub", f"d-{number}", change(number)) for number in (1, 2, 3)], AT)
        yield opened


def change(number: int) -> MergedChange:
    return MergedChange(
        product="shop", host="github", repository="acme/shop", number=number, title="Round", author="ana", base="main",
        head="round", merge_commit=f"{number:040x}", merged_at=AT, url="https://github.example/pull",
    )  # fmt: skip


def test_notes_are_kept_in_order_and_apart(inbox: Inbox) -> None:
    notes = Notes(inbox.engine)
    notes.write(1, "postponed", {"why": "away \u2028 \x00"}, AT)
    notes.write(2, "refused", {}, AT)
    notes.write(1, "enriched", {"n": 1}, AT + timedelta(hours=1))
    mine = [
        Note("postponed", "2026-11-23T08:00:00Z", {"why": "away \u2028 \x00"}),
        Note("enriched", "2026-11-23T09:00:00Z", {"n": 1}),
    ]
    assert notes.of(1) == mine
    assert notes.every() == {1: mine, 2: [Note("refused", "2026-11-23T08:00:00Z", {})]}
    assert notes.of(3) == []


def test_what_is_boarded_or_refused_waits_no_more(inbox: Inbox) -> None:
    Notes(inbox.engine).write(2, "refused", {}, AT)
    Notes(inbox.engine).write(3, "postponed", {}, AT)
    inbox.board(1, AT)
    inbox.board(1, AT + timedelta(days=1))
    assert [one.id for one in inbox.waiting()] == [3]
    assert inbox.changes()[0].boarded_at == "2026-11-23T08:00:00Z"


def test_a_cursor_only_goes_forward(inbox: Inbox) -> None:
    notes = Notes(inbox.engine)
    assert notes.cursor("hub") is None
    for hours in (2, 1, 3, 0):
        notes.advance("hub", AT + timedelta(hours=hours))
    assert notes.cursor("hub") == AT + timedelta(hours=3)
    assert notes.cursor("lab") is None
