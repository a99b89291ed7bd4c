"""Writes to the inbox off the event loop, many deliveries in one transaction: what waits while one is written is the
next, so that a burst costs a few commits and a single delivery waits for nobody.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime

from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.ledger.inbox import Delivery, Inbox, Outcome

_BATCH = 250  # deliveries in one transaction
_QUEUE = 5_000  # deliveries that may wait; more would wait longer than their hosts do
_PATIENCE = 8.0  # seconds until a delivery is refused; hosts give up after ten
_IDLE = 2.0  # seconds between two looks at an inbox to which nothing comes


class InboxBusyError(OutsideError):
    """The inbox does not take the delivery now; it may take it later."""

    code = "inbox_busy"


class InboxWriter:
    """The only one in this process that writes to the inbox. `run` does it until `end`."""

    def __init__(self, inbox: Inbox, now: Callable[[], datetime], patience: float = _PATIENCE) -> None:
        self.trouble: StationmasterError | None = None  # why the inbox did not answer when it was last asked
        self._inbox, self._now, self._patience = inbox, now, patience
        self._waiting: deque[tuple[Delivery, asyncio.Future[Outcome]]] = deque()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._wanted = asyncio.Event()
        self._ending = False
        self._looked = 0.0  # on the loop's clock

    async def put(self, delivery: Delivery) -> Outcome:
        """What became of the delivery, once it is on disk.

        Raises:
            InboxBusyError: nobody could write it in time; it may still be written, and must not be acknowledged.
            StationmasterError: what the inbox said.
            ValueError: it cannot be written down at all.
        """
        delivery.change.model_dump_json()  # what cannot be written fails here alone, and not with its whole batch
        if len(self._waiting) >= _QUEUE:
            raise InboxBusyError("too many deliveries wait for the inbox", hint="send it again in a moment")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, outcome))
        self._wanted.set()
        try:
            async with asyncio.timeout(self._patience):
                return await outcome
        except TimeoutError:
            raise InboxBusyError("the inbox did not answer in time", hint="send it again in a moment") from None

    def tally(self, hook: str, outcome: str) -> None:
        """One more delivery that was not accepted. Kept in memory until the next look, so that whoever sends rubbish
        causes no commits of their own.
        """
        self._counts[hook, outcome] += 1

    async def run(self) -> None:
        """Writes whatever comes, and looks at the inbox when nothing does."""
        self._looked = asyncio.get_running_loop().time()
        while self._waiting or not self._ending:
            await self._something()
            if self._waiting:
                await self._write()
            if asyncio.get_running_loop().time() - self._looked > _IDLE:
                await self._look()
        await self._look()

    def end(self) -> None:
        """`run` returns when everything is written."""
        self._ending = True
        self._wanted.set()

    async def _something(self) -> None:
        if not self._waiting and not self._ending:
            self._wanted.clear()
            try:
                async with asyncio.timeout(_IDLE):
                    await self._wanted.wait()
            except TimeoutError:
                return

    async def _write(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        batch = [(delivery, outcome) for delivery, outcome in taken if not outcome.done()]  # done: no longer waited for
        try:
            outcomes = await asyncio.to_thread(self._inbox.accept, [delivery for delivery, _ in batch], self._now())
        except Exception as error:  # noqa: BLE001 - each of them hears it, and the next batch is tried
            self.trouble = _named(error)
            self._looked = asyncio.get_running_loop().time()  # by then they are counted, and counts must be written too
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        self.trouble = None
        for (_, waiting), outcome in zip(batch, outcomes, strict=True):
            if not waiting.done():
                waiting.set_result(outcome)

    async def _look(self) -> None:
        self._looked = asyncio.get_running_loop().time()
        counts, self._counts = self._counts, Counter()
        try:
            if counts:
                await asyncio.to_thread(self._inbox.count, counts, self._now())
            else:
                await asyncio.to_thread(self._inbox.ask)
        except Exception as error:  # noqa: BLE001 - whatever it is, deliveries must still be answered
            self.trouble = _named(error)
            self._counts.update(counts)
        else:
            self.trouble = None


def _named(error: Exception) -> StationmasterError:
    return error if isinstance(error, StationmasterError) else InboxBusyError(f"the inbox failed: {error}")
