"""Who wrote what a release brings, among the people of approvers.yaml. It does not decide what an author may not do.

Git's own word is taken: author, committer and co-authors of each commit, by address and by name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stationmaster.domain.approvers import Approvers, Person
from stationmaster.domain.artifact import Change, Cut

# The committer of what is merged on the host's own page: it wrote nothing, and whoever did is named beside it.
_HOSTS = frozenset({"noreply@github.com"})
_HIDDEN = re.compile(r"(?:\d+\+)?([\w-]+)@users\.noreply\.github\.com", re.IGNORECASE)  # the address is the account's


@dataclass(frozen=True, slots=True)
class Authors:
    """Ids of the people who wrote something of it, and whom nobody knows, as git calls them, sorted."""

    people: frozenset[str]
    unknown: tuple[str, ...]


def authors_of(cut: Cut, approvers: Approvers) -> Authors:
    """Who wrote the changes of a release; of one that brings nothing new, its commit."""
    people, unknown = set[str](), set[str]()
    for change in cut.changes or (cut.commit,):
        for author in _named(change):
            found = {person.id for person in _known(author, approvers)}
            people |= found
            unknown |= set() if found else {author}
    return Authors(frozenset(people), tuple(sorted(unknown)))


def _named(change: Change) -> tuple[str, ...]:
    """Who is named for it beside the host; the host where nobody else is, so that it is nobody's by no trick."""
    return tuple(one for one in change.authors if _address(one).lower() not in _HOSTS) or change.authors


def _known(author: str, approvers: Approvers) -> Iterator[Person]:
    address = _address(author)
    hidden = _HIDDEN.fullmatch(address)
    for handle in (address, hidden[1] if hidden else "", author.rpartition("<")[0]):
        if handle.strip() and (person := approvers.person(handle)):
            yield person


def _address(author: str) -> str:
    """`Name <address>` → the address; what is written otherwise is taken for one."""
    return author.rpartition("<")[2].rstrip("> ").strip()
