"""What an approver of a release signs, and whether the signatures given are enough.

Who the approvers are is `domain/approvers.py`; signatures are made by `blocks/signer.py` and kept by the ledger.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import rfc8785

from stationmaster.domain import dsse
from stationmaster.domain.approvers import Approvers, Key, Person, Service

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://stationmaster.dev/approval/v1"

Rule = Literal[
    "starter", "role", "expired_key", "unknown_key", "signature", "mandate", "same_person", "service_account"
]


@dataclass(frozen=True)
class Approval:
    """A signature that counts: who gave it, with which key, in which of the person's roles."""

    who: str
    key: str
    role: str


@dataclass(frozen=True)
class Refusal:
    """A signature that does not count and the rule that refused it; `who` is None when it proves nobody."""

    who: str | None
    rule: Rule
    message: str


@dataclass(frozen=True)
class Decision:
    """Whether the quorum is reached. `missing` is what each role still lacks."""

    given: tuple[Approval, ...]
    refused: tuple[Refusal, ...]
    required: Mapping[str, int]
    missing: Mapping[str, int]

    @property
    def satisfied(self) -> bool:
        """Nothing is missing. A quorum of nobody is never reached."""
        return bool(self.required) and not self.missing


def statement(release: str, digest: str, mandate: str | None = None) -> bytes:
    """What an approver of a deploy signs: an in-toto Statement v1 about the artifact, in canonical bytes.

    `digest` is that of the artifact. `mandate` is what else the approval is bound to; until plans carry one
    (`evidence.md`) it is the artifact's digest.
    """
    return rfc8785.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": "artifact", "digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {"release": release, "action": "deploy", "mandate": mandate or digest},
        }
    )


def decide(
    *,
    required: Mapping[str, int],
    approvers: Approvers,
    starter: str,
    envelopes: Iterable[str | bytes | Mapping[str, Any]],
    release: str,
    digest: str,
    at: datetime,
    mandate: str | None = None,
) -> Decision:
    """Count the signatures on the deploy of `digest` as `release`, as the rules stand at `at`.

    `required` is the quorum per role; `starter` any handle of who started. One person counts once, in one role.

    Raises:
        UnknownStarterError: the starter is nobody we know, so it cannot be told who must not approve.
    """
    asked = _Asked(required, approvers, approvers.starter(starter).id, statement(release, digest, mandate), at)
    counted: dict[str, tuple[Person, bytes]] = {}
    refused: list[Refusal] = []
    for envelope in envelopes:
        for verdict in _judged(envelope, asked):
            if isinstance(verdict, Refusal):
                refused.append(verdict)
            elif verdict[0].id in counted:
                refused.append(Refusal(verdict[0].id, "same_person", f"{verdict[0].name} has signed already"))
            else:
                counted[verdict[0].id] = verdict
    roles = _assign(required, [person for person, _ in counted.values()])
    return Decision(
        given=tuple(
            Approval(who, dsse.key_id(raw), roles.get(who) or _first_role(person, required))
            for who, (person, raw) in counted.items()
        ),
        refused=tuple(refused),
        required=dict(required),
        missing=_missing(required, roles),
    )


@dataclass(frozen=True)
class _Asked:
    """The question every signature is held against."""

    required: Mapping[str, int]
    approvers: Approvers
    starter: str
    payload: bytes
    at: datetime


def _judged(given: str | bytes | Mapping[str, Any], asked: _Asked) -> list[tuple[Person, bytes] | Refusal]:
    try:
        envelope = dsse.parse(given)
    except dsse.MalformedError as error:
        return [Refusal(None, "signature", f"the envelope cannot be read: {error}")]
    if not envelope.signatures:
        return [Refusal(None, "signature", "the envelope carries no signature")]
    return [_judge(envelope, signature, asked) for signature in envelope.signatures]


def _judge(envelope: dsse.Envelope, signature: dsse.Signature, asked: _Asked) -> tuple[Person, bytes] | Refusal:
    """Who made a signature, or the rule that refuses it. Until a key has verified it, it proves nobody."""
    held = {raw: (key, owner) for raw, key, owner in asked.approvers.holders()}
    raw = dsse.verified(envelope, signature, held)
    if raw is None or dsse.key_id(raw) != signature.keyid:
        return _unproved(signature.keyid, held)
    key, owner = held[raw]
    if isinstance(owner, Service):
        return Refusal(owner.id, "service_account", f"{owner.id} is a service; services cannot approve")
    for rule, broken, message in _RULES:
        if broken(owner, key, envelope, asked):
            return Refusal(owner.id, rule, f"{owner.name}: {message}")
    return owner, raw


def _unproved(keyid: str, held: Iterable[bytes]) -> Refusal:
    if keyid in {dsse.key_id(raw) for raw in held}:
        return Refusal(None, "signature", f"the signature does not verify with the key it names, {keyid[:16]}…")
    return Refusal(None, "unknown_key", f"no key in approvers.yaml made this signature; it names {keyid[:16]}…")


def _is_other_statement(_person: Person, _key: Key, envelope: dsse.Envelope, asked: _Asked) -> bool:
    return (envelope.payload_type, envelope.payload) != (PAYLOAD_TYPE, asked.payload)


def _is_expired(person: Person, key: Key, _envelope: dsse.Envelope, asked: _Asked) -> bool:
    return not (person.valid(asked.at) and key.valid(asked.at))


def _is_starter(person: Person, _key: Key, _envelope: dsse.Envelope, asked: _Asked) -> bool:
    return person.id == asked.starter


def _lacks_role(person: Person, _key: Key, _envelope: dsse.Envelope, asked: _Asked) -> bool:
    return not set(person.roles) & set(asked.required)


# In the order in which a person wants to hear of them.
_RULES: tuple[tuple[Rule, Callable[[Person, Key, dsse.Envelope, _Asked], bool], str], ...] = (
    ("expired_key", _is_expired, "the person or the key was not valid at that time"),
    ("mandate", _is_other_statement, "something else was signed than the deploy of this artifact by this release"),
    ("starter", _is_starter, "who starts a release cannot approve it"),
    ("role", _lacks_role, "has none of the roles that are asked"),
)


def _assign(required: Mapping[str, int], people: Sequence[Person]) -> dict[str, str]:
    """One role per person so that as many places as possible are filled (augmenting paths; Kuhn 1955)."""
    places = [(role, number) for role in sorted(required) for number in range(required[role])]
    taken: dict[tuple[str, int], Person] = {}

    def seat(person: Person, tried: set[tuple[str, int]]) -> bool:
        for place in places:
            if place[0] in person.roles and place not in tried:
                tried.add(place)
                if place not in taken or seat(taken[place], tried):
                    taken[place] = person
                    return True
        return False

    for person in people:
        seat(person, set())
    return {person.id: role for (role, _), person in taken.items()}


def _first_role(person: Person, required: Mapping[str, int]) -> str:
    return next(role for role in person.roles if role in required)


def _missing(required: Mapping[str, int], roles: Mapping[str, str]) -> dict[str, int]:
    filled = list(roles.values())
    return {role: count - filled.count(role) for role, count in required.items() if filled.count(role) < count}
