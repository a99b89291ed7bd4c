"""Whether the approvals that were given are enough for what is asked. Pure: who signed what is given.

What they sign is `domain/mandate.py`, who they are `domain/approvers.py`, how many it takes `domain/policy.py`.
Approvals are made by `blocks/signer.py` and the channels, and kept by the ledger.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from stationmaster.domain import dsse
from stationmaster.domain.approval_statement import PAYLOAD_TYPE, Said, said_in
from stationmaster.domain.approvers import Approvers, Key, Person, Service
from stationmaster.domain.entries import Entry
from stationmaster.domain.question import Question
from stationmaster.domain.quorum import seat

Rule = Literal[
    "author", "starter", "role", "expired_key", "unknown_key", "signature", "mandate", "superseded", "same_person",
    "service_account", "assurance", "unresolved_author",
]  # fmt: skip
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True)
class Word:
    """One approval as it was recorded: when, in which entry, and the DSSE envelope."""

    envelope: str | bytes | Mapping[str, Any]
    at: datetime
    entry: int | None = None


@dataclass(frozen=True)
class Approval:
    """An approval that counts: whose, in which of the person's roles, and how sure it is that it was them."""

    who: str
    role: str
    said: Said
    key: str
    word: Word


@dataclass(frozen=True)
class Refusal:
    """An approval that does not count and the rule that refused it; `who` is None when it proves nobody."""

    who: str | None
    rule: Rule
    message: str
    entry: int | None = None


@dataclass(frozen=True)
class Decision:
    """Whether the quorum is reached. `missing` is what each role still lacks, `lacking` what else does, in words.
    `alone` is the emergency approval that makes up for all of it.
    """

    given: tuple[Approval, ...]
    refused: tuple[Refusal, ...]
    required: Mapping[str, int]
    missing: Mapping[str, int]
    lacking: tuple[str, ...] = ()
    alone: Approval | None = None

    @property
    def met(self) -> bool:
        """Whether the quorum is reached. One of nobody never is."""
        return bool(self.required) and not self.missing and not self.lacking

    @property
    def satisfied(self) -> bool:
        """The quorum is reached, or somebody who may goes ahead alone."""
        return self.alone is not None or self.met

    @property
    def counting(self) -> tuple[Approval, ...]:
        """Those by which it is satisfied."""
        return self.given if self.met or self.alone is None else (self.alone,)


def is_for(approval: Entry, act: str) -> bool:
    """Whether an entry of an approval says that it is for that act: of a deploy, also an emergency. What was signed
    decides whether it counts.
    """
    said = approval.fact.get("action", "deploy")
    return bool(said == "contract") == (act == "contract")


def decide(question: Question, words: Iterable[Word], approvers: Approvers, at: datetime) -> Decision:
    """Count the approvals of a release as the rules stand at the aware instant `at`.

    One person counts once, in one role, and for no change that they wrote: each change needs the whole quorum from
    others. Unless the policy says otherwise, one signer of the release must have written nothing in it.
    """
    counted: dict[str, _Heard] = {}
    refused: list[Refusal] = []
    alone: list[_Heard] = []
    for verdict in (_judged(word, question, approvers, at) for word in words):
        if isinstance(verdict, Refusal):
            refused.append(verdict)
        elif verdict.said.action == "emergency":
            alone.append(verdict)
        elif verdict.person.id in counted:
            refused.append(_refusal(verdict, "same_person", "has approved already"))
        else:
            counted[verdict.person.id] = verdict
    return _counted(question, list(counted.values()), refused, alone)


@dataclass(frozen=True)
class _Heard:
    """An approval that breaks no rule of its own."""

    person: Person
    said: Said
    key: str
    word: Word


def _counted(question: Question, heard: Sequence[_Heard], refused: list[Refusal], alone: Sequence[_Heard]) -> Decision:
    people = [one.person for one in heard]
    free = [one for one in people if one.id not in question.authors]
    useless = {one.id for one in people if _helps_nowhere(one, question) or (question.aloof and not free)}
    refused += [_refusal(one, "author", _WROTE) for one in heard if one.person.id in useless]
    refused += [Refusal(None, "unresolved_author", f"{who} wrote some of it and is nobody in approvers.yaml")
                for who in question.unresolved]  # fmt: skip
    counting = [one for one in people if one.id not in useless]
    seats = seat(question.required, counting, question.changes.values())
    lacking = [_ALOOF] if question.aloof and counting and not free else []
    lacking += [f"a person in approvers.yaml for {who}" for who in question.unresolved]
    return Decision(
        given=tuple(
            _approval(one, seats.roles.get(one.person.id) or _first_role(one.person, question.required))
            for one in heard
            if one.person.id not in useless
        ),
        refused=tuple(refused),
        required=dict(question.required),
        missing=seats.missing,
        lacking=tuple(lacking),
        alone=next((_approval(one, question.emergency or "") for one in alone), None),
    )


def _helps_nowhere(person: Person, question: Question) -> bool:
    """Whether they wrote all of it."""
    return bool(question.changes) and all(person.id in authors for authors in question.changes.values())


_WROTE = "nobody approves what they wrote"
_ALOOF = "a signer who wrote nothing of it"


def _approval(heard: _Heard, role: str) -> Approval:
    return Approval(heard.person.id, role, heard.said, heard.key, heard.word)


def _refusal(heard: _Heard, rule: Rule, message: str) -> Refusal:
    return Refusal(heard.person.id, rule, f"{heard.person.name}: {message}", heard.word.entry)


