"""Which backfills of a release are left on which databases: by what is declared, who has the release, and what the
ledger says was verified and lost since. It fills in nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from stationmaster.blocks.backfill_declared import declared
from stationmaster.blocks.carried import contains
from stationmaster.blocks.homes import homes_of
from stationmaster.domain.backfilled import STEPS, Past, first, subject
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.entries import RUNS, Entry
from stationmaster.domain.homes import database_of
from stationmaster.domain.tenants import STAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stationmaster.blocks.toolbox import Toolbox
    from stationmaster.domain.artifact import Cut

ALL = "*"  # what the engine calls the one tenant of a table that does not say whose a row is


@dataclass(frozen=True)
class Job:
    """One backfill on one database. `tenants` are who lives there and has the release, in no order; `missing` are those
    whom nobody has found verified, as the table calls them, or None where no run came to the end of the table yet.
    `commit` is the first that has the dual write.
    """

    database: str
    backfill: Backfill
    commit: str
    tenants: tuple[str, ...]
    missing: tuple[str, ...] | None
    lost: Mapping[str, Entry]  # who may have stale values, each with the entry by which

    @property
    def subject(self) -> str:
        """What its entries are about."""
        return subject(self.database, self.backfill.name)


@dataclass(frozen=True)
class Residents:
    """Who lives where, and what each runs, at one moment."""

    homes: Mapping[str, str]  # tenant to database
    running: Mapping[str, Entry]

    @classmethod
    def of(cls, tools: "Toolbox", cut: "Cut") -> "Residents":
        """By the directory, and by what is on record of who is led where."""
        known, homes = tools.ledger.running(), homes_of(tools, cut.product)
        found = {one.id: homes.of(one.id, one.instance) for one in tools.tenants.read().tenants}
        found |= {tenant: place for tenant, entry in known.items() if (place := database_of(entry))}
        return cls(found, known)

    def there(self, database: str) -> list[str]:
        """Everybody whose data is in a database, sorted."""
        return sorted(tenant for tenant, place in self.homes.items() if place == database)


@dataclass(frozen=True)
class Carried:
    """The backfills of one release."""

    tools: "Toolbox"
    cut: "Cut"
    _known: dict[str, bool] = field(default_factory=dict, repr=False)  # commit to whether it has the release

    @cached_property
    def declared(self) -> tuple[Backfill, ...]:
        """What its commit declares."""
        return declared(self.tools.source, self.cut)

    def left(self) -> tuple[Job, ...]:
        """What is not verified for everybody who has the release, in the order of the rings: who has the first tenants
        comes first.
        """
        if not self.declared:
            return ()
        residents = Residents.of(self.tools, self.cut)
        has = [tenant for tenant, entry in residents.running.items() if self.has(entry)]
        databases = {residents.homes[t] for t in has if t in residents.homes} - {STAGE}
        ranks = self.ranks()
        order = sorted(databases, key=lambda name: (min(ranks.get(t, len(ranks)) for t in residents.there(name)), name))
        jobs = (self._job(name, one, residents) for name in order for one in self.declared)
        return tuple(job for job in jobs if job.missing is None or job.missing or job.lost)

    def has(self, entry: Entry) -> bool:
        """Whether what an entry leads to has all that the release brought."""
        commit = str(entry.fact["commit"])
        if commit not in self._known:
            self._known[commit] = contained(self.tools, commit, self.cut.commit.commit)
        return self._known[commit]

    def ranks(self) -> dict[str, int]:
        """Tenant to the place of its ring."""
        rings = [ring.name for ring in self.cut.product.rings]
        return {one.id: rings.index(one.ring) for one in self.tools.tenants.read().tenants if one.ring in rings}

    def _job(self, database: str, one: Backfill, residents: Residents) -> Job:
        there = residents.there(database)
        mine = [t for t in there if t in residents.running and self.has(residents.running[t])]
        commit = writing(self.tools, one) or self.cut.commit.commit
        past = past_of(self.tools, database, one, there, commit)
        lost, verified = {t: e for t, e in past.lost().items() if t in mine}, past.verified()
        missing = None if past.left is None else tuple(sorted({t for t in mine if t not in verified} | past.left))
        return Job(database, one, commit, tuple(mine), missing, lost)


def writing(tools: "Toolbox", one: Backfill) -> str | None:
    """The commit of the first release that carried the very backfill; None when none did."""
    entry = first(tools.ledger.every("backfilling"), one.name, one.digest)
    return str(entry.fact["commit"]) if entry else None


def past_of(tools: "Toolbox", database: str, one: Backfill, tenants: Iterable[str], commit: str) -> Past:
    """What the ledger says of a backfill on a database and of the tenants there; `commit` is the first that has the
    dual write.
    """
    told = [entry for step in STEPS for entry in tools.ledger.history(step, subject(database, one.name))]
    runs: Sequence[Entry] = [e for t in tenants for step in RUNS for e in tools.ledger.history(step, t)] if told else ()
    commits = {str(entry.fact["commit"]) for entry in runs}
    writes = {found for found in commits if contained(tools, found, commit)}
    return Past.of(told, one.digest, runs, lambda entry: entry.fact["commit"] in writes)


def contained(tools: "Toolbox", commit: str, other: str) -> bool:
    """Whether a commit has all that another one has."""
    return commit == other or contains(tools.source, commit, other)
