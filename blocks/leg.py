"""One leg of a release: a stretch of work by one process, from a start to an end or a wait.

A leg holds the release's lease; its epoch fences the deploy target. What it does it records through here.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from stationmaster.blocks.holder import is_gone
from stationmaster.blocks.supervisor import Fence
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import OutsideError, RefusedError, WaitingError
from stationmaster.domain.orders import ORDERS, in_force
from stationmaster.domain.progress import open_wave
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.domain.request import ReleaseRequest
from stationmaster.domain.stages import Stage, has_reached
from stationmaster.ledger.leases import Lease, LeaseHeldError, LeaseLostError

_LEASE = 30  # seconds; renewed at a third of it
WAY_BACK = "rollback"  # how the holder's name of a leg begins that leads a release back
_ON_ITS_WAY = 120.0  # seconds that such a leg is given to arrive
_PATIENCE = 3.0  # seconds that any other leg is given to see that its release goes back
_LOOK = 0.2  # seconds between looks at a lease that somebody else holds


class ReleaseAbortedError(RefusedError):
    """Somebody aborted the release; nothing further is done for it."""

    code = "release_aborted"


class ReleaseGoingBackError(RefusedError):
    """The release is being rolled back; nothing else is done for it."""

    code = "release_going_back"


class ReleasePausedError(WaitingError):
    """Somebody paused the release; no act begins until it is resumed."""

    code = "release_paused"

    def __init__(self, release: str, reason: str) -> None:
        super().__init__(
            f"{release} is paused: {reason}",
            waiting_for="person",
            hint=f"stationmaster release resume {release} --reason WHY",
        )


class GateNotPassedError(RefusedError):
    """An act on production was asked for before the gate in front of it was passed."""

    code = "gate_not_passed"


@dataclass(frozen=True)
class Leg:
    """The toolbox in the hands of one leg of one release."""

    tools: Toolbox
    request: ReleaseRequest
    lease: Lease
    lost: threading.Event
    back: bool = False  # the leg of a rollback, which no order stops

    @property
    def release(self) -> str:
        return self.request.id

    @property
    def fence(self) -> Fence:
        """What the deploy target must see before it obeys."""
        return Fence(release=self.release, epoch=self.lease.epoch)

    def go_on(self, *, even_paused: bool = False) -> None:
        """Return if something may still be done for the release. Asked before every act, and while one lasts long.
        What is under way is watched to its end `even_paused`, also by a leg that comes to it anew.

        Raises:
            ReleaseAbortedError, ReleaseGoingBackError, LeaseLostError: nothing may be done any more.
            ReleasePausedError: nothing may begin.
        """
        if self.lost.is_set():
            raise LeaseLostError(self.lease, self.lease.epoch + 1)
        if self.back:
            return
        must_go_on(self.tools, self.release, even_paused=even_paused)

    def must_have_reached(self, stage: Stage) -> None:
        """Return if the ledger says that the release got there. Acts on production ask this themselves, so that no
        mistake in a flow, and no other entrance, leads past a gate.

        Raises:
            GateNotPassedError: it did not.
        """
        if not has_reached(self.tools.ledger.entries(self.release), stage):
            raise GateNotPassedError(
                f"{self.release} is not {stage}: production is not touched",
                hint=f"stationmaster release why {self.release}",
            )

    def recorded(self, step: str, inputs: dict[str, Any], subject: str | None = None) -> Entry | None:
        """The standing entry of a step, if it was done. Errors as `go_on`, a pause aside: the act has begun."""
        self.go_on(even_paused=True)
        return self.tools.ledger.recorded(self.release, step, subject or self.release, inputs)

    def record(
        self, step: str, inputs: dict[str, Any], fact: dict[str, Any], *, subject: str | None = None,
        personal: dict[str, Any] | None = None,
    ) -> Entry:  # fmt: skip
        """Record that a step is done; recording it again changes nothing."""
        draft = Draft(
            release=self.release,
            step=step,
            subject=subject or self.release,
            inputs=inputs,
            fact=fact,
            personal=personal,
        )
        return self.tools.ledger.append(draft, self.tools.now(), self.lease)

    def observe(self, step: str, fact: dict[str, Any], *, subject: str | None = None, **personal: str) -> Entry:
        """Record something seen; each time is an entry of its own."""
        draft = Draft(
            release=self.release, step=step, subject=subject or self.release, inputs={}, fact=fact,
            personal=personal or None,
        )  # fmt: skip
        return self.tools.ledger.observe(draft, self.tools.now(), self.lease)

    def folder(self, name: str) -> Path:
        """A folder of this release for logs and guests' homes."""
        path = self.tools.work / self.release / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def export(self, name: str, commit: str) -> Path:
        """A clean export of a commit. One left by a killed leg is replaced."""
        path = self.folder(name) / "export"
        _remove(path)
        self.tools.source.export(commit, path)
        return path


