"""What was merged and not told is found, over real HTTP, against a small server that answers as GitHub does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.catching_up import Caught, Reconciler
from stationmaster.blocks.code_host import CodeHost
from stationmaster.domain.deliveries import MergedChange, understood
from stationmaster.domain.hooks import Hook
from stationmaster.ledger.inbox import Delivery, Inbox
from stationmaster.ledger.inbox_notes import Notes
from tests.blocks.code_host_server import Server, serving
from tests.fakes import FakeClock
from tests.hook_deliveries import body_of, github, merged

PULLS = "/repos/Codertocat/Hello-World/pulls"
HOOK = Hook.model_validate({"host": "github", "product": "shop", "secret": "x", "base": ["main", "hotfix/*"]})
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


@dataclass
class Desk:
    server: Server
    inbox: Inbox
    hooks: dict[str, Hook] = field(default_factory=lambda: {"hub": HOOK})
    clock: FakeClock = field(default_factory=FakeClock)
    pulls: list[dict[str, Any]] = field(default_factory=list)

    def merge(self, number: int, base: str = "main", at: datetime | None = None, **changed: Any) -> None:
        """GitHub lists a merged pull request, as it was just changed."""
        pull = merged(number, pull_request__base__ref=base)["pull_request"]
        changed = {"updated_at": (at or self.clock.now()).isoformat(), **changed}
        self.pulls.insert(0, {**pull, **changed})
        self.server.tell(PULLS, self.pulls)

    def catch_up(self, since: datetime | None = None) -> list[Caught]:
        host = CodeHost(host="github", repository="Codertocat/Hello-World", url=self.server.url)
        reconciler = Reconciler(self.inbox, self.hooks, lambda *_: host, self.clock.now)
        return list(reconciler.catch_up(since))

    def numbers(self) -> list[int]:
        return [arrival.change.number for arrival in self.inbox.changes()]

    def cursor(self) -> datetime | None:
        return Notes(self.inbox.engine).cursor("hub")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving() as server, Inbox.open(f"sqlite:///{tmp_path}/inbox.db") as inbox:
        server.tell(PULLS, [])
        yield Desk(server, inbox)


def test_a_hook_that_was_never_asked_about_begins_now_and_boards_nothing_old(desk: Desk) -> None:
    desk.merge(1)
    assert [str(one) for one in desk.catch_up()] == ["hub: begins now; --since asks for what was merged before"]
    assert (desk.numbers(), desk.cursor(), desk.server.asked) == ([], NOW, [])


def test_what_was_missed_is_boarded_once_and_what_was_told_is_known(desk: Desk) -> None:
    desk.catch_up()
    desk.clock.sleep(3600)
    desk.merge(1)
    desk.merge(2, "hotfix/1.2.0")
    desk.merge(3, "develop")
    desk.merge(4, merged_at=None)
    told = understood(HOOK, github(b""), body_of(merged(1, pull_request__base__ref="main")))
    assert isinstance(told, MergedChange)
    desk.inbox.accept([Delivery("hub", "d-1", told)], NOW)
    (caught,) = desk.catch_up()
    assert (caught.since, caught.missed, caught.known, caught.error) == (
        NOW,
        (f"shop@{merged(2)['pull_request']['merge_commit_sha']}",),
        1,
        None,
    )
    assert desk.numbers() == [1, 2]
    desk.clock.sleep(60)
    (again,) = desk.catch_up()
    assert (again.missed, again.known, desk.numbers()) == ((), 2, [1, 2])


def test_what_it_finds_is_what_a_delivery_would_have_told(desk: Desk) -> None:
    desk.merge(1)
    desk.catch_up(NOW - timedelta(days=1))
    told = understood(HOOK, github(b""), body_of(merged(1, pull_request__base__ref="main")))
    found = desk.inbox.changes()[0].change
    assert isinstance(told, MergedChange)
    head = merged(1)["pull_request"]["head"]["sha"]
    assert found == told.model_copy(update={"head": head})


def test_it_is_killed_before_the_cursor_moves_and_asks_for_the_same_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.catch_up()
    desk.clock.sleep(3600)
    desk.merge(1)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Notes, "advance", die)
        with pytest.raises(KeyboardInterrupt):
            desk.catch_up()
        assert (desk.numbers(), desk.cursor()) == ([1], NOW)
    (caught,) = desk.catch_up()
    assert (caught.known, desk.cursor()) == (1, desk.clock.now())


def test_a_host_that_does_not_answer_leaves_the_cursor_and_every_other_hook_alone(desk: Desk) -> None:
    desk.catch_up()
    desk.clock.sleep(3600)
    desk.server.tell(PULLS, {"message": "down"}, 502)
    desk.hooks["new"] = HOOK
    first, second = desk.catch_up()
    assert first.error is not None
    assert first.error.code == "code_host_unavailable"
    assert (desk.cursor(), second.error, Notes(desk.inbox.engine).cursor("new")) == (NOW, None, desk.clock.now())
    assert json.loads(json.dumps(first.record()))["error"]["code"] == "code_host_unavailable"


def test_one_that_cannot_be_kept_is_named_the_others_are_kept_and_the_cursor_stays(desk: Desk) -> None:
    desk.catch_up()
    desk.clock.sleep(3600)
    desk.merge(1, merge_commit_sha="no commit")
    desk.merge(2)
    (caught,) = desk.catch_up()
    assert caught.error is not None
    assert "tells of #1 what cannot be kept: merge_commit" in caught.error.message
    assert (desk.numbers(), desk.cursor()) == ([2], NOW)


def test_a_clock_ahead_of_ours_does_not_hide_what_comes(desk: Desk) -> None:
    desk.catch_up()
    desk.merge(1, at=NOW + timedelta(days=1))
    desk.catch_up()
    assert desk.cursor() == NOW
    desk.catch_up(NOW + timedelta(days=365))
    assert desk.cursor() == NOW


def test_asking_from_later_on_does_not_hide_what_was_missed_before(desk: Desk) -> None:
    desk.catch_up()
    desk.clock.sleep(3600)
    desk.merge(1)
    desk.clock.sleep(7200)
    desk.merge(2)
    desk.catch_up(desk.clock.now())
    assert (desk.numbers(), desk.cursor()) == ([2], NOW)
    desk.catch_up()
    assert (desk.numbers(), desk.cursor()) == ([2, 1], desk.clock.now())
    desk.catch_up(NOW - timedelta(days=1))
    assert desk.cursor() == desk.clock.now()


def test_a_change_that_the_host_lists_late_is_found(desk: Desk) -> None:
    desk.catch_up()
    desk.clock.sleep(60)
    desk.merge(1)
    desk.catch_up()
    desk.merge(2, at=NOW - timedelta(minutes=5))
    desk.pulls.reverse()
    desk.catch_up()
    assert desk.numbers() == [1, 2]


def test_an_author_whose_account_is_gone_is_a_ghost(desk: Desk) -> None:
    desk.merge(1, user=None)
    desk.catch_up(NOW)
    assert desk.inbox.changes()[0].change.author == "ghost"
