"""The watchdog: looks at the ledgers and at Prefect every two seconds, and does what `domain/watchdog.py` decides.

It survives either being away, and its own death: it keeps nothing that it could not learn again.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from stationmaster.blocks.workers import take_over
from stationmaster.deployments.open_releases import Memory, OpenReleases, Place, places
from stationmaster.domain.deaths import UNWATCHED
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.flow_runs import Asked, FlowRun, Worker, newest
from stationmaster.domain.request import ContractRequest, ReleaseRequest, RollbackRequest
from stationmaster.domain.watchdog import Decision, Seen, decide, of_train
from stationmaster.domain.watchdog_contract import SeenContract, decide_contract
from stationmaster.ledger.leases import LeaseHeldError
from stationmaster.ledger.store import Ledger

_STATES = {"restart": "AwaitingRetry", "wake": "Woken"}
_DID = {
    "restart": "started again",
    "wake": "woken",
    "roll_back": "rollback begun",
    "tell": "told",
    "hold": "held",
    "leave": "left",
}
_PAUSE = 2.0  # seconds between two rounds
_HELPLESS = "could not be helped"


class Runs(Protocol):
    """What the watchdog asks of Prefect. Any error means that it is away."""

    def of(self, releases: Iterable[str]) -> list[Asked]:
        """The flow runs of these releases, and those of any other that have not ended or died lately."""

    def trains(self) -> Mapping[str, FlowRun]:
        """Per deployment of a train the newest run that has begun and not ended, or died lately."""

    def again(self, run: FlowRun, name: str, message: str) -> bool:
        """Have a worker start it now; False when it changed meanwhile."""

    def begin(self, request: ReleaseRequest | RollbackRequest | ContractRequest) -> None:
        """A new flow run."""


@dataclass(frozen=True)
class Done:
    """One thing that the watchdog did, or left, and why."""

    at: datetime
    release: str
    did: str
    why: str

    def record(self) -> dict[str, str]:
        """As `--json` shows it."""
        return {"at": instant(self.at), "release": self.release, "did": self.did, "why": self.why}

    def __str__(self) -> str:
        return f"{instant(self.at)} {self.release}: {self.did}: {self.why}"


@dataclass
class Watchdog:
    """`runs` is Prefect; `places` are the ledgers of all products that are known now, by their address."""

    runs: Runs
    places: Callable[[], Mapping[str, Place]]
    now: Callable[[], datetime]
    _books: dict[str, OpenReleases] = field(default_factory=dict)
    _troubles: dict[str, str] = field(default_factory=dict)

    def look(self) -> Iterator[Done]:
        """One round over everything."""
        for address, place in self.places().items():
            try:
                books = self._books.get(address) or OpenReleases(place.open())
                self._books[address] = books
                books.look()
            except StationmasterError as error:
                yield from self._trouble(place.name, error.message)
            else:
                yield from self._trouble(place.name, "")
                yield from self._round(books, place)
        yield from self._trains()

    def _trains(self) -> Iterator[Done]:
        """Those that are not cut yet, so that no ledger knows them."""
        try:
            found = self.runs.trains()
        except Exception:  # noqa: BLE001 - Prefect is away, as `_round` says
            return
        for run in found.values():
            decision = of_train(run, self.now())
            if decision.do == "restart" and self.runs.again(run, _STATES["restart"], decision.why):
                yield Done(self.now(), f"train run {run.id}", _DID["restart"], decision.why)
            if decision.loud:
                yield from self._trouble(f"train run {run.id}", decision.why, "left")

    def _round(self, books: OpenReleases, place: Place) -> Iterator[Done]:
        known = {release for release, memory in books.known.items() if memory.entries}
        try:
            asked = self.runs.of(known | set(books.contracts))
        except Exception as error:  # noqa: BLE001 - whatever it is, Prefect is away; a hold does not need it
            yield from self._trouble("Prefect", f"{type(error).__name__}")
            asked = None
        else:
            yield from self._trouble("Prefect", "")
        if asked is not None:
            yield from self._contracts(books, asked)
        names = known | place.begun(asked or [])
        workers = {release: books.worker(release, self.now()) for release in names}
        books.look()  # last of all: what a leg leaves is there before its lease ends, and that before its flow run does
        for release in sorted(names - books.over):
            try:
                yield from self._one(
                    books, self._seen(books, release, workers[release], asked or []), blind=asked is None
                )
            except LeaseHeldError:
                continue  # somebody came to work on it meanwhile
            except Exception as error:  # noqa: BLE001 - one release must not keep us from the others
                yield from self._trouble(release, f"{type(error).__name__}: {error}", _HELPLESS)
            else:
                self._troubles.pop(release, None)

    def _contracts(self, books: OpenReleases, asked: list[Asked]) -> Iterator[Done]:
        """Those of releases that are over; one keeps us from no other."""
        for release, memory in sorted(books.contracts.items()):
            try:
                yield from self._contract(books, release, memory, newest(asked, release, "contract"))
            except LeaseHeldError:
                continue  # somebody came to work on it meanwhile
            except Exception as error:  # noqa: BLE001 - as of a release
                yield from self._trouble(f"contract of {release}", f"{type(error).__name__}: {error}", _HELPLESS)
            else:
                self._troubles.pop(f"contract of {release}", None)

    def _contract(self, books: OpenReleases, release: str, memory: Memory, run: FlowRun | None) -> Iterator[Done]:
        worker = books.worker(release, self.now())
        seen = SeenContract(release, self.now(), memory.entries, worker, run, books.stirred, memory.tries)
        decision = decide_contract(seen)
        if decision.do == "leave":
            if decision.loud and decision.why != memory.said:
                memory.said = decision.why
                yield Done(seen.at, release, "contract left", decision.why)
            return
        if run is None or run.kind not in {"SCHEDULED", "RUNNING", "PENDING", "CRASHED"}:
            self.runs.begin(books.contract(release))
        elif not self.runs.again(run, _STATES[decision.do], decision.why):
            return
        memory.tries, memory.said = memory.tries + 1, ""
        yield Done(self.now(), release, f"contract {_DID[decision.do]}", decision.why)

    def _seen(self, books: OpenReleases, release: str, worker: Worker, asked: list[Asked]) -> Seen:
        memory, back = books.known[release], newest(asked, release, "rollback")
        run = newest(asked, release)
        return Seen(release, self.now(), memory.entries, worker, run, back, books.thawed, books.released, memory.tries)

    def _one(self, books: OpenReleases, seen: Seen, *, blind: bool) -> Iterator[Done]:
        """`blind`: Prefect was not asked, so that nothing but a hold can be decided."""
        decision, memory = decide(seen), books.known[seen.release]
        if blind and decision.do != "hold":
            return
        if decision.do != "leave":
            yield from self._carry_out(books, seen, decision, memory)
        elif decision.loud and decision.why != memory.said:
            memory.said = decision.why
            yield Done(seen.at, seen.release, "left", decision.why)

    def _carry_out(self, books: OpenReleases, seen: Seen, decision: Decision, memory: Memory) -> Iterator[Done]:
        if decision.do == "hold":
            _hold(books.ledger, seen, decision)
        elif decision.do == "tell":
            self.runs.begin(books.request(seen.release))
        elif decision.do == "roll_back":
            self.runs.begin(books.way_back(seen.release))
        elif seen.run is None or seen.condition(seen.run) == "over":
            self.runs.begin(books.request(seen.release))
        elif not self.runs.again(seen.run, _STATES[decision.do], decision.why):
            return
        memory.tries += decision.do != "hold"
        memory.said = ""
        yield Done(seen.at, seen.release, _DID[decision.do], decision.why)

    def _trouble(self, about: str, what: str, words: str = "does not answer") -> Iterator[Done]:
        """Said when it begins, changes or ends, not in every round."""
        before = self._troubles.get(about, "")
        self._troubles[about] = what
        if what != before:
            yield Done(self.now(), about, words if what else "answers again", what or f"it was {before}")


def _hold(ledger: Ledger, seen: Seen, decision: Decision) -> None:
    """Under a lease of our own, so that nobody who was silent for long widens the wave beside it."""
    lease = take_over(ledger, seen.release, "watchdog", seen.at)
    fact = {"verdict": "hold", "cause": UNWATCHED, "message": decision.why}
    try:
        ledger.observe(Draft(release=seen.release, step="held", subject=decision.about, fact=fact), seen.at, lease)
    finally:
        ledger.give_back(lease)


def run(watchdog: Watchdog, say: Callable[[Done], None], *, once: bool = False) -> None:
    """Look for ever, or once. Only an interrupt ends it."""
    while True:
        try:
            for done in watchdog.look():
                say(done)
        except Exception as error:  # noqa: BLE001 - a watchdog that gives up is none
            say(Done(watchdog.now(), "watchdog", "goes on after an error", f"{type(error).__name__}: {error}"))
        if once:
            return
        time.sleep(_PAUSE)


def here() -> Watchdog:
    """The watchdog of this machine: the ledgers of all products with blocks here, and its Prefect server. That is asked
    once, not again and again: whoever is away now is asked in two seconds anyway.
    """
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "0")
    os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "10")
    from stationmaster.deployments.submission import PrefectRuns  # noqa: PLC0415 - after its settings

    return Watchdog(PrefectRuns(), places, lambda: datetime.now(UTC))
