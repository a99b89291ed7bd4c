"""How revisions hang together: ancestors over `down_revision` and `depends_on`, branches by label, heads, an order.

A revision that is depended on disappears from `alembic_version` though it has run: ancestry, and not the heads, says
what has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from stationmaster.domain.migration_recorded import Recorded


@dataclass(frozen=True)
class History:
    """The revisions of one folder that have an id; of two with the same the first counts."""

    revisions: dict[str, Recorded] = field(default_factory=dict)

    @classmethod
    def of(cls, recorded: list[Recorded]) -> "History":
        known: dict[str, Recorded] = {}
        for one in recorded:
            if one.revision is not None:
                known.setdefault(one.revision, one)
        return cls(known)

    def resolve(self, name: str) -> str | None:
        """The id that a name means: itself, a branch's label, or the only id that begins so."""
        if name in self.revisions:
            return name
        labelled = [key for key, one in self.revisions.items() if name in one.branch_labels]
        begun = [key for key in self.revisions if key.startswith(name)]
        return labelled[0] if labelled else begun[0] if len(begun) == 1 else None

    def after(self, revision: str) -> list[str]:
        """What the revision stands on directly: what it follows, and what it depends on."""
        one = self.revisions[revision]
        found = (self.resolve(name) for name in (*one.down_revision, *one.depends_on))
        return [name for name in dict.fromkeys(found) if name is not None]

    def ancestors(self, revision: str) -> frozenset[str]:
        """Everything that has run where this revision has, itself left out."""
        found: set[str] = set()
        left = self.after(revision)
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += self.after(one)
        return frozenset(found - {revision})

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Each revision after all that it stands on; where that leaves a choice, what is expand before contract."""
        done: dict[str, None] = {}
        for start in sorted(self.revisions, key=lambda name: ("contract" in self.labels[name], name)):
            self._put(start, done)
        return tuple(done)

    def _put(self, start: str, done: dict[str, None]) -> None:
        """Depth first, without recursion: histories are thousands of revisions long."""
        stack, open_ = [start], set[str]()
        while stack:
            one = stack[-1]
            left = [name for name in self.after(one) if name not in done and name not in open_]
            if one in done or not left:
                done.setdefault(one)
                stack.pop()
            else:
                open_.add(one)
                stack += reversed(left)

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Those that follow a revision by `down_revision`."""
        found: dict[str, list[str]] = {name: [] for name in self.revisions}
        for name, one in self.revisions.items():
            for before in one.down_revision:
                if (known := self.resolve(before)) is not None:
                    found[known].append(name)
        return found

    @cached_property
    def labels(self) -> dict[str, frozenset[str]]:
        """The branches each revision is of: a label counts for what follows, and back to where the branch began."""
        found: dict[str, set[str]] = {name: set(one.branch_labels) for name, one in self.revisions.items()}
        for name, one in self.revisions.items():
            for label in one.branch_labels:
                for other in (*self._following(name), *self._leading(name)):
                    found[other].add(label)
        return {name: frozenset(labels) for name, labels in found.items()}

    def _following(self, name: str) -> Iterator[str]:
        left, seen = [*self.children[name]], set[str]()
        while left:
            one = left.pop()
            if one not in seen:
                seen.add(one)
                yield one
                left += self.children[one]

    def _leading(self, name: str) -> Iterator[str]:
        seen = {name}
        while len(before := self.revisions[name].down_revision) == 1:
            known = self.resolve(before[0])
            if known is None or known in seen or len(self.children[known]) != 1:
                return
            yield known
            seen.add(known)
            name = known

    @cached_property
    def round(self) -> frozenset[str]:
        """Those that stand on themselves, and what lies between two such rounds: all else has an order."""
        up = {name: self.after(name) for name in self.revisions}
        down: dict[str, list[str]] = {name: [] for name in up}
        for name, parents in up.items():
            for one in parents:
                down[one].append(name)
        return frozenset(_reached_by_all(up, down) & _reached_by_all(down, up))

    @cached_property
    def heads(self) -> dict[frozenset[str], list[str]]:
        """Those that nothing follows, by the branches they are of."""
        found: dict[frozenset[str], list[str]] = {}
        for name in sorted(self.revisions):
            if not self.children[name]:
                found.setdefault(self.labels[name], []).append(name)
        return found


def _reached_by_all(up: dict[str, list[str]], down: dict[str, list[str]]) -> set[str]:
    """What is left when everything without a parent is taken away, again and again."""
    waits = {name: len(parents) for name, parents in up.items()}
    free = [name for name, count in waits.items() if not count]
    while free:
        for child in down[free.pop()]:
            waits[child] -= 1
            if not waits[child]:
                free.append(child)
    return {name for name, count in waits.items() if count}
