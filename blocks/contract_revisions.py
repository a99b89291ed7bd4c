"""What a contract would run on each database: the revisions that the release's commit names, as SQL. It runs none."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stationmaster.blocks.carried import contains
from stationmaster.blocks.database import Revisions
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.entries import digest
from stationmaster.domain.errors import OutsideError, RefusedError
from stationmaster.domain.product import Contract, Database
from stationmaster.domain.tenants import STAGE

_RUNS = "-- Running upgrade"  # how Alembic heads each revision that it renders


class NoContractError(RefusedError):
    """The release brings nothing that a contract would run."""

    code = "no_contract"


@dataclass(frozen=True)
class Todo:
    """One database that is not contracted yet: where it is, and what would be run, by the scripts of which commit; or
    why nobody can say.
    """

    instance: str
    heads: tuple[str, ...]
    sql: str
    revisions: Revisions
    away: str | None = None

    @property
    def digest(self) -> str:
        """Of the SQL; it is signed."""
        return digest(self.sql.encode())


@dataclass(frozen=True)
class Contracting:
    """The contract of a release: its cut, what the product says of contracts, the revisions that are its end, and the
    databases that are left, stage's among them.
    """

    cut: Cut
    says: Contract
    revisions: tuple[str, ...]
    todo: tuple[Todo, ...]

    @property
    def inputs(self) -> dict[str, Any]:
        """What makes it this contract and no other."""
        return {"commit": self.cut.commit.commit, "revisions": list(self.revisions)}

    @property
    def left(self) -> tuple[str, ...]:
        """The production databases that are left."""
        return tuple(one.instance for one in self.todo if one.instance != STAGE)

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
    ends = leg.tools.database.target(_scripts(leg, "contract-target", cut.commit.commit, database, None))
    inputs = {"commit": cut.commit.commit, "revisions": list(ends)}
    return Contracting(cut, database.contract, ends, tuple(_todo(leg, cut, database, ends, inputs)))


def _todo(leg: Leg, cut: Cut, database: Database, ends: tuple[str, ...], inputs: dict[str, Any]) -> Iterator[Todo]:
    for instance in sorted(leg.tools.database.databases):
        known = leg.recorded("contracted", inputs, instance) is not None
        scripts = _scripts(leg, f"contract-{instance}", newest(leg, cut, instance), database, ends)
        try:
            heads = leg.tools.database.revision(instance)
            sql = "" if known and set(ends) <= set(heads) else leg.tools.database.render(heads, scripts)
        except (OutsideError, RefusedError) as error:  # it waits alone, and keeps no other waiting
            yield Todo(instance, (), "", scripts, error.message)
            continue
        if _RUNS in sql or not known:  # else it is done, or a later contract took its place
            yield Todo(instance, heads, sql if _RUNS in sql else "", scripts)


def newest(leg: Leg, cut: Cut, instance: str) -> str:
    """The commit whose scripts know every revision of the database: the last that expanded it, when that has all that
    the release has; else the release's own.
    """
    for entry in leg.tools.ledger.backwards("expanded", instance):
        for its in leg.tools.ledger.about(entry.release, ["cut"]):
            commit = str(its.fact["commit"])
            return commit if contains(leg.tools.source, commit, cut.commit.commit) else cut.commit.commit
    return cut.commit.commit


def _scripts(leg: Leg, name: str, commit: str, database: Database, ends: tuple[str, ...] | None) -> Revisions:
    """The scripts at a commit, told to go to the ends, or to what the product calls the contract's target."""
    if ends is not None and len(ends) != 1:
        raise NoContractError(
            f"the contract leads to {len(ends)} revisions, {', '.join(ends) or 'none'}, where one is wanted",
            hint="merge the heads of the contract branch, or name one in database.contract.target",
        )
    target = ends[0] if ends else database.contract.target if database.contract else ""
    return Revisions(database.model_copy(update={"expand": target}), leg.export(name, commit), leg.folder(name))
