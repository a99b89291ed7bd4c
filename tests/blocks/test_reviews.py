"""By which request each commit of a release came: a real repository, a host that answers as GitHub does, the inbox."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stationmaster.blocks import reviews
from stationmaster.blocks.carried import changes
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.hosting import Author, Merged, PullRequest, Review
from stationmaster.blocks.source import GitRepository, mirror_of
from stationmaster.blocks.toolbox import BlockMissingError
from stationmaster.domain.artifact import Commit, Cut
from stationmaster.domain.change_review import Change, Writer
from stationmaster.domain.deliveries import MergedChange
from stationmaster.ledger.inbox import Delivery, Inbox
from stationmaster.ledger.inbox_notes import Notes
from stationmaster.ledger.store import Ledger
from tests.ledgers import in_memory
from tests.repository import Repository
from tests.shop import product

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


@dataclass
class Hub:
    """A code host in memory: commits to numbers, numbers to requests."""

    host: str = "github"
    came_by: dict[str, list[int]] = field(default_factory=dict)
    requests: dict[int, PullRequest] = field(default_factory=dict)
    asked: list[object] = field(default_factory=list)

    def introduced(self, commit: str) -> tuple[int, ...]:
        self.asked.append(commit)
        return tuple(self.came_by.get(commit, ()))

    def pull_request(self, number: int) -> PullRequest:
        self.asked.append(number)
        return self.requests[number]


def told(number: int, head: str, commit: str | None, *reviewers: str) -> PullRequest:
    merged = commit and Merged(
        number=number, title="t", base="main", commit=commit, head=head, merged_at=AT, updated_at=AT, author="ana-hub",
        labels=(), url="https://github.com/shop/7",
    )  # fmt: skip
    return PullRequest(
        number=number, title="t", base="main", head=head, author="ana-hub", labels=(), merged=merged or None,
        reviews=tuple(Review(by=one, state="approved", at=AT, commit=head) for one in reviewers),
        authors=(Author(name="Ana", email="ana@shop.example", login="ana-hub"),), files=(), gaps=(),
        pushers=("cem-hub",),
    )  # fmt: skip


@dataclass
class Desk:
    """The repository, the host, and a release of what came since `base`."""

    code: Repository
    source: GitRepository
    ledger: Ledger
    hub: Hub
    base: str
    hosts: dict[str, Hub] = field(default_factory=dict)

    def cut(self) -> Cut:
        head = self.source.resolve("main")
        aboard = changes(self.source, (self.base,), head.commit)
        commit = Commit(commit=head.commit, subject="", authors=(), version="2", at=0)
        return Cut(release="r2", product=product(), commit=commit, previous=(self.base,), changes=aboard, fragments=())

    def found(self, *, enough: bool = True) -> tuple[Change, ...]:
        tools: Any = SimpleNamespace(source=self.source, ledger=self.ledger)
        return reviews.reviews_of(tools, self.cut(), lambda _change: enough)

    def branch(self, *subjects: str) -> str:
        """A branch beside main, from where main is. Its last commit."""
        self.code.git("checkout", "--quiet", "-B", "work", "main")
        made = [self.code.commit(one, {f"{one}.txt": one}) for one in subjects]
        self.code.git("checkout", "--quiet", "main")
        return made[-1]

    def merge(self, number: int, *reviewers: str) -> tuple[str, str]:
        """A merge of the branch `work`, as the host makes one. Head and merge."""
        head = self.code.git("rev-parse", "work").strip()
        self.code.git("merge", "--quiet", "--no-ff", "-m", f"Merge pull request #{number}", "work")
        return head, self.known(number, head, self.code.git("rev-parse", "main").strip(), *reviewers)

    def known(self, number: int, head: str, commit: str, *reviewers: str) -> str:
        self.hub.requests[number] = told(number, head, commit, *reviewers)
        self.hub.came_by[commit] = [number]
        return commit

    def delivered(self, number: int, head: str, commit: str, *reviewers: str, hook: str = "shop") -> None:
        """What the receiver took and its worker learnt."""
        change = MergedChange(
            product="shop", host="github", repository="shop/orders", number=number, title="t", author="ana-hub",
            base="main", head="work", merge_commit=commit, merged_at=AT, url="https://github.com/shop/7",
        )  # fmt: skip
        inbox = Inbox(self.ledger.engine)
        inbox.accept([Delivery(hook, f"d{number}", change)], AT)
        arrival = inbox.change("shop", commit)
        assert arrival is not None
        learnt = told(number, head, commit, *reviewers).model_dump(mode="json")
        Notes(inbox.engine).write(arrival.id, "enriched", learnt, AT)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    code = Repository.begin(tmp_path / "code")
    base = code.commit("first", {"app.txt": "1"})
    source = GitRepository(url=str(code.path), mirror=mirror_of(str(code.path), tmp_path))
    with closing(in_memory()) as ledger:
        made = Desk(code, source, ledger, Hub(), base)
        made.hosts["shop"] = made.hub

        def optional(kind: str, name: str) -> Hub:
            assert kind == "code-host"
            if name not in made.hosts:
                raise BlockMissingError(f"none named {name}")
            return made.hosts[name]

        monkeypatch.setattr(reviews, "optional", optional)
        yield made


def shown(changes: tuple[Change, ...]) -> list[tuple[str, int | None]]:
    return [(change.commit, change.request.number if change.request else None) for change in changes]


def test_a_merge_is_one_change_with_all_that_it_brought(desk: Desk) -> None:
    desk.branch("one", "two")
    head, merge = desk.merge(7, "ben-hub")
    (found,) = desk.found()
    assert shown((found,)) == [(merge, 7)]
    assert found.request is not None
    assert (found.request.head, [one.by for one in found.request.reviews]) == (head, ["ben-hub"])
    assert found.request.writers[:2] == (Writer(account="ana-hub"), Writer(account="cem-hub"))
    assert Writer("Ana <ana@shop.example>", "ana-hub") in found.request.writers


def test_whoever_merges_wrote_nothing_unless_the_merge_says_something_of_its_own(desk: Desk) -> None:
    desk.branch("one")
    desk.code.git("merge", "--quiet", "--no-ff", "--no-commit", "work")
    desk.code.git("-c", "user.name=x", "commit", "--quiet", "--author=Dia <dia@shop.example>", "-m", "Merge")
    merge = desk.known(7, desk.code.git("rev-parse", "work").strip(), desk.code.git("rev-parse", "main").strip())
    assert "Dia <dia@shop.example>" not in desk.found()[0].authors
    (desk.code.path / "app.txt").write_text("2")
    desk.code.git("commit", "--quiet", "-a", "--amend", "--no-edit")
    desk.hub.came_by[desk.code.git("rev-parse", "main").strip()] = desk.hub.came_by.pop(merge)
    assert "Dia <dia@shop.example>" in desk.found()[0].authors


def test_a_merge_by_hand_that_brings_more_than_was_reviewed_has_no_reviews(desk: Desk) -> None:
    reviewed = desk.branch("one")
    desk.code.git("checkout", "--quiet", "work")
    more = desk.code.commit("smuggled", {"evil.txt": "1"})
    desk.code.git("checkout", "--quiet", "main")
    _, merge = desk.merge(7, "ben-hub")
    desk.hub.requests[7] = told(7, reviewed, merge, "ben-hub")
    (found,) = desk.found()
    assert (found.request, found.why) == (None, f"it brought {more[:12]} beside #7")


def test_a_squash_and_each_commit_of_a_rebase_came_by_their_request(desk: Desk) -> None:
    squashed = desk.known(7, 40 * "7", desk.code.commit("squashed (#7)"))
    rebased = [desk.code.commit(one) for one in ("one", "two")]
    for commit in rebased:
        desk.known(8, 40 * "8", commit)
    assert shown(desk.found()) == [(squashed, 7), *((commit, 8) for commit in rebased)]
    assert desk.hub.asked.count(8) == 1  # the request itself is asked for once


def test_a_pushed_commit_came_by_no_request_whatever_its_message_says(desk: Desk) -> None:
    desk.known(7, 40 * "7", desk.code.commit("good (#7)"))
    pushed = desk.code.commit("evil (#7)\n\nMerge pull request #7 from shop/work")
    found = desk.found()[-1]
    assert (found.commit, found.request, found.why) == (pushed, None, "it came by no pull request")


def test_a_request_that_the_host_does_not_call_merged_is_none(desk: Desk) -> None:
    commit = desk.code.commit("pushed")
    desk.hub.came_by[commit], desk.hub.requests[7] = [7], told(7, commit, None, "ben-hub")
    assert shown(desk.found()) == [(commit, None)]


def test_an_empty_range_brings_nothing(desk: Desk) -> None:
    assert desk.found() == ()
    assert desk.hub.asked == []


def test_what_the_inbox_knows_is_not_asked_again_unless_it_is_not_enough(desk: Desk) -> None:
    desk.branch("one")
    head, merge = desk.merge(7, "ben-hub", "cem-hub")
    desk.delivered(7, head, merge)
    (known,) = desk.found()
    assert (known.request and known.request.reviews, desk.hub.asked) == ((), [])
    (anew,) = desk.found(enough=False)
    assert anew.request is not None
    assert [one.by for one in anew.request.reviews] == ["ben-hub", "cem-hub"]


def test_without_a_host_the_inbox_s_word_stands(desk: Desk) -> None:
    desk.hosts.clear()
    head = desk.branch("one")
    merge = desk.merge(7)[1]
    desk.delivered(7, head, merge, "ben-hub")
    (found,) = desk.found(enough=False)
    assert found.request is not None
    assert [one.by for one in found.request.reviews] == ["ben-hub"]
    desk.code.commit("pushed")
    with pytest.raises(BlockMissingError, match="no block stationmaster-code-host named 'shop'"):
        desk.found()


def test_a_mirror_with_a_block_of_its_own_is_asked_of_what_it_told(desk: Desk) -> None:
    mirror = desk.hosts["mirror"] = Hub()
    commit = desk.known(7, 40 * "7", desk.code.commit("squashed (#7)"))
    desk.delivered(7, 40 * "7", commit, hook="mirror")
    mirror.came_by[commit], mirror.requests[3] = [3], told(3, 40 * "7", commit, "ben-hub")
    assert shown(desk.found(enough=False)) == [(commit, 3)]
    assert desk.hub.asked == []


def test_everybody_whom_git_names_for_any_part_is_named(desk: Desk) -> None:
    desk.branch("one\n\nCO-authored-by :  Eve <eve@x.example>\n\nand on")
    desk.merge(7)
    assert set(desk.found()[0].authors) == {
        "Ana <ana@shop.example>", "Ben <ben@shop.example>", "Eve <eve@x.example>",
    }  # fmt: skip


def test_the_block_is_what_the_host_is_asked_through() -> None:
    """`Hub` has the methods of the block that it stands for."""
    assert {name for name in vars(Hub) if not name.startswith("_")} - {"host"} <= set(dir(CodeHost))
