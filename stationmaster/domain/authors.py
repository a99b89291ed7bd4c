"""Who wrote what a release brings, among the people of approvers.yaml. It does not decide what an author may not do.

Git's own word is taken: author, committer and co-authors of each commit, by address and by name. Co-authors are looked
for in the whole message: git itself knows only those of its last paragraph, spelt as it spells them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stationmaster.domain.approvers import Approvers, Person, Service
from stationmaster.domain.artifact import Cut

# The committer of what is merged on the host's own page: it wrote nothing, and whoever did is named beside it.
_HOSTS = frozenset({"noreply@github.com"})
# Wherever in the message and however it is spelt: who hides as an author could approve what they wrote.
_SAID = r"[ \t>*-]*co-?authored-?by[ \t]*:"
_CO_AUTHOR = re.compile(rf"^{_SAID}(?P<who>.*(?:\n(?!{_SAID})[ \t]+.*)*)", re.IGNORECASE | re.MULTILINE)
_HIDDEN = re.compile(
    r"(?:\d+\+)?([\w-]+(?:\[bot\])?)@users\.noreply\.github\.com", re.IGNORECASE
)  # the address is the account's


@dataclass(frozen=True, slots=True)
class Authors:
    """Each change of a release, by commit, with the ids of the people who wrote something of it; and whom nobody knows,
    as git calls them, sorted.
    """

    changes: Mapping[str, frozenset[str]]
    unknown: tuple[str, ...]

    @property
    def people(self) -> frozenset[str]:
        """Who wrote something of any."""
        return frozenset(one for people in self.changes.values() for one in people)


def authors_of(cut: Cut, approvers: Approvers) -> Authors:
    """Who wrote the changes of a release; of one that brings nothing new, its commit. A service is known and nobody."""
    changes, unknown = dict[str, frozenset[str]](), set[str]()
    for change in cut.changes or (cut.commit,):
        found = {author: known(author, approvers) for author in beside_the_host(change.authors)}
        changes[change.commit] = frozenset(one.id for each in found.values() for one in each if isinstance(one, Person))
        unknown |= {author for author, each in found.items() if not each}
    return Authors(changes, tuple(sorted(unknown)))


def co_authors(message: str) -> Iterator[tuple[str, str]]:
    """Name and address of everybody whom a commit message names as having written it too, wherever it does. Whoever is
    named without an address is named all the same.
    """
    for found in _CO_AUTHOR.finditer(message):
        name, _, rest = " ".join(found["who"].split()).partition("<")
        address = rest.partition(">")[0].strip()
        if name.strip() or address:
            yield name.strip(), address


def beside_the_host(authors: tuple[str, ...]) -> tuple[str, ...]:
    """Who is named beside the host; the host where nobody else is, so that it is nobody's by no trick."""
    return tuple(one for one in authors if _address(one).lower() not in _HOSTS) or authors


def known(author: str, approvers: Approvers) -> list[Person | Service]:
    """Everybody who goes by the address or by the name: who claims a second one is taken for both. A service is known
    by its address alone, or whoever calls themselves like one would be nobody; a hidden address is GitHub's account.
    """
    address, name = _address(author), author.rpartition("<")[0].strip()
    hidden = _HIDDEN.fullmatch(address)
    account = approvers.by_github(hidden[1]) if hidden else None
    found = approvers.called(address) if address else []
    named = [one for one in approvers.called(name) if isinstance(one, Person)] if name else []
    return [*found, *([account] if account else []), *named]


def _address(author: str) -> str:
    """`Name <address>` → the address; what is written otherwise is taken for one."""
    return author.rpartition("<")[2].rstrip("> ").strip()
