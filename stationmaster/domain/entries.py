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
    "rehearsed": "a schema change ran on a copy of production's size, and back: estimates, report, pairs",
    "expanding": "the database in the subject is about to be expanded: before; in production asked_at",
    "expanded": "the database in the subject was expanded: before, after; in production asked_at",
    "notice": "tenants of the database in the subject are to be told: mode, tenants, why, seconds, start, end, closed",
    "mode_on": "the tenant in the subject is not served in full: mode, instance, why, product, notice",
    "mode_off": "the tenant in the subject is served in full: mode, instance, why, seconds; personal: who, if a person",
    "staged": "stage runs the artifact, and the previous one works on the new schema: revision, pairs, covers",
    "proved": "in stage the versions that run work on the contracted schema: revision, pairs",
    "planned": "the waves were laid out: waves, digest",
    "mandated": "what the approvers of the deploy sign was laid down: digest, content, ends",
    "approval": "somebody approved, by the key or channel in the subject: action, assurance, mandate; personal: who",
    "refused": "the approval in the subject does not count: entry, rule; personal: who, if it proves anybody",
    "approved": "the quorum is met: roles, mandate, assurances",
    "ratified": "the policy or approvers in the subject are in force: digest, content, by; personal: what names people",
    "signed": "somebody signed for the change of rules in the subject: digest, envelope; personal: who",
    "reviewed": "an emergency approval was looked at afterwards: entry, verdict, reason; personal: who",
    "consented": "the tenant in the subject lets the release come, as its contract asks: by, proof; personal: who",
    "declined": "the tenant in the subject does not let the release come: by, reason; personal: who",
    "linked": "the release was tied to its tickets: tickets",
    "scanned": "the artifact and the change were scanned: sbom, vulnerabilities, secrets",
    "attested": "a signed statement about the fact in the subject was kept: predicate, of, envelope",
    "checkpointed": "the head of the log was signed and published: size, root, places",
    "closed": "the evidence of the release was laid together: state, leaves, size",
    "drifted": "what runs and what was approved were compared: tenants, found",
    "backfilling": "the backfill and database in the subject are begun: name, database, spec, commit, revision",
    "backfilled": "the same is filled in and verified for these tenants: name, database, spec, tenants, left, rows",
    "briefed": "support was told: channel, ts",
    "deployed": "the tenant in the subject runs it: version, digest, commit, instance, colour, asked_at or found",
    "flagged": "the flags of the product in the subject were published: commit, file, digest, asked_at",
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
    "contract": "somebody wants what old code needs taken away: product; personal: who",
    "contract_mandated": "what the approvers of the contract sign was laid down: digest, content, ends",
    "contract_approved": "the quorum of the contract is met: roles, mandate, assurances",
    "contracting": "the database in the subject is about to be contracted: before, target; in production asked_at",
    "contract_stopped": "the database in the subject was not contracted after all: before, code, message",
    "contracted": "the database in the subject was contracted: before, after; in production asked_at",
    "contract_over": "every database of the contract is contracted: databases",
    "adopted": "the tenant in the subject was found running this: version, digest, commit",
    "released": "every wave is through",
}

# Observations happen again each time they are made: always appended, never answered from the ledger.
OBSERVED = frozenset({"started", "verdict", "held", "waiting", "failed", "drifted"})

# An entry of the step on the left undoes every earlier entry of the steps on the right about the same subject,
# whatever release wrote it. (A later entry of the same release, step and subject always takes the earlier one's
# place; that needs no row.)
UNDOES: dict[str, frozenset[str]] = {
    "planned": frozenset({"approved"}),  # a new plan is approved anew; a brief already sent stays sent
    "mandated": frozenset({"approved"}),  # what was signed before is another mandate
    "expanded": frozenset({"expanding"}),  # where the database was before is another place from now on
    "backfilled": frozenset({"backfilling"}),  # what is filled in once more is begun once more
    "contracting": frozenset({"contracted"}),  # it is not where it was left: a backup was restored, and it is done anew
    "contracted": frozenset({"contracting"}),  # as with an expand
    "contract_stopped": frozenset({"contracting"}),  # the intention came to nothing
    "contract_mandated": frozenset({"contract_approved"}),  # what was signed before is another mandate
    "mode_on": frozenset({"mode_off"}),
    "mode_off": frozenset({"mode_on"}),
    "deployed": frozenset({"deployed"}),  # another release reached the tenant
    "flagged": frozenset({"flagged"}),  # another release's flags took their place
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
    "consented": frozenset({"declined"}),
    "declined": frozenset({"consented"}),
    "waived": frozenset({"unwaived"}),
    "unwaived": frozenset({"waived"}),
}
UNDONE_BY: dict[str, frozenset[str]] = {
    step: frozenset(undoing for undoing, undone in UNDOES.items() if step in undone) for step in STEPS
}

# Entries about no release: they carry one of these words as their release's name, which no release may have.
FREEZE = "freeze"
POLICY = "policy"  # what is ratified: subjects PRODUCT/policy and PRODUCT/approvers
DRIFT = "drift"  # subject PRODUCT
LOG = "log"  # checkpoints of the ledger
MODE = "mode"  # a mode of which no release knows, and that a person ended
WORDS = frozenset({FREEZE, POLICY, DRIFT, LOG, MODE})
OF_NO_RELEASE = frozenset({"frozen", "thawed", "ratified", "signed", "drifted", "checkpointed"})

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
