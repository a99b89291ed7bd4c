"""What an entry of the ledger is, what undoes what, and when a recorded fact still stands.

Decides with values alone: the index, the salt and the instant are given. It does not store and does not know the
stages of a release (`stages.py`).
"""

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stationmaster.domain.duration import instant
from stationmaster.domain.tenants import Id

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS: dict[str, str] = {
    # step: what its fact says. The subject is the release where the sentence names no other.
    "confirmed": "somebody known wants the release: product, ref, kind, assurance; personal: who, the starter",
    "started": "a leg of the release began: product, kind, version, ref; personal: starter",
    "cut": "the commit was chosen: commit, version, previous, changes",
    "built": "the one artifact was published: digest, size, name",
    "tested": "the product's checks passed against the artifact: checks",
    "expanding": "the database in the subject is about to be expanded: before",
    "expanded": "the database in the subject was expanded: before, after",
    "staged": "stage runs the artifact, and the previous one works on the new schema: revision, pairs",
    "planned": "the waves were laid out: waves, digest",
    "approval": "somebody signed with the key in the subject: role, assurance, digest; personal: who",
    "approved": "the quorum is met: roles",
    "briefed": "support was told: channel, ts",
    "deployed": "the tenant in the subject runs the artifact: version, digest, commit, instance, colour",
    "verdict": "the ring in the subject was judged: verdict, cause, counts",
    "promoted": "the ring in the subject may be followed by the next: tenants, verdict",
    "held": "widening stopped at the ring in the subject: verdict, cause, message",
    "advanced": "a person lets the ring in the subject be followed although it is held: verdict, reason; personal: who",
    "skipped": "the tenant in the subject does not receive the release: reason; personal: who",
    "unskipped": "the tenant in the subject may receive it after all: reason; personal: who",
    "waiting": "the leg ended because something is awaited: for, until, message, hint",
    "failed": "the leg ended with an error: step, code, message, hint, outside: whether it may pass by itself",
    "rollback": "the release goes back: scope, tenants, cause, reason, decided_at; personal: who, if a person decided",
    "rolled_back": "the tenant in the subject runs again what ran before: version, digest, commit",
    "contained": "the rollback's tenants answer from the version before, others keep the release: as restored, left",
    "restored": "nobody is on the release any more: tenants, flags, bad_requests, seconds_to_routes, seconds_to_last",
    "lifted": "the changes of a rolled back release may be carried again: reason; personal: who",
    "told": "the brief says how far the release is, at a ring or at its end: progress",
    "merged_back": "the hotfix is in the release branch: into, reason, if a person says so; personal: who",
    "paused": "a person stops the release before its next act: reason; personal: who",
    "resumed": "a person lets a paused release go on: reason; personal: who",
    "frozen": "the environment, ring or tenant in the subject is not touched: reason, until; personal: who",
    "thawed": "the freeze of the subject is over: reason; personal: who",
    "waived": "the key in the subject lets it pass a gate: gate, closed_by, reason, ticket, until; personal: who",
    "unwaived": "the waiver in the subject is revoked: reason; personal: who",
    "passed": "the wave or environment in the subject is reached though closed, by waiver: gates; personal: who",
    "aborted": "a person gave the release up: reason; personal: who",
    "adopted": "the tenant in the subject was found running this: version, digest, commit",
    "released": "every wave is through",
}

# Observations happen again each time they are made: always appended, never answered from the ledger.
OBSERVED = frozenset({"started", "verdict", "held", "waiting", "failed"})

# An entry of the step on the left undoes every earlier entry of the steps on the right about the same subject,
# whatever release wrote it. (A later entry of the same release, step and subject always takes the earlier one's
# place; that needs no row.)
UNDOES: dict[str, frozenset[str]] = {
    "planned": frozenset({"approved"}),  # a new plan is approved anew; a brief already sent stays sent
    "expanded": frozenset({"expanding"}),  # where the database was before is another place from now on
    "deployed": frozenset({"deployed"}),  # another release reached the tenant
    "adopted": frozenset({"deployed"}),  # the tenant was found running something else than we recorded
    "rolled_back": frozenset({"deployed"}),  # the tenant's routes went back
    "lifted": frozenset({"rollback", "contained", "restored"}),  # what is deployed again may go back again
    "contained": frozenset({"rollback"}),  # those who kept it may go back by the same order
    "rollback": frozenset({"lifted", "released"}),  # it may be released again once it is lifted
    "skipped": frozenset({"unskipped"}),
    "unskipped": frozenset({"skipped"}),
    "paused": frozenset({"resumed"}),
    "resumed": frozenset({"paused"}),
    "frozen": frozenset({"thawed"}),
    "thawed": frozenset({"frozen"}),
    "waived": frozenset({"unwaived"}),
    "unwaived": frozenset({"waived"}),
}
UNDONE_BY: dict[str, frozenset[str]] = {
    step: frozenset(undoing for undoing, undone in UNDOES.items() if step in undone) for step in STEPS
}

