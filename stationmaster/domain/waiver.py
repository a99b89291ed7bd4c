"""Whether a hotfix may pass what is closed, because its approvers said so over their signatures. It opens nothing.

A waiver is one person's word: that this artifact, as this release, may pass the gate that this entry or this blackout
closed, until an instant. What is closed anew is another gate. Signatures are made by `blocks/signer.py`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from stationmaster.domain import dsse
from stationmaster.domain.approval_statement import PAYLOAD_TYPE, PREDICATE_TYPE, statement_of
from stationmaster.domain.approvers import Approvers, Key, Person
from stationmaster.domain.authors import Authors
from stationmaster.domain.entries import Entry
from stationmaster.domain.passage import Gate, Given, Passage, Unmet, whose

LONGEST = timedelta(hours=72)  # a weekend; whoever needs longer ends the freeze or waits, where everybody sees it
KIND = "hotfix"  # the one kind of release that may
BLACKOUT = "blackout:"  # how the names of gates begin that a calendar closes

_Words = Annotated[str, Field(min_length=1)]


class Terms(BaseModel):
    """What one person signs beside release and artifact. Instants are RFC 3339 UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    gate: _Words
    closed_by: int
    reason: _Words
    ticket: _Words
    until: _Words
    signed: _Words = Field(description="When it was signed, so that a revoked one cannot be given again as it was.")

    def fact(self, digest: str, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """What the ledger keeps."""
        return {**self.model_dump(), "digest": digest, "envelope": dict(envelope)}

    def same(self, fact: Mapping[str, Any]) -> bool:
        """Whether a fact says the same, whenever that was signed."""
        return all(fact.get(name) == value for name, value in self.model_dump(exclude={"signed"}).items())


@dataclass(frozen=True, slots=True)
class Asked:
    """The release that every waiver is held against. `quorum` is what its policy states for waivers, per role; where
    that is nothing, any two are enough. `roles` are those of the quorum, else those that may approve its deploy: each
    signer has one. `starter` is any handle of who started it.
    """

    release: str
    kind: str
    digest: str
    approvers: Approvers
    starter: str
    authors: Authors
    roles: Collection[str]
    quorum: Mapping[str, int] = field(default_factory=dict)


def statement(release: str, digest: str, terms: Terms) -> bytes:
    """What is signed: an in-toto Statement v1 about the artifact, as that of an approval, in canonical bytes."""
    about = {"release": release, "action": "waiver", "mandate": digest, **terms.model_dump()}
    return statement_of(digest, PREDICATE_TYPE, about)


def subject(gate: str, key: str) -> str:
    """What an entry of a waiver is about: `env:production/KEYID`."""
    return f"{gate}/{key}"


def blackouts(entries: Iterable[Entry]) -> frozenset[Gate]:
    """The gates of blackouts that a release's entries have waivers for, whether these count or not."""
    named = ((entry.fact.get("gate"), entry.fact.get("closed_by")) for entry in entries if entry.step == "waived")
    return frozenset(
        Gate(gate, since)
        for gate, since in named
        if isinstance(gate, str) and gate.startswith(BLACKOUT) and isinstance(since, int)
    )


def weigh(entries: Iterable[Entry], gate: Gate, asked: Asked, at: datetime) -> Passage:
    """What the waivers in a release's entries, in order, come to for a gate at an aware instant.

    Raises:
        UnknownStarterError: the starter is nobody we know, so it cannot be told who must not waive.
    """
    words = _standing(entries, gate)
    if not words:
        return Passage((), (), quorum=asked.quorum)
    if barred := _barred(asked):
        return Passage((), (barred,), quorum=asked.quorum)
    starter = asked.approvers.starter(asked.starter).id
    verdicts = [_judged(_Word(entry, revoked, starter, at), asked) for entry, revoked in words]
    best: dict[str, Given] = {}
    for one in verdicts:
        if isinstance(one, Given) and (one.who not in best or best[one.who].until < one.until):
            best[one.who] = one
    refused = dict.fromkeys(one for one in verdicts if isinstance(one, Unmet))
    return Passage(tuple(best.values()), tuple(refused), quorum=asked.quorum)


@dataclass(frozen=True, slots=True)
class _Word:
    """One entry of a waiver, and what it is judged with."""

    entry: Entry
    revoked: bool
    starter: str
    at: datetime


def _standing(entries: Iterable[Entry], gate: Gate) -> list[tuple[Entry, bool]]:
    """The last word of each key about the gate, and whether it was revoked; what was revoked once stays so."""
    last: dict[str, tuple[Entry, bool]] = {}
    dead: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.step == "unwaived" and entry.subject in last:
            given = last[entry.subject][0]
            dead.add(_identity(given))
            last[entry.subject] = (given, True)
        elif entry.step == "waived" and (entry.fact.get("gate"), entry.fact.get("closed_by")) == (
            gate.name,
            gate.closed_by,
        ):
            last[entry.subject] = (entry, _identity(entry) in dead)
    return list(last.values())


def _identity(entry: Entry) -> tuple[str, str]:
    return entry.subject, str(entry.fact.get("signed"))


def _barred(asked: Asked) -> Unmet | None:
    """Why no waiver of this release counts, whoever gave it."""
    if asked.kind != KIND:
        return Unmet.plainly(f"{asked.release} is no hotfix, and only a hotfix may pass")
    if asked.authors.unknown:
        said = "approvers.yaml does not know {}, so who wrote the change, and must not waive for it, is not known"
        return Unmet(said.format(", ".join(asked.authors.unknown)), said.format("each of its authors"))
    return None


def _judged(word: _Word, asked: Asked) -> Given | Unmet:
    """The waiver, or why it does not count."""
    try:
        terms = Terms.model_validate(word.entry.fact)
        end = _Until.model_validate({"until": terms.until}).until
        envelope = dsse.parse(word.entry.fact.get("envelope", ""))
    except (ValueError, TypeError):
        return Unmet.plainly("one cannot be read")
    signer = _signer(envelope, word.entry.subject, terms.gate, asked.approvers)
    if isinstance(signer, Unmet):
        return signer
    person, key = signer
    if (envelope.payload_type, envelope.payload) != (PAYLOAD_TYPE, statement(asked.release, asked.digest, terms)):
        return Unmet.of(person.name, "is for something else than this artifact in this release")
    for broken, message in _RULES:
        if broken(person, key, end, word, asked):
            return Unmet.of(person.name, message)
    return Given(person.id, person.name, word.entry.index, terms.ticket, end, person.roles)


class _Until(BaseModel):
    until: AwareDatetime


def _signer(envelope: dsse.Envelope, about: str, gate: str, approvers: Approvers) -> tuple[Person, Key] | Unmet:
    """Who made the one signature, with which key; or why that is nobody who may."""
    held = {raw: (key, owner) for raw, key, owner in approvers.holders()}
    if len(envelope.signatures) != 1:
        return Unmet.plainly("one does not carry exactly one signature")
    (signature,) = envelope.signatures
    raw = dsse.verified(envelope, signature, held)
    if raw is None or (dsse.key_id(raw), subject(gate, dsse.key_id(raw))) != (signature.keyid, about):
        return Unmet.plainly(
            f"one names a key that did not make it or is not in approvers.yaml, {signature.keyid[:16]}…"
        )
    key, owner = held[raw]
    if isinstance(owner, Person):
        return owner, key
    return Unmet.plainly(f"{whose(owner.id)} is a service's, and services cannot waive")


def _is_revoked(_person: Person, _key: Key, _end: datetime, word: _Word, _asked: Asked) -> bool:
    return word.revoked


def _has_expired(_person: Person, _key: Key, end: datetime, word: _Word, _asked: Asked) -> bool:
    return word.at >= end


def _lasts_too_long(_person: Person, _key: Key, end: datetime, word: _Word, _asked: Asked) -> bool:
    return end > datetime.fromisoformat(word.entry.at) + LONGEST


def _key_is_over(person: Person, key: Key, _end: datetime, word: _Word, _asked: Asked) -> bool:
    return not (person.valid(word.at) and key.valid(word.at))


def _is_starter(person: Person, _key: Key, _end: datetime, word: _Word, _asked: Asked) -> bool:
    return person.id == word.starter


def _is_author(person: Person, _key: Key, _end: datetime, _word: _Word, asked: Asked) -> bool:
    return person.id in asked.authors.people


def _lacks_role(person: Person, _key: Key, _end: datetime, _word: _Word, asked: Asked) -> bool:
    return not set(person.roles) & set(asked.roles)


# In the order in which a person wants to hear of them.
_RULES: tuple[tuple[Callable[[Person, Key, datetime, _Word, Asked], bool], str], ...] = (
    (_is_revoked, "was revoked"),
    (_has_expired, "has expired"),
    (_lasts_too_long, f"lasts longer than {LONGEST.total_seconds() / 3600:.0f} h"),
    (_key_is_over, "is by a person or key that is not valid now"),
    (_is_starter, "does not count: who starts a release cannot waive for it"),
    (_is_author, "does not count: nobody waives for what they wrote"),
    (_lacks_role, "does not count: none of their roles may approve it"),
)
