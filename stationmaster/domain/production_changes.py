"""Which entries of the ledger are production changes, of what kind, and why every other step is none. One table, total:
a step that is in neither half is an error of whoever added it, and a test finds it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stationmaster.domain.entries import Entry
from stationmaster.domain.tenants import STAGE

Kind = Literal[
    "deployment",  # a tenant was led to a version
    "flag",  # the flags of the product were published
    "migration",  # a production database was changed
    "backfill",  # rows of production were filled in
    "mode",  # what a tenant is served was limited, or is not any more
    "rollback",  # a version was taken back from tenants
    "adoption",  # a tenant was found running something that came another way
    "drift",  # what runs was found to differ from what was approved
    "release",  # how a release ended or stopped, also one that never reached production
    "emergency",  # somebody went ahead alone, and what came of it
    "waiver",  # something passed what was closed
    "override",  # a person set a verdict aside
    "policy",  # the rules themselves
]
About = Literal["tenant", "instance", "wave", "release", "rules", "product", "key", "backfill"]


@dataclass(frozen=True, slots=True)
class Change:
    """How an entry of a step is listed. Where `unless` holds it is no production change, and `because` says why."""

    kind: Kind
    about: About
    outcome: str | Callable[[Entry], str]
    unless: Callable[[Entry], bool] | None = None
    because: str = ""

    def ended(self, entry: Entry) -> str:
        """The outcome in a word or two."""
        return self.outcome if isinstance(self.outcome, str) else self.outcome(entry)


def _in_stage(entry: Entry) -> bool:
    return entry.subject == STAGE


def _on_stage(entry: Entry) -> bool:
    return entry.subject.startswith(f"{STAGE}/")


def _filled(entry: Entry) -> str:
    return "in part" if entry.fact.get("left") else "verified"


def _ordinary(entry: Entry) -> bool:
    return entry.fact.get("action") != "emergency"


def _migrated(entry: Entry) -> str:
    return "unchanged" if entry.fact["before"] == entry.fact["after"] else "done"


def _as_approved(entry: Entry) -> bool:
    return not entry.fact["found"]


def _deviations(entry: Entry) -> str:
    return f"{len(entry.fact['found'])} found"


CHANGES: dict[str, Change] = {
    "deployed": Change("deployment", "tenant", "deployed"),
    "adopted": Change("adoption", "tenant", "found"),
    "flagged": Change("flag", "product", "published"),
    "expanding": Change("migration", "instance", "begun", _in_stage, "stage is not production"),
    "expanded": Change("migration", "instance", _migrated, _in_stage, "stage is not production"),
    "contracting": Change("migration", "instance", "begun", _in_stage, "stage is not production"),
    "contracted": Change("migration", "instance", _migrated, _in_stage, "stage is not production"),
    "backfilling": Change("backfill", "backfill", "begun"),
    "backfilled": Change("backfill", "backfill", _filled, _on_stage, "stage is not production"),
    "mode_on": Change("mode", "tenant", "limited"),
    "mode_off": Change("mode", "tenant", "served in full"),
    "rollback": Change("rollback", "release", "ordered"),
    "rolled_back": Change("rollback", "tenant", "back"),
    "contained": Change("rollback", "release", "contained"),
    "restored": Change("rollback", "release", "restored"),
    "released": Change("release", "release", "released"),
    "failed": Change("release", "release", "failed"),
    "aborted": Change("release", "release", "aborted"),
    "approval": Change("emergency", "key", "given", _ordinary, "an ordinary approval allows a change and is none"),
    "reviewed": Change("emergency", "release", lambda entry: f"reviewed: {entry.fact['verdict']}"),
    "waived": Change("waiver", "key", "given"),
    "unwaived": Change("waiver", "key", "revoked"),
    "passed": Change("waiver", "wave", "used"),
    "advanced": Change("override", "wave", "advanced"),
    "ratified": Change("policy", "rules", "in force"),
    "drifted": Change(
        "drift",
        "product",
        _deviations,
        _as_approved,
        "nothing differed from what was approved",
    ),
}

NO_CHANGES: dict[str, str] = {
    "confirmed": "somebody wants a release; what it changes is listed when it does",
    "started": "a leg began; what it changes is listed by itself",
    "cut": "a commit was chosen; production is untouched",
    "built": "an artifact was published; nobody runs it yet",
    "tested": "checks ran against the artifact, outside production",
    "rehearsed": "a schema change ran on a copy, which was thrown away",
    "staged": "stage is not production",
    "proved": "stage is not production",
    "contract": "somebody wants a contract; what it changes is listed when it does",
    "contract_mandated": "what is to be signed was laid down; nothing was moved",
    "contract_approved": "a quorum allows a change and is none; each row names it",
    "contract_stopped": "nothing was changed",
    "contract_over": "nothing is left to be changed; what was is listed",
    "notice": "it was laid down whom a schema change will limit; each is listed when it does",
    "planned": "an order of waves was laid down; nothing was moved",
    "mandated": "what is to be signed was laid down; nothing was moved",
    "refused": "an approval that does not count allows nothing",
    "approved": "a quorum allows a change and is none; each row names it",
    "signed": "a signature for a change of rules; the change is listed when it is ratified",
    "consented": "a tenant lets a release come; its deployment is listed",
    "declined": "a tenant keeps a release away; nothing was moved",
    "linked": "tickets were tied to a release; each row names them",
    "scanned": "the artifact was looked at, outside production",
    "attested": "a statement about a fact was signed; the fact is listed if it is a change",
    "checkpointed": "the head of the log was published; no product changed",
    "closed": "evidence was laid together; production is untouched",
    "briefed": "people were told",
    "told": "people were told",
    "verdict": "a wave was judged; what follows from it is listed",
    "promoted": "the next wave may come; its deployments are listed",
    "held": "widening stopped; nothing was moved",
    "skipped": "a tenant is left out; it keeps what it runs",
    "unskipped": "a tenant is taken in again; its deployment is listed",
    "waiting": "a leg ended to wait; nothing was moved",
    "lifted": "changes may be carried again; a release that does is listed",
    "merged_back": "a branch was merged; what is released from it is listed",
    "paused": "nothing begins; nothing was moved",
    "resumed": "acts may begin again; those that change something are listed",
    "frozen": "something may not be touched; nothing was moved",
    "thawed": "something may be touched again; what is done then is listed",
}


def change_of(entry: Entry) -> Change | None:
    """How the entry is listed, or None when it is no production change; `why_none` has the reason."""
    found = CHANGES.get(entry.step)
    return None if found is None or (found.unless and found.unless(entry)) else found


def why_none(step: str) -> str:
    """Why entries of a step that are not listed are none. Raises KeyError for a step that nobody has placed."""
    return CHANGES[step].because if step in CHANGES else NO_CHANGES[step]
