"""A submitted release as a person follows it: entry by entry in the ledger, until its flow run has ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from stationmaster.blocks.toolbox import PrefectAwayError
from stationmaster.cli import lookup
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.release import Status, UnknownReleaseError, status
from stationmaster.domain.request import ReleaseRequest
from stationmaster.domain.stages import CLOSED
from stationmaster.domain.story import sentence

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

_LOOK = 0.5  # seconds between looks at the ledger and the flow run
_UNTOLD = frozenset({"attested", "refused"})  # what follows from what was told, and what is told with a wait
_QUIET = 40.0  # seconds without a word, longer than a lease lasts, after which it is asked who works on it
_PATIENCE = 30.0  # seconds that the Prefect server may be away while a release is followed


class RunCrashedError(OutsideError):
    """The flow run ended and the ledger does not say why: its process died, or never came so far."""

    code = "run_crashed"


@dataclass(frozen=True)
class Run:
    """A submitted flow run of one release."""

    request: ReleaseRequest
    id: UUID
    url: str
    after: int  # index of the last entry of the release before it was submitted

    def follow(self, ledger: "Ledger", tell: Callable[[str], None]) -> None:
        """Tell each new entry until the flow run has ended.

        Raises:
            RunCrashedError: it died; the release goes on with the same command.
            LedgerFullError: it died because nothing could be written any more.
        """
        seen, since, hinted = self.after, time.monotonic(), False
        while True:
            state = has_ended(self.id)
            for entry in ledger.entries(self.request.id, after=seen):
                if entry.step not in _UNTOLD:
                    tell(sentence(entry))
                seen, since = entry.index, time.monotonic()
            if state is not None:
                self._judge(state, self.status(ledger), silent=seen == self.after)
                return
            if time.monotonic() - since > _QUIET and lookup.worker(ledger, self.request.id) is None:
                self._must_not_have_begun(ledger, seen)
                if not hinted:
                    tell("no worker has taken it yet; `stationmaster doctor` says whether one runs")
                hinted = True
            time.sleep(_LOOK)

    def _must_not_have_begun(self, ledger: "Ledger", seen: int) -> None:
        """A run whose process died with its worker seems to run for ever; the ledger knows that nobody works on it.
        It says nothing either when the disk is full on which the ledger lies, and the Prefect server's database too.
        """
        if seen > self.after:
            ledger.must_have_room()
            raise RunCrashedError(
                f"the process that worked on {self.request.id} is gone, and said nothing",
                hint=f"stationmaster release start {self.request.id}",
            )

    def status(self, ledger: "Ledger") -> Status:
        """Where the release is; a release that has only been submitted is `requested`."""
        try:
            return status(self.request.id, ledger.entries(self.request.id), ledger.running())
        except UnknownReleaseError:
            return Status(
                id=self.request.id, version=None, kind=self.request.kind, stage="requested", waiting_for=None,
                until=None, digest=None, tenants={}, entries=0,
            )  # fmt: skip

    def _judge(self, state: tuple[str, str], found: Status, *, silent: bool) -> None:
        kind, message = state
        told = found.stage in CLOSED or (found.trouble is not None and not silent)
        if kind not in {"COMPLETED", "SCHEDULED"} and not told:  # scheduled: it is parked
            raise RunCrashedError(
                f"the flow run of {self.request.id} ended as {kind.lower()}: {message}",
                hint=f"stationmaster release start {self.request.id}",
            )


def has_ended(run: UUID) -> tuple[str, str] | None:
    """Type and message of the flow run's last state. A server that is away for a moment is asked again."""
    from stationmaster.deployments.submission import ended  # noqa: PLC0415 - imports prefect

    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return ended(run)
        except Exception as error:
            if time.monotonic() > end:
                raise PrefectAwayError(
                    f"the Prefect server does not answer any more: {type(error).__name__}; the release goes on unseen",
                    hint="stationmaster release list",
                ) from error
            time.sleep(_LOOK)
