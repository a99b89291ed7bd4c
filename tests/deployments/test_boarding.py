"""The worker of the inbox over fakes: what it starts, what it leaves, and that it may die at any moment."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.confirmation import confirmation
from stationmaster.blocks.hosting import (
    Author,
    CodeHostBusyError,
    CodeHostUnavailableError,
    Merged,
    PullRequest,
    Review,
)
from stationmaster.blocks.source import UnknownRefError
from stationmaster.deployments.boarding import Clerk, Done, Ending, work
from stationmaster.domain.boarding_pass import WEBHOOK
from stationmaster.domain.deliveries import MergedChange
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.hooks import Hook
from stationmaster.domain.hotfix import LABEL
from stationmaster.domain.request import ReleaseRequest
from stationmaster.ledger.inbox import Delivery, Inbox
from stationmaster.ledger.inbox_notes import Notes
from stationmaster.ledger.store import Ledger
from tests.ledgers import laid_at
from tests.shop import PRODUCT
from tests.world import Killed, Wired, World

HOOKS = {
    name: Hook.model_validate({"host": "github", "product": "shop", "secret": "x", "base": ["main", "hotfix/*"]})
    for name in ("hub", "mirror")
}


@dataclass
class FakeHost:
    """A code host in memory, which is away or busy when a test says so."""

    repository: str = "acme/shop"
    name: str = "code.example"
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    error: OutsideError | None = None
    asked: list[int] = field(default_factory=list)

    def pull_request(self, number: int) -> PullRequest:
        self.asked.append(number)
        if self.error is not None:
            raise self.error
        return self.pulls[number]


@dataclass
class FakePrefect:
    """What was submitted: a release once, as its key has it. `calls` are all calls."""

    runs: dict[str, ReleaseRequest] = field(default_factory=dict)
    calls: int = 0
    away: bool = False

    def submit(self, request: ReleaseRequest) -> None:
        self.calls += 1
        if self.away:
            raise ConnectionError("refused")
        self.runs.setdefault(request.id, request)


@dataclass
class Desk:
    """A world, an inbox, a host and Prefect; all of what a worker calls is on the world's power line."""

    world: World
    inbox: Inbox
    host: FakeHost = field(default_factory=FakeHost)
    prefect: FakePrefect = field(default_factory=FakePrefect)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    said: list[Done] = field(default_factory=list)

    def clerk(self) -> Clerk:
        def wired(name: str, tool: object) -> Any:
            return Wired(name, tool, self.world.power)

        host, prefect = wired("host", self.host), wired("prefect", self.prefect)
        return Clerk(
            wired("inbox", self.inbox), wired("notes", Notes(self.inbox.engine)), HOOKS, lambda *_: host,
            lambda _product: self.world.tools, prefect.submit, self.world.clock.now,
        )  # fmt: skip

    def look(self, clerk: Clerk | None = None, *, at_once: bool = False) -> list[tuple[str, str]]:
        done = list((clerk or self.clerk()).look(at_once=at_once))
        self.said += done
        return [(one.did, one.why) for one in done]

    def merge(self, base: str = "main", *labels: str, product: str = PRODUCT, hook: str = "hub") -> MergedChange:
        """A change that was merged, told to the inbox, and known to its host and repository."""
        number, main = next(self.numbers), self.world.source.refs["main"]
        commit = self.world.commit(f"merge-{number}", product=product)
        self.world.source.refs["main"] = main if base != "main" else commit
        at = self.world.clock.now()
        change = MergedChange(
            product="shop", host="github", repository="Acme/Shop", number=number, title="Round", author="ana",
            base=base, head="round", merge_commit=commit, merged_at=at, url=f"https://code.example/pull/{number}",
            labels=labels,
        )  # fmt: skip
        merged = Merged(
            number=number, title="Round", base=base, commit=commit, head=commit, merged_at=at, updated_at=at,
            author="ana", labels=labels, url=change.url,
        )  # fmt: skip
        self.host.pulls[number] = PullRequest(
            number=number, title="Round", base=base, head=commit, author="ana", labels=labels, merged=merged,
            reviews=(Review(by="zoe", state="approved"),), authors=(Author(name="Ida", email="ida@shop.example"),),
            files=(f"changes/{number}.md", "app.py"), gaps=(),
        )  # fmt: skip
        self.tell(change, hook)
        return change

    def tell(self, change: MergedChange, hook: str = "hub", delivery: str | None = None) -> str:
        told = Delivery(hook, delivery or f"d-{change.number}", change)
        return self.inbox.accept([told], self.world.clock.now())[0]

    def kinds(self, change: int = 1) -> list[str]:
        return [note.kind for note in Notes(self.inbox.engine).of(change)]

    def last(self, change: int = 1) -> dict[str, Any]:
        return Notes(self.inbox.engine).of(change)[-1].content

    def boarded(self) -> list[bool]:
        return [arrival.boarded_at is not None for arrival in self.inbox.changes()]

    def name_webhook(self) -> None:
        approvers = self.world.root / "approvers.yaml"
        people = json.loads(approvers.read_text())
        approvers.write_text(json.dumps({**people, "services": [{"id": WEBHOOK}]}))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Ledger.open(laid_at(tmp_path / "ledger.db")) as ledger, Inbox.open(f"sqlite:///{tmp_path}/in.db") as inbox:
        made = Desk(World(tmp_path, ledger=ledger), inbox)
        made.name_webhook()
        yield made


