"""Many deliveries are one commit, and whoever waits hears what became of its own."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest

from stationmaster.deployments import inbox_writer
from stationmaster.deployments.inbox_writer import InboxBusyError, InboxWriter
from stationmaster.domain.deliveries import MergedChange, understood
from stationmaster.domain.hooks import Hook
from stationmaster.ledger.faults import LedgerBusyError
from stationmaster.ledger.inbox import Counts, Delivery, Inbox, Outcome
from tests.hook_deliveries import body_of, github, merged

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOOK = Hook.model_validate({"host": "github", "product": "shop", "secret": "x", "base": ["master"]})


class Slow(Inbox):
    """An inbox in memory that notes its transactions; `fails` says whether the next one does."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.counted: list[dict[tuple[str, str], int]] = []
        self.fails: Exception | None = None

    def accept(self, deliveries: Sequence[Delivery], at: datetime) -> list[Outcome]:
        assert at == AT
        if self.fails is not None:
            raise self.fails
        self.batches.append([each.id for each in deliveries])
        return ["duplicate" if each.id.startswith("again") else "accepted" for each in deliveries]

    def count(self, counts: Counts, at: datetime) -> None:
        if self.fails is not None:
            raise self.fails
        self.counted.append(dict(counts))

    def ask(self) -> None:
        if self.fails is not None:
            raise self.fails


def delivery(name: str) -> Delivery:
    change = understood(HOOK, github(b""), body_of(merged()))
    assert isinstance(change, MergedChange)
    return Delivery("hub", name, change)


def written(inbox: Slow, what: Callable[[InboxWriter], Awaitable[None]]) -> InboxWriter:
    """Runs `what` beside a writer, and the writer to its end."""

    async def both() -> InboxWriter:
        writer = InboxWriter(inbox, lambda: AT)
        running = asyncio.create_task(writer.run())
        try:
            await what(writer)
        finally:
            writer.end()
            await running
        return writer

    return asyncio.run(both())


def test_what_comes_together_is_written_together_and_each_hears_its_own() -> None:
    inbox = Slow()

    async def crowd(writer: InboxWriter) -> None:
        names = [f"again-{number}" if number % 7 == 0 else f"new-{number}" for number in range(600)]
        outcomes = await asyncio.gather(*(writer.put(delivery(name)) for name in names))
        assert outcomes == ["duplicate" if name.startswith("again") else "accepted" for name in names]

    written(inbox, crowd)
    assert sum(map(len, inbox.batches)) == 600
    assert len(inbox.batches) <= 4


def test_the_failure_of_one_transaction_is_told_to_its_own_and_the_next_is_tried() -> None:
    inbox = Slow()

    async def twice(writer: InboxWriter) -> None:
        inbox.fails = LedgerBusyError("held by somebody else")
        found = await asyncio.gather(*(writer.put(delivery(f"d-{n}")) for n in range(3)), return_exceptions=True)
        assert found == [inbox.fails] * 3
        assert writer.trouble is inbox.fails
        inbox.fails = None
        assert await writer.put(delivery("d-4")) == "accepted"
        assert writer.trouble is None

    written(inbox, twice)


def test_what_cannot_be_written_takes_nobody_with_it() -> None:
    inbox = Slow()
    good = delivery("d-1")
    bad = Delivery("hub", "d-2", good.change.model_copy(update={"labels": ("\ud800",)}))

    async def both(writer: InboxWriter) -> None:
        found = await asyncio.gather(writer.put(good), writer.put(bad), return_exceptions=True)
        assert found[0] == "accepted"
        assert isinstance(found[1], ValueError)
        assert writer.trouble is None

    written(inbox, both)
    assert inbox.batches == [["d-1"]]


def test_an_unexpected_failure_does_not_end_the_writer() -> None:
    inbox = Slow()

    async def twice(writer: InboxWriter) -> None:
        inbox.fails = ZeroDivisionError("ours")
        with pytest.raises(ZeroDivisionError):
            await writer.put(delivery("d-1"))
        assert isinstance(writer.trouble, InboxBusyError)
        inbox.fails = None
        assert await writer.put(delivery("d-2")) == "accepted"

    written(inbox, twice)


def test_more_than_can_be_written_in_time_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_writer, "_QUEUE", 5)
    inbox = Slow()

    async def crowd(writer: InboxWriter) -> None:
        found = await asyncio.gather(*(writer.put(delivery(f"d-{n}")) for n in range(9)), return_exceptions=True)
        assert [isinstance(one, InboxBusyError) for one in found] == [False] * 5 + [True] * 4

    written(inbox, crowd)


def test_counts_are_kept_until_they_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_writer, "_IDLE", 0.01)
    inbox = Slow()

    async def counting(writer: InboxWriter) -> None:
        inbox.fails = LedgerBusyError("held by somebody else")
        writer.tally("hub", "signature")
        await asyncio.sleep(0.1)
        assert writer.trouble is inbox.fails
        writer.tally("hub", "signature")
        inbox.fails = None

    assert written(inbox, counting).trouble is None
    # In one write or in two: the second may come while the first is on its way.
    assert sum(map(Counter, inbox.counted), Counter()) == {("hub", "signature"): 2}


def test_at_its_end_everything_that_waits_is_written() -> None:
    inbox = Slow()

    async def leaving(writer: InboxWriter) -> None:
        waiting = asyncio.create_task(writer.put(delivery("d-1")))
        await asyncio.sleep(0)
        writer.end()
        assert await waiting == "accepted"

    written(inbox, leaving)
    assert inbox.batches == [["d-1"]]
