"""Which schema a database has, and whether a version is proved on it: asked of the database, told by the ledger."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from stationmaster.blocks.carried import contains, product_at
from stationmaster.domain.compatibility import PROVES, SCHEMA, Matrix, outgrown, schemas
from stationmaster.domain.errors import OutsideError, RefusedError, StationmasterError
from stationmaster.domain.homes import database_of, place_of
from stationmaster.domain.tenants import STAGE
from stationmaster.domain.ways_out import Restore, Way, ways_out

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.blocks.toolbox import Toolbox
    from stationmaster.domain.artifact import Cut
    from stationmaster.domain.entries import Entry
    from stationmaster.ledger.store import Ledger


class SchemaNotProvedError(RefusedError):
    """A database has a schema on which stage never showed that what would run there works."""

    code = "schema_not_proved"

    def __init__(self, instance: str, schemas: Sequence[str], digests: Sequence[str], contract: str | None) -> None:
        on = " or ".join(one or "(none)" for one in schemas) or "that nobody can tell now"
        told = ", ".join(f"{one[:19]}…" for one in digests)
        super().__init__(
            f"database {instance} has schema {on}, on which stage never proved {told}",
            hint=f"it waits for the contract of {contract}: stationmaster release contract {contract}"
            if contract
            else f"stage has another: release what brings {instance} to that; `stationmaster migrations matrix`",
        )
        self.more = {"lacks": {"instance": instance, "contract": contract}}


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


def covered(leg: "Leg", cut: "Cut") -> tuple[str, ...]:
    """Schemas on which the release's artifact works because it does on the one that stage has: stage had them before,
    with all that the release's commit asks for, and what came on top was only added, by releases of which the commit
    knows nothing. A database that those did not reach has such a one.
    """
    mine = leg.recorded("expanded", {"commit": cut.commit.commit}, STAGE)
    wanted = mine.fact.get("wanted") if mine else None
    if wanted is None:
        return ()
    found = outgrown(changes_of(leg.tools.ledger, STAGE), wanted)
    cuts = [one for release in found.by for one in leg.tools.ledger.about(release, ["cut"])]
    known = any(contains(leg.tools.source, cut.commit.commit, str(one.fact["commit"])) for one in cuts)
    return () if known or len(cuts) < len(found.by) else found.schemas


def contract_before(tools: "Toolbox", instance: str) -> str | None:
    """The first release whose contract stage has, and the database of an instance has not: what is proved in stage now
    says nothing about it. None when there is none. A database that was made later, or by somebody else, has what its
    own heads say; who has a later contract has those before it.
    """
    staged = {entry.release: entry for entry in tools.ledger.history("contracted", STAGE)}  # the last of each
    ends = {
        one: frozenset(entry.fact["revisions"]) for one, entry in staged.items() if not entry.fact.get("given_back")
    }
    if instance == STAGE or not ends or (known := schemas_of(tools, instance)) is None:
        return None
    mine, first = {entry.release for entry in tools.ledger.history("contracted", instance)}, None
    for release in reversed(ends):
        if release in mine or (known and all(ends[release] <= set(one.split(",")) for one in known)):
            break
        first = release
    return first


def not_behind(tools: "Toolbox", entries: "Iterable[Entry]") -> "list[Entry]":
    """Those of the entries about tenants whose databases wait for no contract that stage has."""
    told = list(entries)
    names = {name for entry in told if (name := database_of(entry)) is not None}
    behind = {name for name in names if contract_before(tools, name) is not None}
    return [entry for entry in told if database_of(entry) not in behind]


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
        raise SchemaNotProvedError(instance, known, lacks, contract_before(leg.tools, instance))


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