def test_what_went_into_the_release_branch_is_aboard_and_starts_nothing(desk: Desk) -> None:
    desk.merge()
    assert desk.look() == [("boarded", "aboard the next train")]
    assert desk.look() == []
    assert (desk.boarded(), desk.kinds(), desk.prefect.calls) == ([True], ["enriched", "decided"], 0)
    assert desk.last() == {"do": "board", "fragment": True, "proposal": None, "request": None}


def test_what_the_host_told_is_kept_beside_the_change_and_nowhere_else(desk: Desk) -> None:
    desk.merge("hotfix/1")
    desk.look()
    kept = Notes(desk.inbox.engine).of(1)[0].content
    assert PullRequest.model_validate(kept) == desk.host.pulls[1]
    entries = [entry.canonical() for entry in desk.world.ledger.entries()]
    assert not any(word in entry for entry in entries for word in (b"zoe", b"Ida", b"ana", WEBHOOK.encode()))


def test_what_went_into_a_hotfix_branch_starts_one_release_of_that_commit(desk: Desk) -> None:
    change = desk.merge("hotfix/1")
    name = f"shop-1-hotfix-{change.merge_commit[:12]}"
    assert desk.look() == [("started", f"release {name}")]
    assert desk.look() == []
    asked = ReleaseRequest(id=name, product="shop", ref=change.merge_commit, kind="hotfix", starter=WEBHOOK)
    assert desk.prefect.runs == {name: asked}
    entry = confirmation(desk.world.ledger, name)
    assert entry is not None
    assert entry.fact == {**asked.asked(), "assurance": "service"}
    assert desk.world.ledger.personal(entry) == {"who": WEBHOOK}


def test_a_label_proposes_and_starts_nothing(desk: Desk) -> None:
    change = desk.merge("main", LABEL)
    ((did, why),) = desk.look()
    assert did == "boarded"
    assert f"git cherry-pick -x {change.merge_commit}" in why
    assert desk.last()["proposal"] in why
    assert (desk.prefect.calls, desk.boarded()) == (0, [True])


def test_what_can_never_work_is_kept_with_its_reason_and_not_tried_again(desk: Desk) -> None:
    desk.merge("hotfix/9")
    desk.merge("hotfix/1", product="product: [")
    desk.merge("develop")
    assert [did for did, _ in desk.look()] == ["refused"] * 3
    assert [desk.last(n)["code"] for n in (1, 2, 3)] == ["hotfix_version", "unreadable_product", "no_branch_of_ours"]
    assert "which no tenant runs" in desk.last(1)["why"]
    desk.world.clock.sleep(86_400)
    assert desk.look(at_once=True) == []
    assert (desk.boarded(), desk.prefect.calls) == ([False] * 3, 0)


def test_a_host_that_is_away_is_asked_again_with_growing_pauses_and_nothing_is_lost(desk: Desk) -> None:
    desk.merge()
    desk.host.error = CodeHostUnavailableError("code.example", "refused")
    began, tried = desk.world.clock.now(), list[float]()
    for _ in range(800):
        if desk.look():
            tried.append((desk.world.clock.now() - began).total_seconds())
        desk.world.clock.sleep(5)
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]
    desk.host.error = None
    desk.world.clock.sleep(900)
    assert [did for did, _ in desk.look()] == ["boarded"]


