"""What an emergency owes afterwards: somebody else looks at it, by a signature, within the time that the policy gives.

Whether an emergency approval lets a release pass is `approval.py`'s. One that was refused owes nothing; any other does,
whatever became of its release.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from stationmaster.domain import dsse
from stationmaster.domain.approval_statement import PAYLOAD_TYPE, PREDICATE_TYPE, statement_of
from stationmaster.domain.approvers import Approvers, Key, Person, Service
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry

Verdict = Literal["justified", "unjustified"]
Owner = Person | Service

_WENT_ON = frozenset({"approved", "passed", "expanding", "deployed"})


@dataclass(frozen=True, slots=True)
class Review:
    """One emergency approval and the look that is owed for it. `who` is the id of who went ahead, None where nobody
    can tell whose the key was; `verdict` is None while nobody has looked.
    """

    awaited: ClassVar[str] = "review"

    release: str
    entry: int
    who: str | None
    ticket: str
    reason: str
    since: datetime
    due: datetime
    verdict: Verdict | None = None

    def owed(self, now: datetime) -> bool:  # noqa: ARG002 - as other debts, some of which end by themselves
        """Whether nobody has looked at it."""
        return self.verdict is None

    def overdue(self, now: datetime) -> bool:
        """Whether it is owed though its time is over; then it blocks the next train."""
        return self.owed(now) and now >= self.due

    def unnamed(self, now: datetime) -> str:
        """How it stands, where nobody may be named."""
        return replace(self, who=None).said(now)

    def said(self, now: datetime) -> str:
        """How it stands, for people."""
        what = f"the emergency of {self.release} ({self.ticket}: {self.reason})"
        if self.verdict is not None:
            return f"{what} was reviewed: {self.verdict}"
        what = f"{what}, in which {self.who or 'somebody'} went ahead alone at {instant(self.since)}, is not reviewed"
        if self.overdue(now):
            return f"{what}; it was due at {instant(self.due)} and blocks the next train"
        return f"{what}; it is due at {instant(self.due)}, by somebody else"


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds keys `now`, and everybody who was ratified `before`, oldest first. Taking a key out of the file makes
    nobody somebody else.
    """

    now: Approvers
    before: tuple[Approvers, ...] = ()

    def of(self, keyid: str) -> list[Owner]:
        """Everybody who has or had the key, the newest first."""
        known = (self.now, *reversed(self.before))
        return [owner for one in known for raw, _, owner in one.holders() if dsse.key_id(raw) == keyid]

    def names(self, keyid: str) -> frozenset[str]:
        """Every name that goes or went with the key."""
        return frozenset(name for owner in self.of(keyid) for name in owner.handles)


def reviews(entries: Sequence[Entry], approvers: Holders, within: int) -> list[Review]:
    """What each emergency of a release owes, oldest first. `entries` are all of it, in order; `within` are seconds."""
    every = [one for one in entries if is_emergency(one)]
    given = [one for one in every if not _came_to_nothing(one, entries)]
    for approved in entries:
        if approved.step == "approved" and approved.fact.get("emergency") and not _before(given, approved):
            given += _before(every, approved)  # it was refused, and later it counted
    return [_review(one, entries, approvers, within) for one in given]


def _before(emergencies: Iterable[Entry], entry: Entry) -> list[Entry]:
    return [one for one in emergencies if one.index < entry.index]


def is_emergency(entry: Entry) -> bool:
    """Whether somebody went ahead alone by it."""
    return entry.step == "approval" and entry.fact.get("action") == "emergency"


def statement(approval: Entry, verdict: Verdict, reason: str) -> bytes:
    """What whoever looked at an emergency signs: an in-toto statement about its artifact, in canonical bytes."""
    fact = approval.fact
    predicate = {
        "release": approval.release, "action": "review", "mandate": fact["mandate"], "entry": approval.index,
        "verdict": verdict, "reason": reason,
    }  # fmt: skip
    return statement_of(fact["digest"], PREDICATE_TYPE, predicate)


def refusal(reviewed: Mapping[str, Any], approval: Entry, approvers: Holders, at: datetime) -> str | None:
    """Why a review does not count, by the fact of its entry and the aware instant of it; None when it does."""
    held = {dsse.key_id(raw): (raw, key, owner) for raw, key, owner in approvers.now.holders()}
    try:
        envelope = dsse.parse(reviewed["envelope"])
        (signature,) = envelope.signatures
        signed = statement(approval, reviewed["verdict"], reviewed["reason"])
    except (ValueError, KeyError, TypeError):
        return "it cannot be read"
    if signature.keyid not in held or dsse.verified(envelope, signature, [held[signature.keyid][0]]) is None:
        return "no key in approvers.yaml made this signature"
    if (envelope.payload_type, envelope.payload) != (PAYLOAD_TYPE, signed):
        return "something else was signed than a review of this emergency"
    _, key, owner = held[signature.keyid]
    return _of_owner(owner, key, at) or _of_somebody_else(owner, signature.keyid, approval, approvers)


def _of_owner(owner: Owner, key: Key, at: datetime) -> str | None:
    if not isinstance(owner, Person):
        return "services cannot review"
    if not (owner.valid(at) and key.valid(at)):
        return f"{owner.name}: the person or the key was not valid at that time"
    if not owner.roles:
        return f"{owner.name} has no role in approvers.yaml"
    return None


def _of_somebody_else(owner: Owner, keyid: str, approval: Entry, approvers: Holders) -> str | None:
    """A person may have several keys, and had names and keys that the file does not tell any more."""
    went_ahead = approvers.names(approval.subject)
    if not went_ahead:
        return _UNKNOWN
    if went_ahead & (approvers.names(keyid) | {*owner.handles}):
        return f"{getattr(owner, 'name', owner.id)} went ahead alone, and somebody else must look at it"
    return None


_UNKNOWN = (
    "nobody can tell who went ahead alone, so nobody can be told to be somebody else; the key of the emergency must "
    "stand in approvers.yaml again, by `approvals ratify`; with an `until` it may not be used any more"
)


def _review(approval: Entry, entries: Iterable[Entry], approvers: Holders, within: int) -> Review:
    since = datetime.fromisoformat(approval.at)
    return Review(
        release=approval.release,
        entry=approval.index,
        who=next((owner.id for owner in approvers.of(approval.subject)), None),
        ticket=approval.fact["ticket"],
        reason=approval.fact["reason"],
        since=since,
        due=since + timedelta(seconds=within),
        verdict=next((one.fact["verdict"] for one in _counting(approval, entries, approvers)), None),
    )


def _came_to_nothing(approval: Entry, entries: Iterable[Entry]) -> bool:
    """Whether it was refused before the release went on. A later refusal, because something else is to be signed by
    then, does not undo what was done by it.
    """
    for entry in entries:
        if entry.index > approval.index and entry.step in _WENT_ON:
            return False
        if entry.step == "refused" and entry.fact["entry"] == approval.index:
            return True
    return False


def _counting(approval: Entry, entries: Iterable[Entry], approvers: Holders) -> Iterator[Entry]:
    for entry in entries:
        about = entry.step == "reviewed" and entry.index > approval.index and entry.fact.get("entry") == approval.index
        if about and refusal(entry.fact, approval, approvers, datetime.fromisoformat(entry.at)) is None:
            yield entry
