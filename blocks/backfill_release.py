"""One run of one backfill on one database, for a release: what the engine is told, when it stands still or ends, and
what is left. It records nothing: several may run at once, and whoever has the release's lease says so.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from stationmaster.blocks.backfill_gate import Gate
from stationmaster.blocks.backfill_jobs import ALL, Carried, Job
from stationmaster.blocks.backfill_verdict import Standing
from stationmaster.blocks.backfilling import Ended, Options, Progress, TenantProgress
from stationmaster.domain.backfill_waits import BY_ROLLBACK, Left, Outcome
from stationmaster.domain.errors import StationmasterError

STANDS = timedelta(minutes=10)  # for so long a process stands still, then it is looked at again after as long


@dataclass(frozen=True)
class Done:
    """What a run came to: the tenants that are verified and those that are left, as the directory calls them."""

    outcome: Outcome
    rows: int
    tenants: tuple[str, ...]


@dataclass
class Orders:
    """What an engine asks before it goes on: may anything still be done? What ends the work ends its run, and is raised
    when that is over.
    """

    go_on: Callable[[], None]
    stop: threading.Event = field(default_factory=threading.Event)
    error: StationmasterError | None = None

    def why_not(self) -> str | None:
        """Why it ends; None when nothing was ordered."""
        try:
            self.go_on()
        except StationmasterError as error:
            self.error = self.error or error
            self.stop.set()
            return error.message
        return None

    def obey(self) -> None:
        """Raise what ended it, if anything did."""
        if self.error is not None:
            raise self.error


@dataclass
class Run:
    """`go_on` raises when nothing may be done for the release any more; `follow` is told how far it is."""

    carried: Carried
    job: Job
    go_on: Callable[[], None]
    follow: Callable[[Progress], None]
    folder: Path | None = None
    _since: datetime | None = None  # when it began to stand still

    def __post_init__(self) -> None:
        self.gate, self._standing = Gate(self.carried, self.job), Standing(self.carried)
        self._orders = Orders(self.go_on)

    def begin(self) -> None:
        """What was said of the tenants in the database before it goes on: who lost it is verified anew, and what a
        rollback paused goes on. What a person paused stays so.
        """
        database, name = self.carried.tools.database, self.job.backfill.name
        for version in sorted({entry.fact["version"] for entry in self.job.lost.values()}):
            mine = [tenant for tenant, entry in self.job.lost.items() if entry.fact["version"] == version]
            why = f"{version} served it since, which does not write both"
            database.lose_backfill(self.job.database, name, self._called(mine), why)
        for one in self._progress():
            if one.state == "paused" and (one.reason or "").startswith(BY_ROLLBACK):
                database.resume_backfill(self.job.database, name, one.tenant)

    def carry_out(self) -> Done:
        """Work until nothing is left on which this run may.

        Raises:
            StationmasterError: what `go_on` or the engine raises.
        """
        options = Options(
            ranks=self.carried.ranks(), only=self._only(), may=self.gate.may, hold=self._hold, stop=self._orders.stop,
            follow=self.follow, folder=self.folder,
        )  # fmt: skip
        ended = self.carried.tools.database.backfill(self.job.database, self.job.backfill, options)
        self._orders.obey()
        left = tuple(self._left(ended.held)) or self._not_begun(ended)
        behind = {one for each in left for one in self._whose(each.tenant)} | self._without()
        done = tuple(sorted(t for t in self.job.tenants if t not in behind))
        return Done(Outcome(self.job.database, self.job.backfill.name, left), ended.rows, done)

    def _only(self) -> list[str] | None:
        """Whom this run works on; everybody of the table while the whole of it was never walked."""
        if self.job.missing is None or self._untold:
            return None
        return sorted({*self.job.missing, *self.job.lost})

    @property
    def _untold(self) -> bool:
        """Whether no row says whose it is."""
        return self.job.backfill.tenant is None

    def _called(self, tenants: list[str]) -> list[str]:
        return [ALL] if self._untold else sorted(tenants)

    def _whose(self, tenant: str) -> tuple[str, ...]:
        return self.job.tenants if tenant == ALL else (tenant,)

    def _without(self) -> set[str]:
        return {one for tenant in self.gate.without for one in self._whose(tenant)}

    def _hold(self) -> str | None:
        """Asked about once a second: why it stands still."""
        if ordered := self._orders.why_not():
            return ordered
        why, now = self._standing.why_not(), self.carried.tools.now()
        self._since = (self._since or now) if why else None
        if self._since is not None and now - self._since >= STANDS:
            self._orders.stop.set()
        return why

    def _progress(self) -> tuple[TenantProgress, ...]:
        found = self.carried.tools.database.backfills(self.job.database)
        return next((one.tenants for one in found if one.name == self.job.backfill.name), ())

    def _left(self, held: str | None) -> list[Left]:
        """Who is not verified, and is waited for: whoever runs what lacks the release is not."""
        only = self._only()
        return [
            self._one_left(one, held)
            for one in self._progress()
            if one.state != "verified" and one.tenant not in self.gate.without and (only is None or one.tenant in only)
        ]

    def _not_begun(self, ended: Ended) -> tuple[Left, ...]:
        """A run that ended before it knew its tenants says nothing of them."""
        if ended.verified or self._progress():
            return ()
        return (Left(ALL, "open", "was not come to", self.carried.tools.now() + STANDS),)

    def _one_left(self, one: TenantProgress, held: str | None) -> Left:
        if one.state in {"failed", "done"}:
            return Left(one.tenant, "failed", one.reason or "a row that was left out is not as verify says")
        if one.state == "paused":
            return Left(one.tenant, "paused", f"paused{f': {one.reason}' if one.reason else ''}")
        if window := self.gate.closed.get(one.tenant):
            return Left(one.tenant, "closed", window.kept, window.until)
        if held:
            return Left(one.tenant, "held", f"stands still: {held}", self.carried.tools.now() + STANDS)
        return Left(one.tenant, "open", one.reason or "was not come to", self.carried.tools.now() + STANDS)