def test_a_host_that_is_away_is_not_asked_for_every_change(desk: Desk) -> None:
    for _ in range(5):
        desk.merge()
    desk.host.error = CodeHostUnavailableError("code.example", "timeout")
    assert len(desk.look(clerk := desk.clerk(), at_once=True)) == len(desk.host.asked) == 1
    desk.host.error = CodeHostBusyError("code.example", 3_000)
    desk.world.clock.sleep(6)
    assert len(desk.look(clerk)) == 1
    desk.world.clock.sleep(2_999)
    assert desk.look(clerk) == []
    desk.host.error = None
    desk.world.clock.sleep(2)
    assert [did for did, _ in desk.look(clerk)] == ["boarded"] * 5


def test_whoever_asks_now_waits_for_no_pause(desk: Desk) -> None:
    desk.merge("hotfix/1")
    desk.prefect.away = True
    assert desk.look()[0][1].startswith("ConnectionError: refused; again at ")
    desk.prefect.away = False
    assert desk.look() == []
    assert [did for did, _ in desk.look(at_once=True)] == ["started"]
    assert desk.host.asked == [1], "what it said was kept"


def test_a_service_that_nobody_named_starts_nothing_until_it_is_named(desk: Desk) -> None:
    desk.merge("hotfix/1")
    approvers = desk.world.root / "approvers.yaml"
    approvers.write_text(json.dumps({"people": json.loads(approvers.read_text())["people"]}))
    ((did, why),) = desk.look()
    assert (did, why.partition(";")[0]) == (
        "postponed",
        "approvers.yaml has no service 'webhook', which starts the hotfixes of merged pull requests",
    )
    assert desk.last()["hint"] == "write `- id: webhook` below `services:`"
    assert (desk.world.ledger.releases(), desk.prefect.calls) == ([], 0)
    desk.name_webhook()
    assert [did for did, _ in desk.look(at_once=True)] == ["started"]


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"merged": None}, "does not say that #1 is merged"),
        ({"commit": 40 * "e"}, "says that #1 became eeeeeeeeeeee on hotfix/1"),
        ({"base": "hotfix/2"}, "on hotfix/2, and the delivery"),
        ({"repository": "acme/other"}, "the code-host block of its hook is for acme/other"),
    ],
)
def test_a_merge_that_the_host_does_not_tell_of_starts_nothing(desk: Desk, says: dict[str, Any], words: str) -> None:
    desk.merge("hotfix/1")
    found = desk.host.pulls[1]
    desk.host.repository = says.pop("repository", desk.host.repository)
    assert found.merged is not None
    merged = None if "merged" in says else found.merged.model_copy(update=says)
    desk.host.pulls[1] = found.model_copy(update={"merged": merged})
    ((did, why),) = desk.look()
    assert (did, words in why) == ("postponed", True), why
    assert (desk.last()["code"], desk.prefect.calls) == ("merge_unconfirmed", 0)


def test_a_commit_that_the_mirror_has_not_got_yet_is_waited_for(desk: Desk) -> None:
    change = desk.merge("hotfix/1")
    held = desk.world.source.commits.pop(change.merge_commit)
    with pytest.raises(UnknownRefError):
        desk.world.source.resolve(change.merge_commit)
    assert [did for did, _ in desk.look()] == ["postponed"]
    desk.world.source.commits[change.merge_commit] = held
    desk.world.clock.sleep(5)
    assert [did for did, _ in desk.look()] == ["started"]


def test_a_change_of_a_hook_that_is_no_longer_named_waits_for_it(desk: Desk) -> None:
    desk.merge(hook="former")
    assert [did for did, _ in desk.look()] == ["postponed"]
    assert (desk.last()["code"], desk.host.asked) == ("hook_gone", [])


def test_one_change_that_cannot_be_helped_keeps_no_other_from_its_way(desk: Desk) -> None:
    desk.merge()
    desk.merge("hotfix/1")
    desk.host.pulls.pop(1)
    assert [did for did, _ in desk.look()] == ["postponed", "started"]


def test_what_was_decided_stands_though_something_else_runs_by_now(desk: Desk) -> None:
    """It was submitted, its release is in production, and the worker that should have said so was dead."""
    desk.merge("hotfix/1")
    desk.world.power.trap = lambda when, call, _arguments: (when, call) == ("after", "prefect.submit")
    with pytest.raises(Killed):
        desk.look()
    desk.world.power.on()
    commit = desk.world.commit("v3")
    for tenant in ("acme", "birch", "cedar"):
        fact = {"version": "3", "digest": "sha256:" + 64 * "a", "commit": commit}
        desk.world.ledger.append(desk.world.draft("r3", "adopted", tenant, fact), desk.world.clock.now())
    assert [did for did, _ in desk.look()] == ["started"]
    assert (desk.boarded(), len(desk.prefect.runs)) == ([True], 1)


