"""Whether a change has the reviews that `approvals.change` asks for, from people who did not write it. Pure: what git
and the code host tell is given.

What counts is a reviewer's last word, and only on the head that was merged. Which head a host had received when
somebody spoke is the host's to say; no date that a commit claims is looked at.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from stationmaster.domain.approval import Refusal, Rule
from stationmaster.domain.approvers import Approvers, Person
from stationmaster.domain.authors import beside_the_host, known
from stationmaster.domain.hooks import Host
from stationmaster.domain.quorum import seat

_GONE = "an account that is gone"


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody said of a request; `commit` is the head of which they said it, None where the host does not tell.
    `by` is None when the account is gone.
    """

    by: str | None
    state: Literal["approved", "changes_requested", "commented", "dismissed"]
    commit: str | None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Writer:
    """Somebody who had a part in a change: as git calls them (`Name <address>`), by their account at the host, or
    both. Neither: an account that is gone.
    """

    written: str = ""
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A merged pull or merge request as its host tells of it: `head` is what was merged, `reviews` are in their order,
    `writers` whoever opened it, pushed to it or wrote a commit of it. With any of `gaps` nobody may conclude from what
    is absent.
    """

    host: Host
    number: int
    head: str
    merged_at: datetime
    writers: tuple[Writer, ...]
    reviews: tuple[Review, ...]
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What came into the branch by one commit: who is named in git for all that came with it, and by which request it
    came; `why` says why none is known.
    """

    commit: str
    authors: tuple[str, ...]
    request: Request | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the reviews of a change go. `given` maps who counts to the role, `missing` is what roles lack, `lacking`
    what else does, in words; nothing makes up for that.
    """

    commit: str
    number: int | None
    given: Mapping[str, str]
    refused: tuple[Refusal, ...]
    missing: Mapping[str, int]
    lacking: tuple[str, ...]

    @property
    def satisfied(self) -> bool:
        return not self.missing and not self.lacking

    def __str__(self) -> str:
        """What the change lacks, in one line."""
        said = [f"refused: {one.message}" for one in self.refused]
        return f"{self._name}: {'; '.join((*self.lacking, *self._wanted, *said))}"

    @property
    def unnamed(self) -> str:
        """The same where nobody may be named: whom nobody knows is a refusal too."""
        named = {one.message for one in self.refused}
        rules = ", ".join(dict.fromkeys(one.rule for one in self.refused))
        said = [f"refused by rule: {rules}"] if rules else []
        return f"{self._name}: {'; '.join((*(one for one in self.lacking if one not in named), *self._wanted, *said))}"

    @property
    def _name(self) -> str:
        return f"#{self.number}" if self.number is not None else self.commit[:12]

    @property
    def _wanted(self) -> list[str]:
        return [f"{count} more review by a {role}" for role, count in self.missing.items()]


def weigh(change: Change, quorum: Mapping[str, int], approvers: Approvers) -> Standing:
    """Count the reviews of one change. One person counts once, in one role."""
    if change.request is None:
        return Standing(change.commit, None, {}, (), dict(quorum), (change.why or "nobody knows by what it came",))
    authors, unknown = _authors(change, change.request, approvers)
    verdicts = [_judge(one, change.request, authors, quorum, approvers) for one in _last_words(change.request.reviews)]
    people = [one for one in verdicts if isinstance(one, Person)]
    refused = [one for one in verdicts if isinstance(one, Refusal)]
    refused += [_refused(None, "unresolved_author", _nobody(who)) for who in unknown]
    seats = seat(quorum, people)
    return Standing(
        change.commit, change.request.number, seats.roles, tuple(refused), seats.missing,
        (*change.request.gaps, *(_nobody(who) for who in unknown)),
    )  # fmt: skip


def _last_words(reviews: Iterable[Review]) -> Iterator[Review]:
    """Of each account its last approval or objection, when that is an approval. A comment takes nothing back, and a
    host changes what is dismissed into that.
    """
    last: dict[str, Review] = {}
    for number, review in enumerate(reviews):
        if review.state != "commented":
            last[review.by.lower() if review.by else f"gone {number}"] = review
    return (review for review in last.values() if review.state == "approved")


def _judge(
    review: Review, request: Request, authors: frozenset[str], quorum: Mapping[str, int], approvers: Approvers
) -> Person | Refusal:
    """Who approved, or the first rule that refuses it."""
    if service := _service(request.host, review.by, approvers):
        return _refused(service, "service_account", f"{service} is a service; services cannot approve")
    person = approvers.by_channel(request.host, review.by or "")
    if person is None:
        who = review.by or _GONE
        return _refused(None, "unknown_key", f"{who} at {request.host} is nobody in approvers.yaml")
    said = _broken(person, review, request, authors, quorum)
    return person if said is None else _refused(person.id, said[0], f"{person.name}: {said[1]}")


def _broken(
    person: Person, review: Review, request: Request, authors: frozenset[str], quorum: Mapping[str, int]
) -> tuple[Rule, str] | None:
    """In the order in which a person wants to hear of them."""
    if not person.valid(review.at or request.merged_at):
        return "expired_key", "was not valid then"
    if review.commit is None:
        return "superseded", "the host does not tell which commit was approved"
    if review.commit != request.head:
        return "superseded", f"approved {review.commit[:12]}, and {request.head[:12]} was merged"
    if person.id in authors:
        return "author", "nobody approves what they wrote"
    if not set(person.roles) & set(quorum):
        return "role", "has none of the roles that are asked"
    return None


def _authors(change: Change, request: Request, approvers: Approvers) -> tuple[frozenset[str], tuple[str, ...]]:
    """The people who had a part in it, and whom nobody knows. Whoever is known by an account is known by the name that
    stands in the same commit, too.
    """
    written = (Writer(name) for name in beside_the_host(change.authors))
    found: dict[str, set[str]] = {}
    for writer in (*written, *_beside_the_host(request.writers)):
        name = writer.written or writer.account or _GONE
        found.setdefault(name.lower(), set()).update(_resolved(writer, request.host, approvers))
    people = frozenset(one for ids in found.values() for one in ids)
    return people, tuple(sorted(name for name, ids in found.items() if not ids))


def _beside_the_host(writers: Iterable[Writer]) -> Iterator[Writer]:
    """The host's own page wrote nothing, when somebody else is named at all: who opened a request always is."""
    listed = tuple(writers)
    kept = set(beside_the_host(tuple(one.written for one in listed)))
    return (one for one in listed if one.written in kept)


def _resolved(writer: Writer, host: Host, approvers: Approvers) -> Iterator[str]:
    """Ids of people and services. An account is known by that of approvers.yaml alone: it might be called like
    somebody.
    """
    if writer.written:
        yield from (one.id for one in known(writer.written, approvers))
    if writer.account and (person := approvers.by_channel(host, writer.account)):
        yield person.id
    if service := _service(host, writer.account, approvers):
        yield service


def _service(host: Host, account: str | None, approvers: Approvers) -> str | None:
    """The service of approvers.yaml that has the account."""
    called = account.lower() if account and host == "github" else None
    return next((one.id for one in approvers.services if one.github and one.github.lower() == called), None)


def _refused(who: str | None, rule: Rule, message: str) -> Refusal:
    return Refusal(who, rule, message)


def _nobody(who: str) -> str:
    return f"{who} wrote some of it and is nobody in approvers.yaml"
