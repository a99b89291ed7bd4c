"""What stage proved of a contract: the versions that have to work without what it takes away, and whether they were
shown to on the very schema that a database would have.
"""

from collections.abc import Iterable, Mapping

from stationmaster.blocks.carried import contains
from stationmaster.blocks.contract_revisions import Contracting, Todo
from stationmaster.blocks.going_back import ran_before_now
from stationmaster.blocks.homes import homes_of
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Artifact
from stationmaster.domain.compatibility import PROVES, Matrix, schema_of
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import OutsideError, RefusedError
from stationmaster.domain.homes import Homes, database_of
from stationmaster.domain.tenants import STAGE, Tenant


class ContractMovedError(OutsideError):
    """A database is not where it was when the contract was read: it is read anew."""

    code = "contract_moved"


class ContractNotProvedError(RefusedError):
    """Stage did not show what would be left of a production database."""

    code = "contract_not_proved"


def artifact_of(leg: Leg) -> Artifact:
    """The one that the release published."""
    fact = next(iter(leg.tools.ledger.about(leg.release, ["built"]))).fact
    return Artifact.model_validate({name: fact[name] for name in Artifact.model_fields if name in fact})


def residents(
    homes: Homes, tenants: Iterable[Tenant], running: Mapping[str, Entry], database: str
) -> dict[str, Entry | None]:
    """Everybody whose data is in a database, by the directory and by what is on record, with what they run."""
    mine = {one.id for one in tenants if homes.of(one.id, one.instance) == database}
    mine |= {name for name, entry in running.items() if database_of(entry) == database}
    return {name: running.get(name) for name in sorted(mine)}


def versions_to_prove(leg: Leg, what: Contracting, instance: str | None = None) -> dict[str, str]:
    """Digest to commit of the release's artifact, and of what has all that it has and runs on one database, or on any,
    or is what somebody there goes back to. What is older is on a database that waits, or is given up.
    """
    tools, mine = leg.tools, what.cut.commit.commit
    running = tools.ledger.running()
    entries = [entry for entry in _there(leg, what, running, instance).values() if entry is not None]
    before = [entry for now in entries if (entry := ran_before_now(tools.ledger, now))]
    known = {str(entry.fact["digest"]): str(entry.fact["commit"]) for entry in (*entries, *before)}
    new = {number: commit for number, commit in known.items() if contains(tools.source, commit, mine)}
    return dict(sorted({artifact_of(leg).digest: mine, **new}.items()))


def _there(
    leg: Leg, what: Contracting, running: Mapping[str, Entry], database: str | None
) -> Mapping[str, Entry | None]:
    if database is None:
        return running
    homes = homes_of(leg.tools, what.cut.product)
    return residents(homes, leg.tools.tenants.read().tenants, running, database)


def shown_in_stage(leg: Leg) -> Entry | None:
    """The entry by which stage was contracted for this release; None where it was not, or has everything back."""
    every = leg.tools.ledger.entries(leg.release)
    mine = [entry for entry in every if (entry.step, entry.subject) == ("contracted", STAGE)]
    if not mine or mine[-1].fact.get("given_back"):
        return None
    return next((one for one in reversed(mine) if one.fact["before"] != one.fact["after"]), mine[-1])


def target_of(leg: Leg, what: Contracting, todo: Todo) -> tuple[str, ...]:
    """The heads that a database has after the contract, as stage showed: a head that what came depends on is none any
    more. Where stage was where the database is, they are stage's.
    """
    shown = shown_in_stage(leg)
    gone = set(shown.fact["before"]) - set(shown.fact["after"]) if shown else set()
    return tuple(sorted({*todo.heads} - gone | {*what.revisions}))


def proofs(leg: Leg) -> Matrix:
    """What this release, and nobody else, showed in stage."""
    return Matrix.of(entry for entry in leg.tools.ledger.entries(leg.release) if entry.step in PROVES)


def unproved(leg: Leg, what: Contracting, todo: Todo) -> list[str]:
    """The digests that would serve the tenants of a database, and that stage did not show on what would be left."""
    schema, known = schema_of(target_of(leg, what, todo)), proofs(leg)
    return [one for one in versions_to_prove(leg, what, todo.instance) if not known.proved(one, [schema])]


def must_be_proved(leg: Leg, what: Contracting, todo: Todo) -> None:
    """Return if stage showed exactly this: every version on the schema that the database would have.

    Raises:
        ContractNotProvedError: it did not.
    """
    missing = unproved(leg, what, todo) if shown_in_stage(leg) else [artifact_of(leg).digest]
    if missing:
        told, schema = ", ".join(f"{one[:19]}…" for one in missing), schema_of(target_of(leg, what, todo))
        raise ContractNotProvedError(
            f"stage never proved {told} on {schema}, which database {todo.instance} would have",
            hint=f"stage goes first: stationmaster release contract {leg.release}",
        )


def must_be_as_it_was(leg: Leg, todo: Todo) -> None:
    """Return if the database is where it was when what would be run was read, and signed.

    Raises:
        ContractMovedError: it is not.
    """
    if (heads := leg.tools.database.revision(todo.database)) != todo.heads:
        raise ContractMovedError(
            f"database {todo.instance} was at {schema_of(todo.heads) or '(none)'} when its contract was read, and "
            f"is at {schema_of(heads) or '(none)'} now",
            hint=f"it is read anew: stationmaster release contract {leg.release}",
        )
