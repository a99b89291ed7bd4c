"""What a contract would run on each database: the revisions that the release's commit names, as SQL. It runs none."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stationmaster.blocks.carried import contains
from stationmaster.blocks.database import Revisions
from stationmaster.blocks.homes import every_database
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.secrecy import mask_of
from stationmaster.domain.artifact import Cut
from stationmaster.domain.contract import Filled
from stationmaster.domain.entries import digest
from stationmaster.domain.errors import OutsideError, RefusedError
from stationmaster.domain.homes import recorded_as
from stationmaster.domain.printed import Printed
from stationmaster.domain.product import Contract, Database
from stationmaster.domain.tenants import STAGE

_RUNS = "-- Running upgrade"  # how Alembic heads each revision that it renders


class NoContractError(RefusedError):
    """The release brings nothing that a contract would run."""

    code = "no_contract"


@dataclass(frozen=True)
class Todo:
    """One database that is not contracted yet: where it is, and what would be run, by the scripts of which commit; or
    why nobody can say. `instance` is how the ledger and people call it, `database` how the toolbox does: stage's has
    the one name for all tenancies. `digest` is that of the SQL as it is kept, where people may read it; it is signed.
    """

    instance: str
    database: str
    heads: tuple[str, ...]
    sql: str
    digest: str
    revisions: Revisions
    away: str | None = None


@dataclass(frozen=True)
class Contracting:
    """The contract of a release: its cut, what the product says of contracts, the revisions that are its end, every
    database of the product as the toolbox calls it, and those that are left, stage's among them. `counted` has the
    backfills whose rows were counted since it was read, by database and name.
    """

    cut: Cut
    says: Contract
    revisions: tuple[str, ...]
    databases: tuple[str, ...]
    todo: tuple[Todo, ...]
    counted: dict[tuple[str, str], Filled] = field(default_factory=dict, compare=False)

    @property
    def inputs(self) -> dict[str, Any]:
        """What makes it this contract and no other."""
        return {"commit": self.cut.commit.commit, "revisions": list(self.revisions)}

    @property
    def left(self) -> tuple[str, ...]:
        """The production databases that are left."""
        return tuple(one.instance for one in self.todo if one.instance != STAGE)

    @property
    def stage(self) -> str:
        """Stage's database, as the toolbox calls it."""
        return next(one for one in self.databases if recorded_as(one) == STAGE)

    def of(self, instance: str) -> Todo | None:
        """What is left to do on a database."""
        return next((one for one in self.todo if one.instance == instance), None)


def read_contract(leg: Leg, cut: Cut) -> Contracting:
    """What is left to be contracted.

    Raises:
        NoContractError: the product says nothing of contracts at the commit of the release.
        MigrationFailedError, RevisionUnknownError: the revisions cannot be read or rendered.
    """
    database = cut.product.database
    if database is None or database.contract is None:
        raise NoContractError(
            f"{cut.product.product} declares no contract at {cut.commit.version}",
            hint="say database.contract in stationmaster.yaml, and release that",
        )
    scripts = _Scripts(leg, database)
    ends = leg.tools.database.target(scripts.at(cut.commit.commit, database.contract.target))
    inputs = {"commit": cut.commit.commit, "revisions": list(ends)}
    databases = tuple(every_database(leg.tools, cut.product))
    return Contracting(cut, database.contract, ends, databases, tuple(_todo(scripts, cut, ends, inputs, databases)))


@dataclass(frozen=True)
class _Scripts:
    """The product's scripts, each commit exported once, and rendered once from where several databases are."""

    leg: Leg
    database: Database
    exports: dict[str, Path] = field(default_factory=dict)
    rendered: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def at(self, commit: str, target: str) -> Revisions:
        """Those of a commit, told to go to the target."""
        name = f"contract-{commit[:12]}"
        if commit not in self.exports:
            self.exports[commit] = self.leg.export(name, commit)
        return Revisions(
            self.database.model_copy(update={"expand": target}), self.exports[commit], self.leg.folder(name)
        )

    def sql(self, commit: str, heads: tuple[str, ...], target: str) -> str:
        """What they would run on a database at these heads; empty where that is nothing."""
        if (commit, heads) not in self.rendered:
            found = self.leg.tools.database.render(heads, self.at(commit, target))
            self.rendered[commit, heads] = found if _RUNS in found else ""
        return self.rendered[commit, heads]


def _todo(
    scripts: _Scripts, cut: Cut, ends: tuple[str, ...], inputs: dict[str, Any], databases: Sequence[str]
) -> Iterator[Todo]:
    leg, target, mask = scripts.leg, _only(ends), mask_of(scripts.leg.tools)
    for database in databases:
        instance = recorded_as(database)
        known = leg.recorded("contracted", inputs, instance) is not None
        commit = newest(leg, cut, instance)
        revisions = scripts.at(commit, target)
        try:
            heads = _heads(leg, database)
            sql = "" if known and set(ends) <= set(heads) else scripts.sql(commit, heads, target)
        except (OutsideError, RefusedError) as error:  # it waits alone, and keeps no other waiting
            yield Todo(instance, database, (), "", "", revisions, error.message)
            continue
        if sql or not known:  # else it is done, or a later contract took its place
            yield Todo(instance, database, heads, sql, digest(Printed(sql.encode()).masked(mask)), revisions)


def _heads(leg: Leg, database: str) -> tuple[str, ...]:
    """Where a database is. Of stage's, one that a killed contract left without a name, or closed to everybody, is
    mended first: it would answer never again.
    """
    with suppress(OutsideError):
        return leg.tools.database.revision(database)
    if recorded_as(database) == STAGE:
        leg.tools.database.mend_copy(database)
    return leg.tools.database.revision(database)


def newest(leg: Leg, cut: Cut, instance: str) -> str:
    """The commit whose scripts know every revision of the database: the last that expanded it, when that has all that
    the release has; else the release's own.
    """
    for entry in leg.tools.ledger.backwards("expanded", instance):
        for its in leg.tools.ledger.about(entry.release, ["cut"]):
            commit = str(its.fact["commit"])
            return commit if contains(leg.tools.source, commit, cut.commit.commit) else cut.commit.commit
    return cut.commit.commit


def _only(ends: tuple[str, ...]) -> str:
    if len(ends) != 1:
        raise NoContractError(
            f"the contract leads to {len(ends)} revisions, {', '.join(ends) or 'none'}, where one is wanted",
            hint="merge the heads of the contract branch, or name one in database.contract.target",
        )
    return ends[0]
