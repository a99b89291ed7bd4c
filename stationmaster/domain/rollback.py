"""Who goes back when a release is rolled back, and to what a tenant may go back. It moves nobody."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.canary import Verdict
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import RUNS, Entry
from stationmaster.domain.errors import InputError, RefusedError, nearest
from stationmaster.domain.request import RollbackRequest, Scope
from stationmaster.domain.ways_out import Way


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

    def __init__(
        self, tenants: Collection[str], version: str, schemas: Sequence[str], database: str, ways: Sequence[Way]
    ) -> None:
        on = " or ".join(schema or "(none)" for schema in schemas) or "that nobody can tell now"
        super().__init__(
            f"{', '.join(sorted(tenants))} stay where they are: stage never proved that {version} works on schema "
            f"{on}, which database {database} has",
            hint="; ".join(way.said for way in ways) + "; `stationmaster migrations matrix` shows what is proved",
        )
        self.ways = tuple(ways)


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


def went_back(entries: Iterable[Entry]) -> dict[str, Entry]:
    """The tenants that a release was taken back from, each with the entry that says so; whatever came to them since.
    `entries` are the release's, in order.
    """
    last = {entry.subject: entry for entry in entries if entry.step in RUNS}
    return {tenant: entry for tenant, entry in sorted(last.items()) if entry.step == "rolled_back"}


def must_be_deployed(release: str, digest: str | None, running: Mapping[str, Entry]) -> None:
    """Return if some tenant runs what the release brought, or went back from it already. `digest` is its artifact.

    Raises:
        NothingToRollBackError: nobody runs it.
        RollbackOfRollbackError: tenants run its artifact only because a later release was rolled back.
    """
    if any(entry.release == release for entry in running.values()):
        return
    led = [name for name, entry in running.items() if (entry.step, entry.fact["digest"]) == ("rolled_back", digest)]
    if led:
        raise RollbackOfRollbackError(release, led)
    raise NothingToRollBackError(
        f"no tenant runs {release}", hint=f"`stationmaster release abort {release} --reason WHY` gives it up"
    )


class Order(BaseModel):
    """A rollback as it was decided, by a verdict or by a person."""

    model_config = ConfigDict(frozen=True)

    scope: Scope
    tenants: tuple[str, ...] = Field(description="Who is affected; with the scope release, everybody.")
    now: bool = Field(default=False, description="Also tenants whose window is closed.")
    cause: str = Field(description="The verdict's cause, or `person`.")
    reason: str
    decided_ms: int = Field(description="When, in milliseconds since the epoch: the end of the tick that decided.")

    @property
    def inputs(self) -> dict[str, Any]:
        """What makes it this order and no other."""
        return {"scope": self.scope, "tenants": sorted(self.tenants), "now": self.now}

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps."""
        at = instant(datetime.fromtimestamp(self.decided_ms / 1000, UTC))
        return {**self.model_dump(), "tenants": list(self.tenants), "decided_at": at}

    @classmethod
    def from_fact(cls, fact: Mapping[str, Any]) -> "Order":
        """The order that was recorded."""
        return cls.model_validate(fact)


def of_breach(verdict: Verdict) -> Order:
    """Those for whom the new version is bad go back, and all on their instances: a rollback at once."""
    at = verdict.decided_at
    if verdict.verdict != "rollback" or at is None:
        raise ValueError(f"{verdict.verdict} is no reason to roll back")
    ms = round(at.timestamp() * 1000)
    return Order(
        scope="instance",
        tenants=verdict.broken_for,
        cause=verdict.cause or "breach",
        reason=verdict.reason,
        decided_ms=ms,
    )


def of_person(request: RollbackRequest, at: datetime) -> Order:
    """What somebody asks for."""
    return Order(
        scope=request.scope, tenants=tuple(sorted(request.tenants)), now=request.now, cause="person",
        reason=request.reason, decided_ms=round(at.timestamp() * 1000),
    )  # fmt: skip