# Entries about no release: they carry this word as their release's name, which no release may have.
FREEZE = "freeze"
OF_NO_RELEASE = frozenset({"frozen", "thawed"})

# The steps after which the tenant in the subject runs the version in the fact.
RUNS = frozenset({"adopted", "deployed", "rolled_back"})


def canonical(value: object) -> bytes:
    """The one byte string of a JSON value (RFC 8785). Refuses what JSON cannot say exactly: NaN, 2**53 and over."""
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def inputs_digest(inputs: dict[str, Any]) -> str:
    """What a step was given, as it goes into the idempotency key."""
    return digest(canonical(inputs))


class Draft(BaseModel):
    """What a task wants recorded. No personal data in `inputs` and `fact`: they can never be erased."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: Id
    step: str
    subject: Annotated[str, Field(max_length=255, description="The release id unless given.")] = ""
    inputs: dict[str, Any] = Field(default_factory=dict)
    fact: dict[str, Any] = Field(default_factory=dict)
    personal: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Values become what they will be when read back, so that an entry equals itself."""
        plain = dict(values)
        for name in ("inputs", "fact", "personal"):
            if name in plain:
                plain[name] = json.loads(canonical(plain[name]))
        return {**plain, "subject": plain.get("subject") or plain.get("release")}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.step not in STEPS:
            raise ValueError(f"{self.step!r} is not a step of the ledger; known: {', '.join(STEPS)}")
        return self


class Entry(BaseModel):
    """One fact, for ever. Its canonical bytes are what is stored, hashed and proved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int = Field(ge=0, description="Dense, from 0, in the order in which entries were committed.")
    at: str = Field(description="RFC 3339 UTC, whole seconds.")
    release: Id
    step: str
    subject: str
    attempt: int = Field(ge=1, description="The how-maniest entry about this release, step and subject.")
    inputs: str = Field(description="Digest of what the step was given.")
    fact: dict[str, Any]
    salt: str = Field(description="128 random bits in hex, so that an entry cannot be guessed from its hash.")
    payload: str | None = Field(description="Digest of the personal data, which lies elsewhere and may be erased.")

    def canonical(self) -> bytes:
        return canonical(self.model_dump())


def compose(draft: Draft, *, index: int, at: datetime, attempt: int, salt: str, payload: str | None) -> Entry:
    """The entry a draft becomes. `at` must be aware."""
    if at.tzinfo is None:
        raise ValueError("an entry's instant must carry its zone")
    return Entry(
        index=index,
        at=instant(at),
        release=draft.release,
        step=draft.step,
        subject=draft.subject,
        attempt=attempt,
        inputs=inputs_digest(draft.inputs),
        fact=draft.fact,
        salt=salt,
        payload=payload,
    )


def attempt(entries: "Iterable[Entry]", release: str, step: str, subject: str) -> int:
    """The number the next entry will carry. Something new is recorded only when nothing stands, so every entry is
    an attempt of its own, opened by the one that undid or replaced the last.
    """
    return 1 + max((entry.attempt for entry in entries if _about(entry, release, step, subject)), default=0)


def standing(entries: "Iterable[Entry]", release: str, step: str, subject: str, inputs: str) -> Entry | None:
    """The entry that answers for the step, or None if it must be done: the last about it, if its inputs' digest is
    `inputs` and no later entry undid it. `entries` in order; any part of the ledger that holds what matters.
    """
    last: Entry | None = None
    for entry in entries:
        if _about(entry, release, step, subject):
            last = entry
        elif entry.subject == subject and entry.step in UNDONE_BY[step]:
            last = None
    return last if last is not None and last.inputs == inputs and step not in OBSERVED else None


def _about(entry: Entry, release: str, step: str, subject: str) -> bool:
    return (entry.release, entry.step, entry.subject) == (release, step, subject)
