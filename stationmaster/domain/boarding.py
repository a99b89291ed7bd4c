"""What is aboard a train. Pure: git's history is given as plain values."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

# The words that git, GitHub and GitLab write themselves into a revert.
_OF_A_COMMIT = re.compile(r"^This reverts commit ([0-9a-f]{40,64})\b", re.MULTILINE)
_OF_A_REQUEST = re.compile(r"^(?:Reverts (?:[\w.-]+/[\w.-]+)?#|This reverts merge request !)(\d+)\b", re.MULTILINE)


def taken_back(message: str) -> frozenset[str]:
    """What a commit's message says it reverts: ids of commits, and `#NUMBER` for a pull or merge request."""
    return frozenset(_OF_A_COMMIT.findall(message)) | {f"#{number}" for number in _OF_A_REQUEST.findall(message)}


@dataclass(frozen=True, slots=True)
class Merged:
    """A change that was merged into the release branch and that a tenant has not got.

    `commit` is the one by which it came, `brought` the others that came with it, `at` the aware instant at which it
    was merged, `reverts` what `taken_back` finds in the messages of all of them, `number` that of its request.
    """

    commit: str
    at: datetime
    reverts: frozenset[str] = frozenset()
    number: int | None = None
    brought: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """What a revert may call it or a part of it."""
        return self.brought | {self.commit} | ({f"#{self.number}"} if self.number is not None else set())

    def undone_by(self, reverted: Collection[str]) -> bool:
        """Whether what is reverted is all of it: by its commit, by its number, or commit by commit."""
        whole = self.names - self.brought
        return any(name in reverted for name in whole) or bool(self.brought and self.brought <= set(reverted))


@dataclass(frozen=True, slots=True)
class Boarding:
    """The commits of changes, each in the order of merging: aboard; removed by a revert, with the reverts that did it;
    on hold because a release with them was rolled back; and merged after the cut-off.

    It counts and decides whether the train runs. What is on hold is in the branch all the same: a release that brings
    anything else with it is refused by `tasks/hold.py` until that is reverted or lifted.
    """

    aboard: tuple[str, ...]
    removed: tuple[str, ...]
    on_hold: tuple[str, ...]
    late: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether the train has nothing to bring, and does not run."""
        return not self.aboard


def board(changes: Iterable[Merged], cut_off: datetime, on_hold: Collection[str] = ()) -> Boarding:
    """Who is aboard a train: what was merged up to its cut-off, less what a revert aboard takes back, less what is on
    hold. `changes` in the order of merging, none of which runs everywhere; `on_hold` are commits.

    A revert of a change aboard takes that off and brings nothing itself; a revert of what runs in production is a
    change like any other; a revert that is reverted takes nothing off.
    """
    known = list(changes)
    here = [change for change in known if change.at <= cut_off]
    removed = _removed(here)
    left = [change for change in here if change.commit not in removed]
    return Boarding(
        tuple(change.commit for change in left if change.names.isdisjoint(on_hold)),
        tuple(change.commit for change in here if change.commit in removed),
        tuple(change.commit for change in left if not change.names.isdisjoint(on_hold)),
        tuple(change.commit for change in known if change.at > cut_off),
    )


def _removed(changes: list[Merged]) -> frozenset[str]:
    """Changes that one of them takes back, and the reverts that bring nothing else. From the newest on: what reverts a
    revert comes after it.
    """
    undone: list[Merged] = []
    reverts: list[Merged] = []
    for change in reversed(changes):
        if change.undone_by({name for revert in reverts for name in revert.reverts}):
            undone.append(change)
        elif change.reverts:
            reverts.append(change)
    names = frozenset[str]().union(*(change.names for change in undone))
    # A request of several commits may bring something besides its revert.
    spent = [revert for revert in reverts if revert.reverts <= names and len(revert.brought) <= 1]
    return frozenset(change.commit for change in (*undone, *spent))
