"""What git, the inbox and the code host tell of the reviews of everything that a release brings. It counts nobody.

A change is looked for by the commit by which it came: first in the inbox, when that lies in the ledger's database, then
at the code host, which knows it of every way of merging. A message that names a request proves nothing.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stationmaster.blocks import carried
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.hosting import PullRequest
from stationmaster.blocks.toolbox import BlockMissingError, Toolbox, optional
from stationmaster.domain.artifact import Cut
from stationmaster.domain.boarding import Merged
from stationmaster.domain.change_review import Change, Request, Review, Writer
from stationmaster.domain.hooks import Host
from stationmaster.ledger.inbox import Inbox
from stationmaster.ledger.inbox_notes import Notes


def reviews_of(tools: Toolbox, cut: Cut, enough: Callable[[Change], bool]) -> tuple[Change, ...]:
    """Every change that a release brings, in the order of merging. What the inbox has of one is taken where it is
    `enough`; else the host is asked anew, since a review may have come after the merge.

    Raises:
        CodeHostRefusedError, CodeHostBusyError, CodeHostUnavailableError: the host was asked, and did not say.
        BlockMissingError, BlockInvalidError, PrefectAwayError: there is none that could be asked.
    """
    aboard = {change.commit: change.authors for change in cut.changes}
    desk = _Desk(tools, cut.product.product, enough)
    found: list[Change] = []
    for merged in carried.merged(tools.source, cut.previous, cut.commit.commit) if aboard else ():
        mine = {one: aboard.pop(one) for one in (merged.commit, *sorted(merged.brought)) if one in aboard}
        if mine:
            found.append(desk.change(merged, mine))
    return (*found, *(Change(one, authors, None, _ALONE) for one, authors in aboard.items()))


_ALONE = "it is aboard, and git does not say by which commit it came into the branch"


@dataclass
class _Desk:
    """Where a product's changes are asked for. A host is found once, and only when somebody must be asked."""

    tools: Toolbox
    product: str
    enough: Callable[[Change], bool]
    _hosts: dict[str, CodeHost | None] = field(default_factory=dict)
    _told: dict[int, PullRequest] = field(default_factory=dict)

    def change(self, merged: Merged, aboard: dict[str, tuple[str, ...]]) -> Change:
        """What came by one commit, with everybody whom git names for it."""
        authors = tuple(dict.fromkeys(one for each in self._written(merged, aboard) for one in each))
        found = None
        for request in self._requests(merged.commit):
            found = self._as_told(merged, authors, request)
            if self.enough(found):
                break
        if found is None and self._host(merged.commit) is None:
            raise BlockMissingError(
                f"nobody can be asked who reviewed {merged.commit[:12]}: the inbox does not know it, and there is no "
                f"block stationmaster-code-host named {self.product!r}",
                hint="create it in the UI under Blocks",
            )
        return found or Change(merged.commit, authors, None, "it came by no pull request")

    def _written(self, merged: Merged, aboard: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        """Whoever merges writes nothing, unless the merge says something of its own."""
        plain = bool(merged.brought) and self.tools.source.is_plain_merge(merged.commit)
        return (authors for commit, authors in aboard.items() if not (plain and commit == merged.commit))

    def _as_told(self, merged: Merged, authors: tuple[str, ...], request: Request) -> Change:
        """A merge by hand may bring more than the head that was reviewed."""
        beside = self.tools.source.beside(merged.commit, request.head) if merged.brought else ()
        if not beside:
            return Change(merged.commit, authors, request)
        why = f"it brought {', '.join(one[:12] for one in beside)} beside #{request.number}"
        return Change(merged.commit, authors, None, why)

    def _requests(self, commit: str) -> Iterator[Request]:
        """By which request it came: as the inbox has it, and if that was not enough as the host tells it now."""
        known = self._inbox.change(self.product, commit)
        for note in Notes(self._inbox.engine).of(known.id) if known else ():
            if known and note.kind == "enriched":
                yield from _request(known.change.host, PullRequest.model_validate(note.content))
        host = self._host(commit)
        for number in host.introduced(commit) if host else ():
            assert host is not None  # noqa: S101 - else there are no numbers
            if number not in self._told:
                self._told[number] = host.pull_request(number)
            yield from _request(host.host, self._told[number])

    @property
    def _inbox(self) -> Inbox:
        return Inbox(self.tools.ledger.engine)

    def _host(self, commit: str) -> CodeHost | None:
        """The host that told it, when its hook has a block of its own; else the product's."""
        known = self._inbox.change(self.product, commit)
        named = (self._named(one) for one in ([known.hook] if known else []) + [self.product])
        return next((host for host in named if host is not None), None)

    def _named(self, name: str) -> CodeHost | None:
        if name not in self._hosts:
            self._hosts[name] = None
            with contextlib.suppress(BlockMissingError):
                self._hosts[name] = optional("code-host", name)
        return self._hosts[name]


def _request(host: Host, told: PullRequest) -> Iterator[Request]:
    """What a host tells, in the words of the domain; nothing of one that was not merged."""
    if told.merged is None:
        return
    writers = (Writer(f"{one.name} <{one.email}>", one.login) for one in told.authors)
    others = (Writer(account=one) for one in (told.author, *told.pushers))
    yield Request(
        host=host, number=told.number, head=told.head, merged_at=told.merged.merged_at, writers=(*others, *writers),
        reviews=tuple(Review(one.by, one.state, one.commit, one.at) for one in told.reviews), gaps=told.gaps,
    )  # fmt: skip
