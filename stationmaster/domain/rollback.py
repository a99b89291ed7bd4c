"""Who goes back when a release is rolled back, and to what a tenant may go back. It moves nobody."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError, RefusedError, nearest
from stationmaster.domain.request import Scope


class NothingToRollBackError(RefusedError):
    """No tenant runs the release."""

    code = "nothing_to_roll_back"


class RollbackOfRollbackError(RefusedError):
    """What the tenants run is where a rollback led them."""

    code = "rollback_of_rollback"

    def __init__(self, release: str, tenants: Collection[str]) -> None:
        super().__init__(
            f"{', '.join(sorted(tenants))} run what a rollback led them to; a rollback is never rolled back",
            hint=f"mend what is wrong and release that, or `stationmaster release why {release}`",
        )


class NotOnReleaseError(InputError):
    """A named tenant does not run the release."""

    code = "not_on_release"


class NotProvedError(RefusedError):
    """Nobody proved that the version before works on the schema as it is now."""

    code = "not_proved"

    def __init__(self, tenants: Collection[str], version: str, schema: str) -> None:
        super().__init__(
            f"{', '.join(sorted(tenants))} stay where they are: stage never proved that {version} works on schema "
            f"{schema or '(none)'}",
            hint="the shortest way out is forward: release a fix that stage passes on this schema",
        )


@dataclass(frozen=True, slots=True)
class Back:
    """One tenant's way back: from where it is to what it ran before."""

    tenant: str
    instance: str
    deployed: Entry  # where it is
    before: Entry  # what it ran before


def in_scope(release: str, scope: Scope, tenants: Collection[str], running: Mapping[str, Entry]) -> tuple[str, ...]:
    """The tenants that go back, sorted. `running` maps a tenant to the entry that says what it runs.

    Raises:
        NotOnReleaseError: a named tenant neither runs the release nor was led back from it.
    """
    on = {tenant: entry for tenant, entry in running.items() if entry.release == release and entry.step == "deployed"}
    mine = {tenant for tenant, entry in running.items() if entry.release == release}
    for name in sorted(set(tenants) - mine):
        raise NotOnReleaseError(f"{name} does not run {release}", hint=nearest(name, on) or f"nobody runs {release}")
    if scope == "release":
        return tuple(sorted(on))
    if scope == "tenant":
        return tuple(sorted(set(tenants) & set(on)))
    instances = {running[name].fact["instance"] for name in tenants}
    return tuple(sorted(name for name, entry in on.items() if entry.fact["instance"] in instances))


def must_be_deployed(release: str, running: Mapping[str, Entry]) -> None:
    """Return if the release brought some tenant what it runs, or brought it back already.

    Raises:
        NothingToRollBackError: nobody runs it.
        RollbackOfRollbackError: the tenants came to it by a rollback of a later one.
    """
    if any(entry.release == release for entry in running.values()):
        return
    raise NothingToRollBackError(
        f"no tenant runs {release}", hint=f"`stationmaster release abort {release} --reason WHY` gives it up"
    )


def proved(staged: Collection[Entry], digest: str, schema: str) -> bool:
    """Whether stage ran the artifact on that schema. `staged` are the entries of that step, of whatever release."""
    return any([digest, schema] in entry.fact["pairs"] for entry in staged)
