"""Which schema a database has, and whether a version is proved on it: asked of the database, told by the ledger."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from stationmaster.blocks.carried import product_at
from stationmaster.domain.compatibility import PROVES, SCHEMA, Matrix, schemas
from stationmaster.domain.errors import OutsideError, RefusedError, StationmasterError
from stationmaster.domain.homes import database_of, place_of
from stationmaster.domain.tenants import STAGE
from stationmaster.domain.ways_out import Restore, Way, ways_out

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.blocks.toolbox import Toolbox
    from stationmaster.domain.entries import Entry
    from stationmaster.ledger.store import Ledger


class SchemaNotProvedError(RefusedError):
    """A database has a schema on which stage never showed that what would run there works."""

    code = "schema_not_proved"

    def __init__(
        self, release: str, instance: str, schemas: Sequence[str], digests: Sequence[str], contract: str | None
    ) -> None:
        on = " or ".join(one or "(none)" for one in schemas) or "that nobody can tell now"
        told = ", ".join(f"{one[:19]}…" for one in digests)
        super().__init__(
            f"database {instance} has schema {on}, on which stage never proved {told}",
            hint=f"it waits for the contract of {contract}: stationmaster release contract {contract}"
            if contract
            else f"it is proved when the release goes on: stationmaster release start {release}",
        )


def matrix_of(ledger: "Ledger") -> Matrix:
    """What stage proved, of every release."""
    return Matrix.of(sorted((one for step in PROVES for one in ledger.every(step)), key=lambda one: one.index))


def changes_of(ledger: "Ledger", instance: str) -> "list[Entry]":
    """What was done to the schema of an instance's database, in order."""
    return sorted((one for step in SCHEMA for one in ledger.history(step, instance)), key=lambda one: one.index)


def schemas_of(tools: "Toolbox", instance: str) -> tuple[str, ...] | None:
    """The schemas that an instance's database may have; None when the instance has no database. One that does not
    answer has what the ledger says: whoever changes it records that before. Empty when nobody knows.
    """
    if place_of(instance)[0] not in tools.database.databases:
        return None
    history = changes_of(tools.ledger, instance)
    try:
        return schemas(history, tools.database.revision(instance))
    except OutsideError:
        return schemas(history)


def contract_before(ledger: "Ledger", instance: str) -> str | None:
    """The release whose contract stage has, and the database of an instance has not: what is proved in stage now says
    nothing about it. None when there is none.
    """
    if instance == STAGE:
        return None
    mine = {entry.release for entry in ledger.history("contracted", instance)}
    staged = {entry.release: entry for entry in ledger.history("contracted", STAGE)}  # the last of each
    behind = [one for one, entry in staged.items() if not entry.fact.get("given_back") and one not in mine]
    return behind[0] if behind else None


def is_behind(leg: "Leg", entry: "Entry") -> bool:
    """Whether the database of whoever the entry says something of waits for a contract that stage has."""
    name = database_of(entry)
    return name is not None and contract_before(leg.tools.ledger, name) is not None


def must_work_on(leg: "Leg", digests: Iterable[str], instance: str) -> None:
    """Return if each artifact is proved on the schema that the database of an instance has now, also one to which a
    contract is on its way. Asked immediately before tenants are led there.

    Raises:
        SchemaNotProvedError: one is not.
    """
    known, found = schemas_of(leg.tools, instance), matrix_of(leg.tools.ledger)
    if known is None:
        return
    lacks = [one for one in digests if not known or not found.proved(one, known)]
    if lacks:
        raise SchemaNotProvedError(leg.release, instance, known, lacks, contract_before(leg.tools.ledger, instance))


def ways_of(tools: "Toolbox", instance: str, digest: str, version: str, commit: str) -> Sequence[Way]:
    """What is left for the tenants of an instance who cannot go back to a version."""
    history = changes_of(tools.ledger, instance)
    return ways_out(matrix_of(tools.ledger), digest, version, history, _restore(tools, commit))


def _restore(tools: "Toolbox", commit: str) -> Restore | None:
    """As the product declares it where the version to be left is cut from; nothing where that cannot be read."""
    try:
        database = product_at(tools.source, commit).database
    except StationmasterError:
        return None
    return database.restore if database else None
