"""The worker of the inbox: asks the code host about each change that waits, decides what follows, and sees to it.

Every step converges and then records, so that it may be killed anywhere, and so that two of it do no harm: a change
starts one release, under a name that follows from the change alone.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stationmaster.blocks.carried import CONFIG, product_at
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.confirmation import confirm
from stationmaster.blocks.enrichment import enrich
from stationmaster.blocks.hosting import CodeHostBusyError, CodeHostUnavailableError, PullRequest
from stationmaster.blocks.toolbox import Toolbox, load
from stationmaster.domain.boarding_pass import WEBHOOK, BoardingPass, boarding_pass, has_fragment, pause
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import InputError, OutsideError, RefusedError, StationmasterError
from stationmaster.domain.hooks import Hook
from stationmaster.domain.hotfix import NoSuchVersionError
from stationmaster.domain.product import Product
from stationmaster.domain.request import ReleaseRequest
from stationmaster.ledger.inbox import Arrival, Inbox
from stationmaster.ledger.inbox_notes import Note, Notes

_IDLE = 2.0  # seconds between two looks at the inbox
_STEP = 0.1  # seconds; a sleeping worker that is told to end does so within one
_FINAL = (RefusedError, NoSuchVersionError)  # raised by a decision, these hold for ever


class UnreadableProductError(RefusedError):
    """The merged commit's stationmaster.yaml is missing or wrong, so nothing can be released from it."""

    code = "unreadable_product"


class WebhookUnknownError(InputError):
    """approvers.yaml does not name the service that starts hotfixes."""

    code = "webhook_unknown"

    def __init__(self) -> None:
        super().__init__(
            f"approvers.yaml has no service {WEBHOOK!r}, which starts the hotfixes of merged pull requests",
            hint=f"write `- id: {WEBHOOK}` below `services:`",
        )


class UnknownHookError(InputError):
    """The change came by a hook that the receiver's file does not name any more."""

    code = "hook_gone"


class UnexpectedError(OutsideError):
    """Something failed that has no name of ours."""

    code = "unexpected"


@dataclass(frozen=True)
class Done:
    """One thing that the worker did, or could not do, about a change."""

    at: datetime
    change: str
    did: str
    why: str

    def record(self) -> dict[str, str]:
        """As `--json` shows it."""
        return {"at": instant(self.at), "change": self.change, "did": self.did, "why": self.why}

    def __str__(self) -> str:
        return f"{instant(self.at)} {self.change}: {self.did}: {self.why}"


