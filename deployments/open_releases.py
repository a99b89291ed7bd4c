"""What is known of the open releases of one ledger, read anew only where something was added. It decides nothing."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from stationmaster.blocks.home import home
from stationmaster.blocks.toolbox import open_ledger, recall
from stationmaster.blocks.workers import worker_of
from stationmaster.domain.contract_status import ENDS_WAIT, contract_status
from stationmaster.domain.deaths import is_vain
from stationmaster.domain.entries import WORDS, Entry
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.flow_runs import Asked, Worker
from stationmaster.domain.interruption import STEPS
from stationmaster.domain.orders import in_force
from stationmaster.domain.progress import unfinished
from stationmaster.domain.request import ContractRequest, ReleaseRequest, RollbackRequest
from stationmaster.domain.rollback import Order
from stationmaster.domain.stages import CLOSED, UnfitEntryError, fold
from stationmaster.ledger.store import Ledger

if TYPE_CHECKING:
    from stationmaster.blocks.settings import LedgerDatabase


@dataclass(frozen=True)
class Place:
    """A ledger that can be opened, and whose releases are in it: those of these products, or of any."""

    products: frozenset[str] | None
    open: Callable[[], Ledger]

    @property
    def name(self) -> str:
        return f"ledger of {', '.join(sorted(self.products))}" if self.products else "ledger"

    def begun(self, asked: Iterable[Asked]) -> set[str]:
        """The releases for which there are flow runs."""
        mine = [one for one in asked if self.products is None or one.request.get("product") in self.products]
        return {one.release for one in mine if one.flow == "release"}


def places() -> dict[str, Place]:
    """The ledgers of the products with blocks on this machine, by address; products may share one."""
    if url := os.environ.get("STATIONMASTER_LEDGER"):
        return {url: Place(None, open_ledger)}
    found: dict[str, tuple[set[str], LedgerDatabase]] = {}
    for product in sorted(path.stem for path in (home() / "blocks" / "ledger").glob("*.json")):
        with suppress(StationmasterError):  # damaged: `doctor` tells
            tool: LedgerDatabase = recall("ledger", product)
            found.setdefault(tool.url.get_secret_value(), (set(), tool))[0].add(product)
    return {url: Place(frozenset(products), tool.open) for url, (products, tool) in found.items()}


@dataclass
class Memory:
    """What the watchdog remembers of a release between two looks."""

    entries: list[Entry] = field(default_factory=list)
    gone_since: datetime | None = None  # when its worker's process was first seen to have ended
    tries: int = 0  # what was started for it since the last new fact
    said: str = ""

    def learn(self, entries: list[Entry]) -> None:
        """A new fact means that what was started got somewhere; that a leg began or failed does not."""
        new = entries[len(self.entries) :]
        if not all(is_vain(entry) for entry in new):
            self.tries = 0
        self.entries = entries


@dataclass
class OpenReleases:
    """The releases of a ledger that are not over, and of those that Prefect alone knows what is remembered."""

    ledger: Ledger
    thawed: int = -1  # index of the last entry that ended a freeze
    released: int = -1  # index of the last entry by which a release reached everybody
    known: dict[str, Memory] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    contracts: dict[str, Memory] = field(default_factory=dict)  # of releases that are over, and whose contract is not
    stirred: int = -1  # index of the last entry that may end the wait of a contract
    modes: dict[str, Entry] = field(default_factory=dict)  # tenant to the last word about its mode
    _last: int = -1

    def look(self) -> None:
        """Learn what was added since the last look; the first reads everything, once."""
        fresh = self.ledger.entries(after=self._last)
        self.thawed = max([self.thawed, *(entry.index for entry in fresh if entry.step == "thawed")])
        self.released = max([self.released, *(entry.index for entry in fresh if entry.step == "released")])
        self.stirred = max([self.stirred, *(entry.index for entry in fresh if entry.step in ENDS_WAIT)])
        self.modes |= {entry.subject: entry for entry in fresh if entry.step in STEPS}
        for release in {entry.release for entry in fresh} - WORDS:
            with suppress(UnfitEntryError):  # an error of ours about one release, which `release why` tells
                self._learn(release)
        self._last = fresh[-1].index if fresh else self._last

    def worker(self, release: str, at: datetime) -> Worker:
        """Who works on it. That a process is gone is remembered, so that it is known for how long."""
        memory = self.known.setdefault(release, Memory())
        worker = worker_of(self.ledger, release, at, memory.gone_since)
        memory.gone_since = None if worker.gone is None else at - worker.gone
        return worker

    def request(self, release: str) -> ReleaseRequest:
        """What it was asked for as."""
        first = next(entry for entry in self.known[release].entries if entry.step == "started")
        who = (self.ledger.personal(first) or {}).get("starter", "watchdog")
        return ReleaseRequest.model_validate({**first.fact, "id": release, "starter": who})

    def contract(self, release: str) -> ContractRequest:
        """The contract that somebody wants, as a request."""
        wanted = next(entry for entry in self.contracts[release].entries if entry.step == "contract")
        who = (self.ledger.personal(wanted) or {}).get("who", "watchdog")
        return ContractRequest(of=release, product=wanted.fact["product"], starter=who)

    def way_back(self, release: str) -> RollbackRequest:
        """The rollback that was decided last, as a request: asked for again, it is the same."""
        last = next(entry for entry in reversed(self.known[release].entries) if entry.step == "rollback")
        order, asked = Order.from_fact(last.fact), self.request(release)
        return RollbackRequest(
            release=release, product=asked.product, scope=order.scope, tenants=order.tenants, now=order.now,
            reason=order.reason, starter=(self.ledger.personal(last) or {}).get("who", asked.starter),
        )  # fmt: skip

    def _learn(self, release: str) -> None:
        entries = self.ledger.entries(release)
        status = contract_status(entries)
        if status is None or status.over:
            self.contracts.pop(release, None)
        else:
            self.contracts.setdefault(release, Memory()).learn(entries)
        if fold(entries) in CLOSED and in_force(entries) != "rollback" and not unfinished(entries):
            self.known.pop(release, None)
            self.over.add(release)
        elif any(entry.step == "started" for entry in entries):
            self.known.setdefault(release, Memory()).learn(entries)
            self.over.discard(release)