def must_go_on(tools: Toolbox, release: str, *, even_paused: bool = False) -> None:
    """Return if nobody ordered that the release ends or goes back, or paused it while no wave of it is under way.

    Raises:
        ReleaseAbortedError, ReleaseGoingBackError, ReleasePausedError: somebody did.
    """
    given = tools.ledger.about(release, ORDERS)
    order = in_force(given)
    if order == "rollback":
        raise ReleaseGoingBackError(f"{release} is being rolled back")
    if order == "abort":
        raise ReleaseAbortedError(f"{release} was aborted", hint="start a new release")
    if order == "pause" and not even_paused and not open_wave(tools.ledger.entries(release)):
        raise ReleasePausedError(release, next(entry for entry in given if entry.step == "paused").fact["reason"])


@contextmanager
def on_duty(tools: Toolbox, request: ReleaseRequest, holder: str) -> Iterator[Leg]:
    """Hold the release's lease for as long as the block lasts.

    Raises:
        LeaseHeldError: another leg works on the release; it says which, and until when it holds.
    """
    with _kept(tools, request, _take(tools, request.id, holder), back=False) as leg:
        yield leg


@contextmanager
def way_back(tools: Toolbox, release: str, holder: str, starter: str = "") -> Iterator[Leg]:
    """Hold the lease of a release that goes back or was given up: no order stops this leg. Whoever works on it is
    taken over from after a moment: its epoch is over then, so it touches nothing more.

    Raises:
        UnknownReleaseError: the release never began.
        LeaseHeldError: another leg leads it back, and has not arrived after a long while.
    """
    request = first_request(tools, release, starter or holder)
    with _kept(tools, request, _take_over(tools, release, f"{WAY_BACK}, {holder}"), back=True) as leg:
        yield leg


@contextmanager
def _kept(tools: Toolbox, request: ReleaseRequest, lease: Lease, *, back: bool) -> Iterator[Leg]:
    """The leg with this lease, which a thread renews; given back at the end."""
    lost, done = threading.Event(), threading.Event()
    keeper = threading.Thread(target=_keep, args=(tools, lease, lost, done), daemon=True, name="lease")
    keeper.start()
    try:
        yield Leg(tools, request, lease, lost, back)
    finally:
        done.set()
        keeper.join()
        with contextlib.suppress(OutsideError):  # the ledger is away: the lease ends by itself
            tools.ledger.give_back(lease)


def first_request(tools: Toolbox, release: str, starter: str) -> ReleaseRequest:
    """What the release was asked for as, for a leg that `starter` begins.

    Raises:
        UnknownReleaseError: it never began.
    """
    for entry in tools.ledger.entries(release):
        if entry.step == "started":
            return ReleaseRequest.model_validate({**entry.fact, "id": release, "starter": starter})
    raise UnknownReleaseError(release)


def _take(tools: Toolbox, release: str, holder: str) -> Lease:
    """A holder that died does not hold, as far as this machine can tell; elsewhere its lease runs out."""
    try:
        return tools.ledger.take_lease(release, holder, tools.now(), seconds=_LEASE)
    except LeaseHeldError as held:
        if not is_gone(held.holder):
            raise
        return tools.ledger.take_lease(release, holder, tools.now(), seconds=_LEASE, instead_of=held.holder)


def _take_over(tools: Toolbox, release: str, holder: str) -> Lease:
    """Whoever works on it sees the order that was given and ends by itself; a long act in the middle is not awaited.
    Another leg on its way back is given time to arrive.
    """
    began = tools.now()
    while True:
        try:
            return _take(tools, release, holder)
        except LeaseHeldError as held:
            back = held.holder.startswith(WAY_BACK)
            if tools.now() >= began + timedelta(seconds=_ON_ITS_WAY if back else _PATIENCE):
                if back:
                    raise
                return tools.ledger.take_lease(release, holder, tools.now(), seconds=_LEASE, instead_of=held.holder)
        tools.sleep(_LOOK)


def _keep(tools: Toolbox, lease: Lease, lost: threading.Event, done: threading.Event) -> None:
    """Renew until done. A database that is away is tried again; only losing the lease ends the leg."""
    while not done.wait(_LEASE / 3):
        try:
            lease = tools.ledger.renew(lease, tools.now())
        except RefusedError:
            lost.set()
            return
        except Exception:  # noqa: BLE001, S112 - the ledger is away: its own calls tell, this thread goes on
            continue


def _remove(folder: Path) -> None:
    """Also one in which a guest took its own right to write away, as some package managers do."""
    if not folder.exists():
        return
    folder.chmod(0o700)
    for above, names, _files in os.walk(folder):
        for path in (Path(above, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o700)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutsideError(f"{folder} is left from before and cannot be removed: {error}", hint="remove it") from error