def test_killed_at_any_moment_and_run_again_it_starts_one_release(desk: Desk) -> None:
    desk.merge("hotfix/1")
    desk.world.power.on()
    desk.look()
    moments = desk.world.power.moments
    assert moments >= 20  # those that change something
    for moment in range(moments):
        change = desk.merge("hotfix/1")
        desk.world.power.on()
        desk.world.power.after = moment
        with pytest.raises(Killed):
            desk.look()
        desk.world.power.on()
        desk.look()
        name = f"shop-1-hotfix-{change.merge_commit[:12]}"
        assert name in desk.prefect.runs, moment
        confirmed = [entry for entry in desk.world.ledger.entries(name) if entry.step == "confirmed"]
        assert len(confirmed) == 1, moment
    assert all(desk.boarded())
    assert len(desk.prefect.runs) == moments + 1
    assert all(run.kind == "hotfix" for run in desk.prefect.runs.values())


def test_two_workers_at_once_start_one_release(desk: Desk) -> None:
    for _ in range(5):
        desk.merge("hotfix/1")
    both = [threading.Thread(target=desk.look, args=(desk.clerk(),)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert (len(desk.prefect.runs), desk.boarded()) == (5, [True] * 5)
    assert {one.did for one in desk.said} == {"started"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_same_delivery_a_hundred_times_reordered_and_from_two_mirrors_is_one_release(desk: Desk, seed: int) -> None:
    """Ten changes; the worker looks now and then while they come, and dies now and then."""
    changes = [desk.merge("hotfix/1" if n % 2 else "main") for n in range(10)]
    order = random.Random(seed)  # noqa: S311 - an order, not a secret
    copies = [(one, hook, f"{hook}-{one.number}") for one in changes for hook in HOOKS for _ in range(50)]
    order.shuffle(copies)
    for number, copy in enumerate(copies):
        assert desk.tell(*copy) == "duplicate"
        if number % 100 == 0:
            desk.world.power.after = order.randrange(60)
            with suppress(Killed):
                desk.look()
            desk.world.power.on()
    desk.look(at_once=True)
    hotfixes = {one.merge_commit for one in changes if one.base == "hotfix/1"}
    assert sorted(run.ref for run in desk.prefect.runs.values()) == sorted(hotfixes)
    assert desk.boarded() == [True] * 10
    assert len(desk.world.ledger.every("confirmed")) == len(hotfixes)


def told_to_end(ending: Ending) -> Callable[[Done], None]:
    return lambda _done: ending.tell()


def test_it_ends_between_two_changes(desk: Desk) -> None:
    desk.merge()
    desk.merge()
    work(desk.clerk(), told_to_end(ending := Ending()), ending)
    assert desk.boarded() == [True, False]
    ending.sleep(60)


def test_an_inbox_that_fails_is_looked_at_again(desk: Desk) -> None:
    desk.merge()
    failed, ending, said = [True], Ending(), list[Done]()

    def trap(when: str, call: str, _arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "inbox.waiting") and failed:
            failed.pop()
            raise OutsideError("the inbox is away")
        return False

    def heard(done: Done) -> None:
        said.append(done)
        if done.did == "boarded":
            ending.tell()

    desk.world.power.trap = trap
    work(desk.clerk(), heard, ending)
    assert [one.did for one in said] == ["goes on after an error", "boarded"]
    assert str(said[0]).endswith("OutsideError: the inbox is away")


def test_once_says_why_the_inbox_does_not_answer(desk: Desk) -> None:
    def trap(*_moment: Any) -> bool:
        raise OutsideError("the inbox is away")

    desk.world.power.trap = trap
    with pytest.raises(OutsideError):
        work(desk.clerk(), print, Ending(), once=True)


@pytest.mark.parametrize(("name", "command"), [("receiver", "receiver --config"), ("inbox", "inbox work --config")])
def test_the_service_files_come_with_the_package_and_start_the_commands(name: str, command: str) -> None:
    text = files("stationmaster.deployments").joinpath(f"services/stationmaster-{name}.service").read_text()
    assert f"/bin/stationmaster {command} /etc/stationmaster/receiver.yaml" in text


def test_pauses_are_kept_over_a_restart(desk: Desk) -> None:
    desk.merge()
    desk.host.error = CodeHostUnavailableError("code.example", "refused")
    desk.look()
    desk.host.error = None
    assert desk.look() == []
    desk.world.clock.at += timedelta(seconds=5)
    assert [did for did, _ in desk.look()] == ["boarded"]