def signer_of(envelope: Mapping[str, Any], said: Said, approvers: Approvers) -> Person | None:
    """Whose approval it is, whether it counts or not: by the key, or whom a channel names. None where nobody can tell,
    and of an envelope with more signatures than one.
    """
    found = dsse.parse(envelope)
    held = {raw: owner for raw, _, owner in approvers.holders()}
    raws = [dsse.verified(found, one, held) for one in found.signatures]
    owner = held[raws[0]] if len(raws) == 1 and raws[0] is not None else None
    if isinstance(owner, Service) and said.channel is not None and owner.attests_approvals:
        return approvers.by_channel(said.channel, said.by or "")
    return owner if isinstance(owner, Person) else None


def _judged(word: Word, question: Question, approvers: Approvers, at: datetime) -> _Heard | Refusal:
    try:
        envelope = dsse.parse(word.envelope)
    except dsse.MalformedError as error:
        return Refusal(None, "signature", f"the envelope cannot be read: {error}", word.entry)
    if len(envelope.signatures) != 1:
        number = len(envelope.signatures) or "no"
        return Refusal(None, "signature", f"the envelope carries {number} signatures; an approval has one", word.entry)
    return _judge(envelope, envelope.signatures[0], _Asked(question, approvers, at, word))


@dataclass(frozen=True)
class _Asked:
    """The question every approval is held against, and when."""

    question: Question
    approvers: Approvers
    at: datetime
    word: Word

    def valid(self, one: Person | Key) -> bool:
        """Whether somebody or a key may be used both when the approval came and now."""
        return one.valid(self.at) and one.valid(self.word.at)

    def refuse(self, who: str | None, rule: Rule, message: str) -> Refusal:
        return Refusal(who, rule, message, self.word.entry)


def _judge(envelope: dsse.Envelope, signature: dsse.Signature, asked: _Asked) -> _Heard | Refusal:
    """Who approved, or the rule that refuses it. Until a key has verified it, it proves nobody."""
    held = {raw: (key, owner) for raw, key, owner in asked.approvers.holders()}
    raw = dsse.verified(envelope, signature, held)
    if raw is None or dsse.key_id(raw) != signature.keyid:
        return _unproved(signature.keyid, held, asked)
    key, owner = held[raw]
    said = said_in(envelope.payload, asked.question.digest) if envelope.payload_type == PAYLOAD_TYPE else None
    person = _channelled(owner, key, said, asked) if isinstance(owner, Service) else owner
    if isinstance(person, Refusal):
        return person
    if said is None or (isinstance(owner, Person) and said.assurance != "signed"):
        return asked.refuse(person.id, "mandate", f"{person.name}: {_OTHER}")
    if not asked.valid(person) or not asked.valid(key):
        return asked.refuse(person.id, "expired_key", f"{person.name}: the person or the key was not valid then")
    for rule, broken, message in _RULES:
        if broken(person, said, asked.question):
            return asked.refuse(person.id, rule, f"{person.name}: {message}")
    return _Heard(person, said, signature.keyid, asked.word)


def _unproved(keyid: str, held: Iterable[bytes], asked: _Asked) -> Refusal:
    if keyid in {dsse.key_id(raw) for raw in held}:
        return asked.refuse(None, "signature", f"the signature does not verify with the key it names, {keyid[:16]}…")
    return asked.refuse(None, "unknown_key", f"no key in approvers.yaml made this signature; it names {keyid[:16]}…")


def _channelled(service: Service, key: Key, said: Said | None, asked: _Asked) -> Person | Refusal:
    """Whom a service attests to have approved through a channel. Itself it approves nothing."""
    if said is None or said.channel is None or not service.attests_approvals or not asked.valid(key):
        return asked.refuse(service.id, "service_account", f"{service.id} is a service; services cannot approve")
    person = asked.approvers.by_channel(said.channel, said.by or "")
    if person is None:
        return asked.refuse(None, "unknown_key", f"who approved in {said.channel} is nobody in approvers.yaml")
    return person


_OTHER = "something else was signed than what is asked for this artifact by this release"


def _is_other(_person: Person, said: Said, question: Question) -> bool:
    return said.release != question.release or said.action not in {question.act, "emergency"} or (
        said.mandate != question.mandate and said.mandate not in question.earlier
    )  # fmt: skip


def _is_superseded(_person: Person, said: Said, question: Question) -> bool:
    return said.mandate != question.mandate


def _is_weak(_person: Person, said: Said, question: Question) -> bool:
    return said.assurance != "signed" and (question.assurance == "signed" or said.action == "emergency")


def _is_starter(person: Person, said: Said, question: Question) -> bool:
    return said.action != "emergency" and person.id == question.starter


def _lacks_role(person: Person, said: Said, question: Question) -> bool:
    if said.action == "emergency":
        return question.emergency not in person.roles
    return not set(person.roles) & set(question.required)


# In the order in which a person wants to hear of them.
_RULES: tuple[tuple[Rule, Callable[[Person, Said, Question], bool], str], ...] = (
    ("mandate", _is_other, _OTHER),
    ("superseded", _is_superseded, "the mandate that was signed is not the one that is asked for any more"),
    ("assurance", _is_weak, "the policy asks for a signature by a key of one's own"),
    ("starter", _is_starter, "who starts a release cannot approve it"),
    ("role", _lacks_role, "has none of the roles that are asked"),
)


def _first_role(person: Person, required: Mapping[str, int]) -> str:
    return next(role for role in person.roles if role in required)
