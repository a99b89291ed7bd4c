"""An engine of backfills in memory, for tests of releases: it fills in nothing, and says who is through and who not."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from stationmaster.blocks.backfilling import Ended, Options, Progress, TenantProgress
from stationmaster.domain.backfill_states import State
from stationmaster.domain.backfills import Backfill

_THROUGH = frozenset({"done", "verified"})


@dataclass
class FakeBackfills:
    """`rows` are the tenants of each database with how many rows each has to be filled in; `poisoned` those whose row
    is in the way, with what PostgreSQL says of it. `each` is called before each tenant, `second` while it stands still.
    """

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    poisoned: dict[str, str] = field(default_factory=dict)
    each: Callable[[str], None] | None = None
    second: Callable[[], object] = lambda: None
    jobs: dict[tuple[str, str], dict[str, TenantProgress]] = field(default_factory=dict)
    did: list[tuple[str, ...]] = field(default_factory=list)  # what was asked of it that changes something, in order
    lost: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def run(self, database: str, one: Backfill, options: Options) -> Ended:
        job = self.jobs.setdefault((database, one.name), {})
        for tenant, rows in self.rows.get(database, {}).items():
            job.setdefault(tenant, TenantProgress(tenant, "pending", 0, expected=rows))
        order = sorted(job, key=lambda tenant: (options.ranks.get(tenant, len(options.ranks)), tenant))
        held = None
        for tenant in order:
            if options.only is not None and tenant not in options.only:
                continue
            while (held := options.hold()) and not options.stop.is_set():
                self.second()
            if options.stop.is_set():
                break
            self._fill(database, one, options, tenant)
            options.follow(self.progress(database, one.name))
        return self._ended(one, job, held)

    def _fill(self, database: str, one: Backfill, options: Options, tenant: str) -> None:
        job = self.jobs[database, one.name]
        if job[tenant].state == "paused":
            return
        if why := options.may(tenant):
            job[tenant] = replace(job[tenant], reason=why)
            return
        if self.each:
            self.each(tenant)
        if job[tenant].state == "paused":  # meanwhile
            return
        if said := self.poisoned.get(tenant):
            job[tenant] = replace(job[tenant], state="failed", reason=said)
            return
        self.did.append(("filled", database, one.name, tenant))
        self.lost.get((database, one.name), set()).discard(tenant)
        rows = self.rows.get(database, {}).get(tenant, 0)
        job[tenant] = replace(job[tenant], state="verified", rows=max(job[tenant].rows, rows), reason=None)

    def _ended(self, one: Backfill, job: dict[str, TenantProgress], held: str | None) -> Ended:
        states = [each.state for each in job.values()]
        counts = {
            "done": sum(state in _THROUGH for state in states), "failed": states.count("failed"),
            "paused": states.count("paused"),
        }  # fmt: skip
        reasons = {each.tenant: each.reason for each in job.values() if each.reason}
        rows = sum(each.rows for each in job.values())
        return Ended(one.name, rows, 0.0, len(job), counts, all(s == "verified" for s in states), reasons, held)

    def progress(self, database: str, name: str) -> Progress:
        tenants = tuple(self.jobs[database, name].values())
        return Progress(name, "public.orders", sum(one.rows for one in tenants), None, tenants)

    def status(self, database: str) -> tuple[Progress, ...]:
        return tuple(self.progress(where, name) for where, name in self.jobs if where == database)

    def pause(self, database: str, name: str, tenant: str | None, reason: str) -> None:
        self._set((database, name), tenant, {"pending", "running", "failed"}, ("paused", reason))

    def resume(self, database: str, name: str, tenant: str | None) -> None:
        self._set((database, name), tenant, {"paused"}, ("pending", None))

    def lose(self, database: str, name: str, tenants: Collection[str], reason: str) -> None:
        self.did.append(("lost", database, name, *sorted(tenants)))
        for tenant in tenants:
            if tenant in self.jobs.get((database, name), {}):
                self.lost.setdefault((database, name), set()).add(tenant)
                self._set((database, name), tenant, _THROUGH, ("pending", reason))

    def _set(
        self, about: tuple[str, str], tenant: str | None, states: Collection[str], to: tuple[State, str | None]
    ) -> None:
        job = self.jobs[about]
        for each in [tenant] if tenant else list(job):
            if job[each].state in states:
                job[each] = replace(job[each], state=to[0], reason=to[1])