@dataclass
class Clerk:
    """`host_of` and `tools` find the host of a hook and the tools of a product; `submit` hands a release to Prefect and
    may be called again for the same one.
    """

    inbox: Inbox
    notes: Notes
    hooks: Mapping[str, Hook]
    host_of: Callable[[str, Hook], CodeHost]
    tools: Callable[[str], Toolbox]
    submit: Callable[[ReleaseRequest], None]
    now: Callable[[], datetime]
    _silent: dict[str, datetime] = field(default_factory=dict)  # hook to the instant until which its host is left alone

    def look(self, *, at_once: bool = False) -> Iterator[Done]:
        """One round over what waits; `at_once` tries also what would be tried later."""
        with ExitStack() as ends:
            round_ = _Round(self, ends)
            for arrival in self.inbox.waiting():
                notes = self.notes.of(arrival.id)
                if self._is_due(arrival, notes, at_once=at_once):
                    yield self._one(round_, arrival, notes)

    def _is_due(self, arrival: Arrival, notes: list[Note], *, at_once: bool) -> bool:
        """A host that did not answer is not asked for the next change at once: it would keep us from the others."""
        now = self.now()
        if _content(notes, "enriched") is None and now < self._silent.get(arrival.hook, now):
            return False
        until = notes[-1].content["until"] if notes and notes[-1].kind == "postponed" else ""
        return at_once or until <= instant(now)

    def _one(self, round_: "_Round", arrival: Arrival, notes: list[Note]) -> Done:
        try:
            try:
                passed = self._pass(round_, arrival, notes)
            except _FINAL as error:
                return self._refuse(arrival, error)
            return self._follow(round_, arrival, passed)
        except StationmasterError as error:
            return self._postpone(arrival, notes, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, one change must not keep us from the others
            return self._postpone(arrival, notes, UnexpectedError(f"{type(error).__name__}: {error}"))

    def _pass(self, round_: "_Round", arrival: Arrival, notes: list[Note]) -> BoardingPass:
        """What follows from the change. It is decided once: what runs may be the hotfix itself the next time."""
        if (known := _content(notes, "decided")) is not None:
            return BoardingPass.model_validate(known)
        told = self._enriched(round_, arrival, notes)
        passed = _decide(round_.of_product(arrival.change.product), arrival, told)
        self.notes.write(arrival.id, "decided", passed.model_dump(mode="json"), self.now())
        return passed

    def _enriched(self, round_: "_Round", arrival: Arrival, notes: list[Note]) -> PullRequest:
        if (known := _content(notes, "enriched")) is not None:
            return PullRequest.model_validate(known)
        try:
            told = enrich(round_.of_hook(arrival.hook), arrival.change)
        except CodeHostBusyError as error:
            self._silent[arrival.hook] = self.now() + timedelta(seconds=error.seconds)
            raise
        except CodeHostUnavailableError:
            self._silent[arrival.hook] = self.now() + timedelta(seconds=pause(1))
            raise
        self.notes.write(arrival.id, "enriched", told.model_dump(mode="json"), self.now())
        return told

    def _follow(self, round_: "_Round", arrival: Arrival, passed: BoardingPass) -> Done:
        why = "aboard the next train"
        if passed.request is not None:
            _confirm(round_.of_product(arrival.change.product), passed.request)
            self.submit(passed.request)
            why = f"release {passed.request.id}"
        self.inbox.board(arrival.id, self.now())
        words = f"{why}; {passed.proposal}" if passed.proposal else why
        return self._done(arrival, "boarded" if passed.request is None else "started", words)

    def _refuse(self, arrival: Arrival, error: StationmasterError) -> Done:
        self.notes.write(arrival.id, "refused", _named(error), self.now())
        return self._done(arrival, "refused", error.message)

    def _postpone(self, arrival: Arrival, notes: list[Note], error: StationmasterError) -> Done:
        tries = 1 + sum(note.kind == "postponed" for note in notes)
        asked = error.seconds if isinstance(error, CodeHostBusyError) else 0
        until = instant(self.now() + timedelta(seconds=max(asked, pause(tries))))
        self.notes.write(arrival.id, "postponed", {**_named(error), "until": until}, self.now())
        return self._done(arrival, "postponed", f"{error.message}; again at {until}")

    def _done(self, arrival: Arrival, did: str, why: str) -> Done:
        return Done(self.now(), arrival.change.key, did, why)


@dataclass
class _Round:
    """Hosts and tools that were found in this round: asked for once, and closed at its end."""

    clerk: Clerk
    ends: ExitStack
    hosts: dict[str, CodeHost] = field(default_factory=dict)
    boxes: dict[str, Toolbox] = field(default_factory=dict)

    def of_hook(self, name: str) -> CodeHost:
        if name not in self.hosts:
            if name not in self.clerk.hooks:
                raise UnknownHookError(f"the receiver's file has no hook {name!r} any more", hint="name it there again")
            self.hosts[name] = self.clerk.host_of(name, self.clerk.hooks[name])
        return self.hosts[name]

    def of_product(self, product: str) -> Toolbox:
        if product not in self.boxes:
            self.boxes[product] = self.clerk.tools(product)
            self.ends.callback(self.boxes[product].ledger.close)
        return self.boxes[product]


def _decide(tools: Toolbox, arrival: Arrival, told: PullRequest) -> BoardingPass:
    """With the product's file as it is in the merged commit, and what runs now."""
    change = arrival.change
    product = _product(tools, change.merge_commit)
    running = {entry.fact["version"]: entry.fact["commit"] for entry in tools.ledger.running().values()}
    fragment = has_fragment(told.files, product.changes, complete=not told.gaps)
    return boarding_pass(change, product, running, {*change.labels, *told.labels}, fragment=fragment)


def _product(tools: Toolbox, commit: str) -> Product:
    found = tools.source.resolve(commit)  # a mirror that has not got it yet is asked again
    try:
        return product_at(tools.source, found.commit)
    except InputError as error:
        raise UnreadableProductError(f"{CONFIG} of commit {commit[:12]}: {error.message}", hint=error.hint) from error


def _confirm(tools: Toolbox, request: ReleaseRequest) -> None:
    """The service that the webhook is wants the release, and approvers.yaml knows it."""
    if all(service.id != WEBHOOK for service in tools.signer.people().services):
        raise WebhookUnknownError
    confirm(tools.ledger, tools.signer, request, "service", tools.now())


def _content(notes: list[Note], kind: str) -> dict[str, Any] | None:
    return next((note.content for note in notes if note.kind == kind), None)


def _named(error: StationmasterError) -> dict[str, Any]:
    return {"code": error.code, "why": error.message, "hint": error.hint}


class Ending:
    """Whether the worker was told to end."""

    def __init__(self) -> None:
        self._told = False

    def tell(self, *_signal: object) -> None:
        self._told = True

    def is_told(self) -> bool:
        return self._told

    def sleep(self, seconds: float) -> None:
        """Until the time is over, or the end was told."""
        until = time.monotonic() + seconds
        while not self._told and (left := until - time.monotonic()) > 0:
            time.sleep(min(_STEP, left))


def work(clerk: Clerk, say: Callable[[Done], None], ending: Ending, *, once: bool = False) -> None:
    """Look until the end is told, which counts between two changes; or once, without waiting for any pause."""
    while not ending.is_told():
        try:
            for done in clerk.look(at_once=once):
                say(done)
                if ending.is_told():
                    return
        except Exception as error:  # whatever keeps the inbox from answering ends
            if once:
                raise
            say(Done(clerk.now(), "inbox", "goes on after an error", f"{type(error).__name__}: {error}"))
        if once:
            return
        ending.sleep(_IDLE)


def clerk_of(inbox: Inbox, hooks: Mapping[str, Hook]) -> Clerk:
    """The worker of this machine: blocks from the Prefect server or their copies, releases to the server.

    Raises:
        NoServerError: no server is known, and Prefect would start one of its own.
    """
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "0")
    os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "10")
    from stationmaster.blocks.hook_hosts import host_of  # noqa: PLC0415 - imports prefect, after its settings
    from stationmaster.deployments.flow_runs import RELEASE, connected, runs_of  # noqa: PLC0415 - as above
    from stationmaster.deployments.submission import create  # noqa: PLC0415 - as above

    connected()  # the blocks are asked of the same server from here on

    def submit(request: ReleaseRequest) -> None:
        if not runs_of([request.id]):  # else the watchdog, or a worker that was killed, was faster
            create(RELEASE, request, idempotency_key=request.id)

    return Clerk(inbox, Notes(inbox.engine), hooks, host_of, load, submit, lambda: datetime.now(UTC))
