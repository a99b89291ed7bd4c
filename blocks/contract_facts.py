"""What is known about one database before something is taken away from it: asked of whoever knows, now. It decides
nothing, and an answer that does not come is none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from stationmaster.blocks.backfill_declared import declared
from stationmaster.blocks.backfill_jobs import past_of, writing
from stationmaster.blocks.carried import contains
from stationmaster.blocks.contract_proof import residents, target_of, unproved
from stationmaster.blocks.contract_revisions import Contracting, Todo
from stationmaster.blocks.going_back import ran_before_now
from stationmaster.blocks.homes import homes_of
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import must_be_migratable, must_be_unfrozen
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.compatibility import schema_of, versions
from stationmaster.domain.contract import Facts, Filled, Runs
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError, OutsideError, StationmasterError, WaitingError
from stationmaster.domain.homes import Homes, place_of
from stationmaster.domain.migrations import lint_contract
from stationmaster.domain.orders import in_force
from stationmaster.domain.plan import Plan
from stationmaster.domain.stages import CLOSED, fold, has_reached
from stationmaster.domain.tenants import STAGE, Tenant


@dataclass(frozen=True)
class Witness:
    """Asks what a contract has to know, for all its databases; what is the same for each is asked once."""

    leg: Leg
    what: Contracting

    def facts(self, todo: Todo) -> Facts:
        """Of one database, now."""
        cut, says, now = self.what.cut, self.what.says, self.leg.tools.now()
        shut, opens = self._window(todo.instance)
        return Facts(
            release=cut.release, version=cut.commit.version, instance=todo.instance, at=now,
            released_at=self._released, min_age=says.min_age, way_back=says.way_back == "keep",
            tenants=tuple(self._tenants(todo.instance)), processes=self._processes(todo.instance),
            sessions=self._sessions(todo.instance), watched=says.application is not None,
            back=tuple(self._back(todo.instance)), busy=tuple(self._busy(todo.instance)),
            elsewhere=self._elsewhere(todo),
            backfills=tuple(self._backfills(todo.instance)), findings=tuple(map(str, lint_contract(todo.sql))),
            shut=shut, opens=opens, away=todo.away,
        )  # fmt: skip

    @cached_property
    def _released(self) -> datetime | None:
        entries = self.leg.tools.ledger.entries(self.leg.release)
        ended = [entry for entry in entries if entry.step == "released"]
        return datetime.fromisoformat(ended[-1].at) if ended and fold(entries) == "released" else None

    @cached_property
    def _running(self) -> dict[str, Entry]:
        return self.leg.tools.ledger.running()

    @cached_property
    def _commits(self) -> dict[str, str]:
        """Digest to commit of whatever was built or runs."""
        entries = self.leg.tools.ledger.entries()
        cut = {entry.release: str(entry.fact["commit"]) for entry in entries if entry.step == "cut"}
        built = {str(e.fact["digest"]): cut[e.release] for e in entries if e.step == "built" and e.release in cut}
        ran = {str(e.fact["digest"]): str(e.fact["commit"]) for e in entries if {"digest", "commit"} <= set(e.fact)}
        return {**ran, **built}

    @cached_property
    def _versions(self) -> dict[str, set[str]]:
        """Version to the digests that have it."""
        found: dict[str, set[str]] = {}
        for digest, version in versions(self.leg.tools.ledger.entries()).items():
            found.setdefault(version, set()).add(digest)
        return found

    def _is_new(self, digest: str | None) -> bool | None:
        """Whether an artifact has all that the release brought."""
        commit = self._commits.get(digest or "")
        if commit is None:
            return None
        return contains(self.leg.tools.source, commit, self.what.cut.commit.commit)

    def _there(self, instance: str) -> dict[str, Entry | None]:
        """Everybody whose data is in the database: by the directory, and by what is on record."""
        return residents(self._homes, self._tenants_known, self._running, instance)

    @cached_property
    def _homes(self) -> Homes:
        return homes_of(self.leg.tools, self.what.cut.product)

    @cached_property
    def _tenants_known(self) -> tuple[Tenant, ...]:
        return tuple(self.leg.tools.tenants.read().tenants)

    def _tenants(self, instance: str) -> Iterator[Runs]:
        """Who never received anything has no version that could be old."""
        for name, entry in self._there(instance).items():
            if entry is not None:
                yield Runs(name, str(entry.fact["version"]), self._is_new(str(entry.fact["digest"])))

    def _back(self, instance: str) -> Iterator[Runs]:
        for name, entry in self._there(instance).items():
            before = ran_before_now(self.leg.tools.ledger, entry) if entry is not None else None
            if before is not None:
                digest, version = str(before.fact["digest"]), str(before.fact["version"])
                yield Runs(name, version, self._is_new(digest))

    def _processes(self, instance: str) -> Sequence[Runs] | None:
        """Every process that the target has for the instance, the one before kept warm too."""
        try:
            found = self.leg.tools.target.running(self.what.cut.product.service.version, of={place_of(instance)[0]})
        except (OutsideError, InputError):
            return None
        return tuple(Runs(f"{one.instance} {one.colour}", one.version, self._is_new(one.digest)) for one in found)

    def _sessions(self, instance: str) -> Sequence[Runs] | None:
        if self.what.says.application is None:
            return ()
        before, after = map(re.escape, self.what.says.application.split("{version}"))
        try:
            names = self.leg.tools.database.sessions(instance)
        except OutsideError:
            return None
        found = [match for name in sorted(set(names)) if (match := re.fullmatch(f"{before}(.+){after}", name))]
        return tuple(Runs(f"session {match[0]!r}", match[1], self._all_new(match[1])) for match in found)

    def _all_new(self, version: str) -> bool | None:
        """Of a version that several artifacts have, each must be new."""
        answers = {self._is_new(digest) for digest in self._versions.get(version, ())}
        return None if not answers or None in answers else answers == {True}

    def _busy(self, instance: str) -> Iterator[str]:
        """Others on their way: a rollback anywhere, and a release that may still reach somebody on the database. One
        that stopped because it waits for this contract there is not awaited in turn.
        """
        mine = set(self._there(instance))
        for release, entries in self._open.items():
            if in_force(entries) == "rollback":
                yield f"{release} is going back"
            elif not self._awaits_this(entries, instance):
                planned = next((Plan.from_fact(e.fact) for e in reversed(entries) if e.step == "planned"), None)
                if planned is None or mine & {tenant for wave in planned.waves for tenant in wave.tenants}:
                    yield f"{release} is {fold(entries)} and not over"

    @cached_property
    def _open(self) -> dict[str, list[Entry]]:
        """The other releases that are tested and not over, and any that goes back, each with its entries."""
        every = {release: self.leg.tools.ledger.entries(release) for release in self.leg.tools.ledger.releases()}
        return {
            release: entries for release, entries in every.items()
            if in_force(entries) == "rollback"
            or (release != self.leg.release and fold(entries) not in CLOSED and has_reached(entries, "tested"))
        }  # fmt: skip

    def _awaits_this(self, entries: Sequence[Entry], instance: str) -> bool:
        last = next((e for e in reversed(entries) if e.step in {"started", "waiting", "failed"}), None)
        return last is not None and last.fact.get("lacks") == {"instance": instance, "contract": self.leg.release}

    def _elsewhere(self, todo: Todo) -> str | None:
        """Why what is, or will be, proved in stage says nothing about this database."""
        staged = self.what.of(STAGE)
        first = staged is not None and bool(staged.sql)
        wanted, has = (todo.heads, staged.heads) if first and staged else (self._target(todo), self._stage)
        silent = todo.away is not None or has is None  # `answers` says the one, the acts on stage the other
        if silent or has == wanted or (not first and not unproved(self.leg, self.what, todo)):
            return None
        return (
            f"stage has {schema_of(has or ())}, and did not prove what it would be on {schema_of(wanted) or '(none)'}"
        )

    def _target(self, todo: Todo) -> tuple[str, ...]:
        return target_of(self.leg, self.what, todo)

    @cached_property
    def _stage(self) -> tuple[str, ...] | None:
        try:
            return self.leg.tools.database.revision(self.what.stage)
        except StationmasterError:
            return None

    def _backfills(self, instance: str) -> Iterator[Filled]:
        """Counting takes long, so it is done once for what a leg read: who could still spoil a row is asked for. What
        was found of each tenant, and whether anybody lost that since, is asked at each look.
        """
        for one in self._declared:
            found = self.what.counted.get((instance, one.name)) or self._filled(instance, one)
            if found.left is not None:  # else nobody answered, and it is asked again
                self.what.counted[instance, one.name] = found
            yield replace(found, tenants=self._unverified(instance, one))

    @cached_property
    def _declared(self) -> tuple[Backfill, ...]:
        return declared(self.leg.tools.source, self.what.cut)

    def _filled(self, instance: str, one: Backfill) -> Filled:
        """By the rows themselves; without `verify` by what is known of the tenants, where it ran."""
        database = self.leg.tools.database
        try:
            if one.verify is not None:
                return Filled(one.name, database.unverified(instance, one.table, one.verify, _PATIENCE))
            if any(known.name == one.name for known in database.backfills(instance)):
                return Filled(one.name, 0)
        except StationmasterError as error:
            return Filled(one.name, None, f"its rows cannot be counted: {error.message}")
        return Filled(one.name, None, "it never ran here, and says no `verify` by which its rows could be counted")

    def _unverified(self, instance: str, one: Backfill) -> tuple[str, ...]:
        """Each tenant that the database does not say is verified, and each that lost it by the ledger since."""
        tools, commit = self.leg.tools, writing(self.leg.tools, one) or self.what.cut.commit.commit
        past = past_of(tools, instance, one, self._there(instance), commit)
        lost = tuple(f"{t} was served by {e.fact['version']} since" for t, e in past.lost().items())
        try:
            known = next((each for each in tools.database.backfills(instance) if each.name == one.name), None)
        except StationmasterError as error:
            return (*lost, f"nobody knows which tenants are verified: {error.message}")
        open_ = [each for each in (known.tenants if known else ()) if each.state != "verified"]
        return (*lost, *(f"{each.tenant} is {each.state}" for each in open_))

    def _window(self, instance: str) -> tuple[str | None, datetime | None]:
        try:
            must_be_unfrozen(self.leg, self.what.cut.product, "production")
            server, own = place_of(instance)
            whose = self._there(instance) if own else ()
            must_be_migratable(self.leg, self.what.cut.product, server, doing="contract", tenants=whose)
        except WaitingError as wait:
            return wait.kept[0], datetime.fromisoformat(wait.until) if wait.until else None
        return None, None


_PATIENCE = 600  # seconds for the rows of one backfill
