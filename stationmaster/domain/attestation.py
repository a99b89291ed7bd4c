"""Which signed statements a fact of the ledger has: one table, from a step to its predicates. It signs nothing.

What is in no statement is in `UNSIGNED`, with the reason. A statement holds nothing that may have to be erased, and
names no tenant but in what is about that tenant alone.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from stationmaster.domain import predicates as made
from stationmaster.domain.entries import Entry
from stationmaster.domain.gates import GATES, SVR, svr
from stationmaster.domain.statement import About, Statement, digests, state

Make = Callable[[Entry, About], "dict[str, Any] | None"]
Signed = tuple[int, str]  # index of an entry and the type of a predicate about it


@dataclass(frozen=True)
class Row:
    """A predicate of a step; `make` gives None where there is nothing to say."""

    predicate_type: str
    make: Make
    subject: Literal["artifact", "commit"] = "artifact"


_DONE: dict[str, tuple[Row, ...]] = {
    "built": (Row(made.PROVENANCE, made.provenance),),
    "tested": (Row(made.TEST_RESULT, made.tested),),
    "rehearsed": (Row(made.TEST_RESULT, made.migration_rehearsed),),
    "staged": (Row(made.TEST_RESULT, made.rehearsed),),
    "linked": (Row(made.REFERENCE, made.tickets),),
    "scanned": (Row(made.VULNS, made.vulnerabilities), Row(made.REFERENCE, made.reports)),
    "expanded": (Row(made.MIGRATION, made.migration),),
    "contracted": (Row(made.MIGRATION, made.migration),),
    "proved": (Row(made.TEST_RESULT, made.rehearsed),),
    "deployed": (Row(made.DEPLOYMENT, made.deployment),),
    "rolled_back": (Row(made.ROLLBACK, made.rolled_back),),
    "restored": (Row(made.ROLLBACK, made.went_back),),
    "contained": (Row(made.ROLLBACK, made.went_back),),
}
_GATES: dict[str, Row] = {step: Row(SVR, svr, "commit" if step == "cut" else "artifact") for step in GATES}
TABLE: dict[str, tuple[Row, ...]] = {
    step: (*((_GATES[step],) if step in _GATES else ()), *_DONE.get(step, ())) for step in sorted({*_GATES, *_DONE})
}

_BY_PEOPLE = "a person's word, which binds nobody outside; what came of it is attested"
_OF_NO_RELEASE = "it is about no release; the log's checkpoints sign it"
_SEEN = "how a leg began or ended says nothing of the artifact"
UNSIGNED: dict[str, str] = {
    "confirmed": _BY_PEOPLE,
    "started": _SEEN,
    "waiting": _SEEN,
    "failed": _SEEN,
    "held": "the verdict on which it was held is attested",
    "expanding": "an intention; `expanded` says what became of it",
    "contracting": "an intention; `contracted` or `contract_stopped` says what became of it",
    "contract_stopped": "that nothing was done",
    "contract": _BY_PEOPLE,
    "contract_over": "that no database is left follows from each `contracted`",
    "backfilling": "an intention; `backfilled` says what became of it",
    "backfilled": "it names tenants, and what is in their rows is the product's; the mandate binds what was declared",
    "notice": "an intention, which names tenants; `mode_on` and `mode_off` say what became of it",
    "mode_on": "for how long a tenant was not served in full is between it and us; `expanded` is attested",
    "mode_off": "for how long a tenant was not served in full is between it and us; `expanded` is attested",
    "planned": "the mandate binds it, and it names every tenant",
    "approval": "it is an approval/v1 of its own, signed by who gave it or by our key",
    "refused": "an approval that does not count proves nothing",
    "signed": "it is an envelope of its own, by who signed",
    "reviewed": "a person's judgement of an emergency; the approval that it judges is signed",
    "declined": "the tenant is not deployed, which the absence of a deployment/v1 shows",
    "waived": "it is an envelope of its own, by who gave it; its use is attested as `passed`",
    "unwaived": _BY_PEOPLE,
    "advanced": "`promoted` says on which verdict, and the log that a person did it",
    "skipped": _BY_PEOPLE,
    "unskipped": _BY_PEOPLE,
    "paused": _BY_PEOPLE,
    "resumed": _BY_PEOPLE,
    "aborted": _BY_PEOPLE,
    "lifted": _BY_PEOPLE,
    "rollback": "an order, which names tenants; `rolled_back`, `restored` and `contained` say what came of it",
    "flagged": "the mandate that was signed has the digest of these flags",
    "told": "what people read in the chat is made of facts that are attested",
    "merged_back": "it is about the release branch, and came after the artifact",
    "adopted": "what was found running was not built by us",
    "attested": "it is the record of a statement",
    "closed": "the bundle's index, which the checkpoint signs",
    "checkpointed": "it is a signed note itself",
    "ratified": _OF_NO_RELEASE,
    "drifted": _OF_NO_RELEASE,
    "frozen": _OF_NO_RELEASE,
    "thawed": _OF_NO_RELEASE,
}


def owed(entries: Iterable[Entry], source: str | None = None) -> Iterator[Statement]:
    """Every statement about the entries of one release of which none is recorded, in their order. `source` is the
    repository's address, when it may be told.
    """
    known = list(entries)
    about = About.of(known, source)
    if about is None:
        return
    signed = {(entry.fact["of"], entry.fact["predicate"]) for entry in known if entry.step == "attested"}
    for entry in known:
        yield from _of(entry, about, signed)


def _of(entry: Entry, about: About, signed: Collection[Signed]) -> Iterator[Statement]:
    for row in TABLE.get(entry.step, ()):
        subject = _subject(about, row)
        if subject is None or (entry.index, row.predicate_type) in signed:
            continue
        predicate = row.make(entry, about)
        if predicate is not None:
            yield state(entry, subject, row.predicate_type, predicate)


def _subject(about: About, row: Row) -> dict[str, Any] | None:
    if row.subject == "commit":
        return {"name": about.product, "digest": {"gitCommit": about.commit}}
    return {"name": about.product, "digest": digests(about.artifact)} if about.artifact else None
