"""Who can do what: the roles that the policy asks for, the people who hold them now, and rules that nobody could meet.

Reads no file. Whether an approval that was given counts is decided elsewhere, each time anew (`approval.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, get_args

from stationmaster.domain import dsse
from stationmaster.domain.approvers import Approvers, Key, Person, Service
from stationmaster.domain.duration import instant
from stationmaster.domain.policy import Action, Rules
from stationmaster.domain.quorum import able, seat

KINDS = ("manual", "train", "hotfix")


@dataclass(frozen=True, slots=True)
class Asked:
    """A quorum that something asks for: people a role. `kind` is of release, None when it is the same for all."""

    action: str
    kind: str | None
    quorum: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Impossible:
    """A quorum that the people in approvers.yaml cannot meet, whoever signs. One person counts once, in one role, so it
    may be that each role has enough holders and all of them together have not.
    """

    asked: Asked
    missing: Mapping[str, int]

    def __str__(self) -> str:
        lacks = " and ".join(f"{count} {role}" for role, count in self.missing.items())
        return f"{_said(self.asked)} cannot be approved: {lacks} too few"


@dataclass(frozen=True)
class Access:
    """Everything that `access list` says, at an aware instant."""

    at: datetime
    people: Sequence[Person]
    services: Sequence[Service]
    asked: Sequence[Asked]
    impossible: Sequence[Impossible]
    holders: Mapping[str, Sequence[str]]  # role to who holds it now
    emergency: str | None

    def record(self) -> dict[str, Any]:
        """The answer of `access list --json`."""
        return {
            "at": instant(self.at),
            "roles": [self._role(role) for role in sorted(self.holders)],
            "emergency": self.emergency,
            "people": [_person(one, self.at) for one in self.people],
            "services": [{"id": one.id, "predicates": list(one.predicates), "keys": _keys(one.keys, self.at)}
                         for one in self.services],
            "impossible": [{**asdict(one.asked), "missing": dict(one.missing)} for one in self.impossible],
        }  # fmt: skip

    def _role(self, role: str) -> dict[str, Any]:
        asks = [
            {"action": one.action, "kind": one.kind, "people": one.quorum[role]}
            for one in self.asked
            if role in one.quorum
        ]
        return {"role": role, "holders": list(self.holders[role]), "asked": asks}


def access(rules: Rules, approvers: Approvers, at: datetime) -> Access:
    """Who can do what at an aware instant under these rules."""
    asked, policy = quorums(rules), rules.policy
    valid = [one for one in approvers.people if _can_approve(one, at, signed=policy.assurance == "signed")]
    roles = {role for one in approvers.people for role in one.roles} | policy.roles() | set(rules.hotfix or ())
    return Access(
        at=at,
        people=approvers.people,
        services=approvers.services,
        asked=asked,
        impossible=[Impossible(one, lacking) for one in asked if (lacking := seat(one.quorum, valid).missing)],
        holders={role: [one.id for one in valid if role in one.roles] for role in roles},
        emergency=policy.emergency.role if policy.emergency else None,
    )


def quorums(rules: Rules) -> list[Asked]:
    """Every quorum that some rule asks for, by action and kind of release; one that is the same for all kinds is listed
    once. Those of `migrate` and `flag` are of a release that changes a schema or flags, its deploy included.
    """
    found: list[Asked] = []
    for action in get_args(Action):
        of = {kind: _quorum(rules, action, kind) for kind in KINDS}
        same = all(each == of["manual"] for each in of.values())
        found += [
            Asked(action, None if same else kind, each)
            for kind, each in of.items()
            if each and (not same or kind == "manual")
        ]
    return found


def text(found: Access) -> str:
    """For a terminal."""
    lines = []
    for role in sorted(found.holders):
        asks = [one for one in found.asked if role in one.quorum]
        said = "; ".join(f"{_said(one)}: {one.quorum[role]}" for one in asks) or "nothing asks for it"
        alone = "; may go ahead alone in an emergency" if role == found.emergency else ""
        lines += [f"{role}: {', '.join(found.holders[role]) or 'nobody'}", f"  {said}{alone}"]
    for person in found.people:
        lines.append(f"{person.id} ({person.name}): {_span(person, found.at)}, {', '.join(person.roles) or 'no role'}")
        lines += [f"  key {dsse.key_id(key.raw)[:16]}… {_span(key, found.at)}" for key in person.keys]
    for service in found.services:
        lines.append(f"{service.id}, a service: may attest {', '.join(service.predicates) or 'nothing'}")
        lines += [f"  key {dsse.key_id(key.raw)[:16]}… {_span(key, found.at)}" for key in service.keys]
    return "\n".join([*lines, *(f"impossible: {one}" for one in found.impossible)])


def _quorum(rules: Rules, action: Action, kind: str) -> dict[str, int]:
    """As the gates ask: a hotfix may have its own quorum for deploy, and who changes a schema or flags also deploys."""
    if action == "deploy":
        return rules.quorum(kind)
    own = rules.policy.quorum(action, kind)
    if own and action in {"migrate", "flag"}:
        return rules.quorum(kind, migrates=action == "migrate", flags=action == "flag")
    return own


def _can_approve(person: Person, at: datetime, *, signed: bool) -> bool:
    """Where only signatures count, who has no valid key holds a role in vain."""
    return able(person, at) and (not signed or any(key.valid(at) for key in person.keys))


def _person(one: Person, at: datetime) -> dict[str, Any]:
    return {
        "id": one.id, "name": one.name, "employer": one.employer or None, "roles": list(one.roles), **_valid(one, at),
        "emails": list(one.emails), "github": one.github, "slack": one.slack, "keys": _keys(one.keys, at),
    }  # fmt: skip


def _keys(keys: Sequence[Key], at: datetime) -> list[dict[str, Any]]:
    return [{"keyid": dsse.key_id(key.raw), **_valid(key, at)} for key in keys]


def _valid(one: Person | Key, at: datetime) -> dict[str, Any]:
    begin, end = one.from_, one.until
    return {"valid": one.valid(at), "from": begin and instant(begin), "until": end and instant(end)}


def _span(one: Person | Key, at: datetime) -> str:
    known = [f"{word} {instant(when)}" for word, when in (("from", one.from_), ("until", one.until)) if when]
    return " ".join(["valid" if one.valid(at) else "not valid", *known])


def _said(one: Asked) -> str:
    kind = f" of a {one.kind} release" if one.kind else ""
    return f"{one.action}{kind} in production"
