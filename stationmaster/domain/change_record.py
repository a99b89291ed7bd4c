"""One release as whoever must account for it wants it told: who asked, what was checked, who agreed, who had it and for
how long. How it follows from entries is `recounting.py`, as text it is `change_record_text.py`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.retention import Retention
from stationmaster.domain.stages import Stage

BACK = "rolled back"  # how a stay ended that a rollback ended


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Noted(_Value):
    entry: int = Field(description="Index in the ledger.")
    at: str


class Asked(_Noted):
    """Who wanted the release."""

    who: str | None
    erased: bool = Field(description="Somebody was named, and the name was erased.")
    tampered: bool = Field(description="Somebody was named, and what the ledger has instead is not what was recorded.")
    ref: str
    assurance: str | None


class Change(_Value):
    """One commit aboard."""

    commit: str
    subject: str


class Fact(_Noted):
    """An entry's own fact, as the ledger has it."""

    step: str
    subject: str
    fact: dict[str, Any]


class Migration(_Noted):
    """A production database that was changed, or was about to be: then `after` is None."""

    began: str
    instance: str
    tenant: str | None = Field(default=None, description="Whose it is, where each tenant has its own.")
    before: tuple[str, ...]
    after: tuple[str, ...] | None
    phase: Literal["expand", "contract"] = "expand"


class Given(_Noted):
    """An approval that somebody gave, and the rule that refused it if one did."""

    by: str = Field(description="The key or channel.")
    who: str | None
    erased: bool
    tampered: bool
    action: str
    assurance: str | None
    reason: str | None
    ticket: str | None
    refused: str | None


class Stay(_Noted):
    """A time in which a tenant ran the release's artifact. `until`, `seconds` and `ended_by` are None while it does."""

    tenant: str
    instance: str | None
    until: str | None
    seconds: int | None
    ended_by: str | None = Field(description="rolled back, found otherwise, or the release that came after.")


class Runs(_Value):
    """What a tenant of the release runs by the newest entry about it, whatever release wrote that."""

    version: str
    digest: str
    since: str


class Judged(_Noted):
    """What was said of a wave."""

    wave: str
    verdict: str
    cause: str | None
    reason: str


class Back(_Noted):
    """An order to go back, and how it ended: restored or contained, None while it is carried out."""

    scope: str
    cause: str
    reason: str
    ended: str | None
    ended_at: str | None
    seconds_to_last: float | None
    bad_requests: int | None


class Position(_Value):
    """Where the release's entries lie in the ledger, and the first checkpoint that covers all of them."""

    first: int
    last: int
    entries: int
    checkpoint: dict[str, Any] | None


class ChangeRecord(_Value):
    """`evidence show RELEASE --json`."""

    release: str
    product: str
    kind: str
    stage: Stage
    version: str | None
    commit: str | None
    asked: Asked
    tickets: tuple[str, ...]
    changes: tuple[Change, ...]
    built: Fact | None
    tested: Fact | None
    scanned: Fact | None
    rehearsed: Fact | None
    staged: Fact | None
    planned: Fact | None
    mandated: Fact | None
    approvals: tuple[Given, ...]
    reviews: tuple[Fact, ...] = Field(description="What was found when an emergency was looked at.")
    approved: Fact | None
    emergency: bool
    waivers: tuple[Fact, ...]
    migrations: tuple[Migration, ...]
    tenants: tuple[Stay, ...]
    now: dict[str, Runs]
    verdicts: tuple[Judged, ...]
    rollbacks: tuple[Back, ...]
    trouble: tuple[Fact, ...] = Field(description="Holds and errors that stopped a leg.")
    ended: Fact | None
    position: Position
    retention: Retention | None = Field(description="How long its evidence is kept, by the policy in force.")

    def digest(self) -> str | None:
        """Of the artifact."""
        return None if self.built is None else str(self.built.fact["digest"])
