"""Whether what was deployed had been approved, decided anew from the entries alone: by the same rules as when it was
done, with the keys that whoever checks has brought.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from stationmaster.domain import bundle
from stationmaster.domain.approval import Decision, Word, decide
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.bundle import Index, strict_json
from stationmaster.domain.entries import Entry, digest
from stationmaster.domain.mandate import Mandate
from stationmaster.domain.question import Question
from stationmaster.domain.verify_acts import Sofar, act
from stationmaster.domain.verify_contract import UNFIT
from stationmaster.domain.verify_evidence import envelope_of, personal_of

_MANDATES = frozenset({"mandated", "contract_mandated"})
_NOBODY = {"starter": "", "changes": {}, "unresolved": []}


def unapproved(files: Mapping[str, bytes], index: Index, entries: Sequence[Entry], keys: Approvers) -> Iterator[str]:
    """Every approval that the quorum did not give, and every act on production without an approval of what it did."""
    misfits = [flaw for entry in entries if entry.step in _MANDATES for flaw in _misfit(entry)]
    if misfits:  # what is asked of a mandate that is none?
        yield from misfits
        return
    sofar = Sofar(index.tenant, frozenset(files))
    for entry in entries:
        if entry.step == "approved":
            yield from _uncounted(files, entry, sofar, keys)
        elif entry.step == "contract_approved":
            yield from _uncounted(files, entry, sofar.contract, keys)
        yield from act(entry, sofar)
        sofar.learn(entry)
    asked = {bundle.opening_name(entry.index): entry for entry in entries if entry.step == "mandated"}
    yield from _unopened(files, index, asked)


def _misfit(entry: Entry) -> Iterator[str]:
    """Whether the mandate has its digest, and is this release's."""
    try:
        mandate = Mandate.read(entry.fact)
        fits = (mandate.digest, mandate.release, mandate.parts["artifact"]) == (
            entry.fact["digest"], entry.release, entry.fact["artifact"])  # fmt: skip
        fits = fits and mandate.ends.tzinfo is not None
    except UNFIT:
        fits = False
    if not fits:
        yield f"{bundle.ENTRIES}: entry {entry.index} is no mandate of this release with its own digest"


def _uncounted(files: Mapping[str, bytes], entry: Entry, sofar: Sofar, keys: Approvers) -> Iterator[str]:
    """Whether the quorum was there when the entry says so."""
    if sofar.asked is None:
        yield f"{bundle.ENTRIES}: entry {entry.index} says that it was approved, and no mandate was laid down before"
        return
    asked = sofar.asked.entry
    try:
        decision = _decided(files, asked, sofar.approvals, keys, datetime.fromisoformat(entry.at))
    except UNFIT:
        yield f"{bundle.ENTRIES}: entry {asked.index} asks nothing that could be approved"
        return
    if entry.fact.get("mandate") != asked.fact["digest"]:
        yield f"{bundle.ENTRIES}: entry {entry.index} approves another mandate than that of entry {asked.index}"
    if not decision.satisfied:
        lacking = (*(f"{count} {role}" for role, count in decision.missing.items()), *decision.lacking)
        refused = "".join(f"; {one.message}" for one in decision.refused)
        refused += "".join(
            f"; what was signed in entry {one.index} is not here"
            for one in sofar.approvals
            if envelope_of(files, one) is None
        )
        wanted = " and ".join(lacking) or "anybody who was asked"
        yield f"{bundle.ENTRIES}: entry {entry.index} says that it was approved, and it lacked {wanted}{refused}"


def _decided(
    files: Mapping[str, bytes], asked: Entry, approvals: Sequence[Entry], keys: Approvers, at: datetime
) -> Decision:
    """What the approvals before an entry come to for a mandate. Where it was erased who wants and wrote the release,
    signatures, roles and numbers are checked still.
    """
    question = Question.read(asked.release, asked.fact, personal_of(files, asked) or _NOBODY)
    words = (
        Word(envelope, datetime.fromisoformat(one.at), one.index)
        for one in approvals
        if (envelope := envelope_of(files, one)) is not None
    )
    return decide(question, words, keys, at)


def _unopened(files: Mapping[str, bytes], index: Index, asked: Mapping[str, Entry]) -> Iterator[str]:
    """Every opening that is of no mandate here, or does not open the line of the one tenant in it. `asked` are the
    mandates, by the names of their openings.
    """
    for name in sorted(one for one in files if one.startswith(bundle.OPENINGS)):
        try:
            opened = strict_json(files[name])["tenant"]
        except UNFIT:
            yield f"{name}: it is no opening in canonical JSON"
            continue
        mandate = Mandate.read(asked[name].fact) if name in asked else None
        if opened != index.tenant or mandate is None or digest(files[name]) not in mandate.tenants:
            yield f"{name}: it does not open the line of a tenant in the mandate of that entry"
