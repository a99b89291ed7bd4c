"""Whether people fill the places of a quorum, each one place, and whether anybody ever could."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stationmaster.domain.approvers import Approvers, Person
from stationmaster.domain.question import Question

_MOST = 512  # ways of seating people that are followed up at once


class Seated(Protocol):
    """Somebody with roles."""

    @property
    def id(self) -> str: ...

    @property
    def roles(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Seats:
    """The role of each person who has one, by id, and the most that any change lacks of a role."""

    roles: Mapping[str, str]
    missing: Mapping[str, int]


def seat(required: Mapping[str, int], people: Iterable[Seated], changes: Iterable[Collection[str]] = ()) -> Seats:
    """Give each person one role, the same for every change, so that as little as possible is lacking. `changes` are the
    ids of those who wrote each; for what they wrote they do not count.

    Exact dynamic programming over how far each change's places are filled. Of more than 512 ways the fullest are
    followed, so that it never finds a quorum where there is none.
    """
    wrote = list(dict.fromkeys(frozenset(authors) for authors in changes)) or [frozenset[str]()]
    roles = sorted(required)
    full = tuple(required[role] for _ in wrote for role in roles)
    ways: dict[tuple[int, ...], dict[str, str]] = {tuple(0 for _ in full): {}}
    for person in sorted(people, key=lambda one: _usefulness(one, wrote)):
        may = [role for role in roles if role in person.roles]
        found = dict(ways)
        for filled, seats in ways.items():
            for role in may:
                counts = [person.id not in authors and role == other for authors in wrote for other in roles]
                reached = tuple(min(n + more, most) for n, more, most in zip(filled, counts, full, strict=True))
                found.setdefault(reached, {**seats, person.id: role})
        ways = dict(sorted(found.items(), key=lambda one: -sum(one[0]))[:_MOST])
        if full in ways:
            break
    lacks = {filled: _lack(filled, full, roles) for filled in ways}
    best = min(ways, key=lambda filled: sum(lacks[filled].values()))
    return Seats(ways[best], lacks[best])


def _usefulness(person: Seated, wrote: Sequence[Collection[str]]) -> tuple[int, list[bool], tuple[str, ...]]:
    """Who wrote least comes first, and those who can do the same follow each other."""
    own = [person.id in authors for authors in wrote]
    return sum(own), own, person.roles


def _lack(filled: Sequence[int], full: Sequence[int], roles: Sequence[str]) -> dict[str, int]:
    """The most that any change lacks of each role."""
    lack = [most - n for n, most in zip(filled, full, strict=True)]
    worst = {role: max(lack[place :: len(roles)]) for place, role in enumerate(roles)}
    return {role: n for role, n in worst.items() if n}


def impossible(required: Mapping[str, int], approvers: Approvers, at: datetime) -> Mapping[str, int]:
    """What a quorum asks for beyond those who hold its roles at an aware instant; empty when it can be met."""
    return seat(required, [one for one in approvers.people if able(one, at)]).missing


def able(person: Person, at: datetime) -> bool:
    """Whether somebody could approve at an aware instant at all: with a key that is valid, or through a channel."""
    return person.valid(at) and bool(any(key.valid(at) for key in person.keys) or person.github or person.slack)


def beyond_reach(question: Question, approvers: Approvers, at: datetime) -> tuple[str, ...]:
    """Why nobody could ever meet the quorum of a release as it stands, in words that name who is missing; empty when
    somebody can. A release that nobody can approve is told so before anything is built.
    """
    if question.unresolved:
        return tuple(f"{who} wrote some of it and is nobody in approvers.yaml" for who in question.unresolved)
    people = [one for one in approvers.people if able(one, at) and one.id != question.starter]
    found = [_short(question, people, authors) for authors in question.changes.values() or [frozenset()]]
    if not any(found) and (lack := seat(question.required, people, question.changes.values()).missing):
        found.append(f"{_more(lack)}, since nobody counts in two roles")
    if question.aloof and not any(_may(one, question.required) and one.id not in question.authors for one in people):
        found.append("nobody who may approve it wrote nothing of it")
    return tuple(dict.fromkeys(why for why in found if why))


def _short(question: Question, people: Sequence[Person], authors: Iterable[str]) -> str:
    """What one change lacks when everybody approves who may."""
    others = [one for one in people if one.id not in set(authors)]
    lack = seat(question.required, others).missing
    return "; ".join(f"{count} more {role}{_out(role, question, people, authors)}" for role, count in lack.items())


def _more(lack: Mapping[str, int]) -> str:
    return "; ".join(f"{count} more {role}" for role, count in lack.items())


def _out(role: str, question: Question, people: Sequence[Person], authors: Iterable[str]) -> str:
    """Who has the role and may not all the same."""
    wrote = [one.name for one in people if role in one.roles and one.id in set(authors)]
    said = f" ({', '.join(wrote)} wrote some of it)" if wrote else ""
    return said or f" (beside {question.starter}, who starts it)"


def _may(person: Person, required: Mapping[str, int]) -> bool:
    return bool(set(person.roles) & set(required))
