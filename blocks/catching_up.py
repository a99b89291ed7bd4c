"""Asks the code hosts what was merged since they were last asked, and puts what was missed into the inbox."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.copies import wrong_fields
from stationmaster.blocks.hosting import Merged
from stationmaster.domain.deliveries import MergedChange
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.hooks import Hook
from stationmaster.ledger.inbox import Delivery, Inbox
from stationmaster.ledger.inbox_notes import Notes

_OVERLAP = timedelta(minutes=10)  # a host may list a change later than it dates it; what comes twice is there once
_GHOST = "ghost"  # as hosts call the author whose account is gone


class MergeNotUnderstoodError(OutsideError):
    """A code host tells of a merge in words that cannot be kept. It is asked for the same again."""

    code = "merge_not_understood"


@dataclass(frozen=True)
class Caught:
    """What a hook's host told: changes that the inbox did not have, and how many it had. `since` is from when it was
    asked, None when it was not; `error` is why nothing, or not everything, is known.
    """

    hook: str
    since: datetime | None
    missed: tuple[str, ...] = ()
    known: int = 0
    error: StationmasterError | None = None

    def record(self) -> dict[str, Any]:
        """As `--json` shows it."""
        since, error = self.since and instant(self.since), self.error and self.error.record()
        return {"hook": self.hook, "since": since, "missed": list(self.missed), "known": self.known, "error": error}

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.hook}: {self.error}"
        if self.since is None:
            return f"{self.hook}: begins now; --since asks for what was merged before"
        found = ", ".join(self.missed) or "nothing was missed"
        return f"{self.hook}: since {instant(self.since)}: {found}; {self.known} known"


class _Watched(tuple[str, ...]):
    """Patterns of branches; every branch that fits one is among them."""

    __slots__ = ()

    def __contains__(self, branch: object) -> bool:
        return any(fnmatchcase(str(branch), pattern) for pattern in self)


@dataclass(frozen=True)
class Reconciler:
    """The inbox, the hooks whose changes it takes, and how their hosts are found."""

    inbox: Inbox
    hooks: Mapping[str, Hook]
    host_of: Callable[[str, Hook], CodeHost]
    now: Callable[[], datetime]

    def catch_up(self, since: datetime | None = None) -> Iterator[Caught]:
        """Every hook in turn; one whose host is away keeps no other from being asked. `since` instead of where each was
        left. A hook that never was asked begins now: what was merged before there was a hook starts nothing by itself.
        """
        for name in self.hooks:
            try:
                yield self._one(name, since)
            except StationmasterError as error:
                yield Caught(name, since, error=error)

    def _one(self, name: str, since: datetime | None) -> Caught:
        notes, hook, at = Notes(self.inbox.engine), self.hooks[name], self.now()
        left = notes.cursor(name)
        begin = since or left
        if begin is None:
            notes.advance(name, at)
            return Caught(name, None)
        host = self.host_of(name, hook)
        told = host.merged_since(min(begin, at) - _OVERLAP, _Watched(hook.base))
        deliveries, wrong = _deliveries(name, hook, host, told.changes)
        outcomes = self.inbox.accept(deliveries, at)
        pairs = zip(deliveries, outcomes, strict=True)
        missed = tuple(one.change.key for one, outcome in pairs if outcome == "accepted")
        if wrong is None and begin <= (left or begin):  # a later `since` leaves out what lies before it
            notes.advance(name, min(told.cursor, at))  # only now: whoever is killed before asks for the same again
        return Caught(name, begin, missed, len(deliveries) - len(missed), wrong)


def _deliveries(
    name: str, hook: Hook, host: CodeHost, found: tuple[Merged, ...]
) -> tuple[list[Delivery], MergeNotUnderstoodError | None]:
    """What can be kept, and what is wrong with the first that cannot."""
    kept, wrong = [], None
    for merged in found:
        try:
            change = _change(hook, host, merged)
        except ValidationError as error:
            wrong = wrong or MergeNotUnderstoodError(
                f"{host.name} tells of #{merged.number} what cannot be kept: {wrong_fields(error)}"
            )
        else:
            kept.append(Delivery(name, f"catch-up:{change.key}", change))
    return kept, wrong


def _change(hook: Hook, host: CodeHost, merged: Merged) -> MergedChange:
    """As a delivery would have told it. The list does not name the branch it came from, so `head` is its commit."""
    return MergedChange(
        product=hook.product, host=hook.host, repository=host.repository, number=merged.number, title=merged.title,
        author=merged.author or _GHOST, base=merged.base, head=merged.head, merge_commit=merged.commit,
        merged_at=merged.merged_at, url=merged.url, labels=merged.labels,
    )  # fmt: skip
