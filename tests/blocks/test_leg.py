"""A leg over a real ledger: its lease lives as long as it works, and nothing is recorded once it is lost."""

import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from stationmaster.blocks import leg as module
from stationmaster.blocks.leg import ReleaseAbortedError, on_duty
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.request import ReleaseRequest
from stationmaster.ledger.faults import LedgerUnreachableError
from stationmaster.ledger.leases import LeaseHeldError, LeaseLostError
from stationmaster.ledger.store import Ledger
from tests.fakes import FakeSource
from tests.stack import eventually

REQUEST = ReleaseRequest(id="r1", product="shop", ref="main", starter="ana")
ABORTED = Draft(release="r1", step="aborted", fact={"reason": "wrong one"}, personal={"who": "ben"})


@pytest.fixture
def tools(tmp_path: Path) -> Toolbox:
    nothing = cast("Any", None)
    return Toolbox(
        ledger=Ledger.open(f"sqlite:///{tmp_path}/ledger.db"), source=cast("Any", FakeSource()), artifacts=nothing,
        target=nothing, database=nothing, metrics=nothing, chat=nothing, signer=nothing, tenants=nothing,
        flags=nothing, secrets=nothing, now=lambda: datetime.now(UTC), sleep=lambda _: None, work=tmp_path / "work",
    )  # fmt: skip


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEASE", 1)


def take_over(tools: Toolbox, holder: str = "another") -> None:
    """As another process does when the lease has run out."""
    tools.ledger.take_lease("r1", holder, datetime.max.replace(tzinfo=UTC, year=9000))


# The lease


def test_a_leg_keeps_others_away_for_as_long_as_it_works(tools: Toolbox, short: None) -> None:
    with on_duty(tools, REQUEST, "one") as leg:
        until = leg.lease.until
        eventually(lambda: tools.now() > until)  # a long act
        with pytest.raises(LeaseHeldError, match="one works on r1"), on_duty(tools, REQUEST, "two"):
            pass
        leg.record("cut", {}, {"commit": "c"})
    with on_duty(tools, REQUEST, "two") as next_leg:
        assert next_leg.fence.epoch == leg.fence.epoch + 1


def test_a_leg_that_raises_gives_the_release_back(tools: Toolbox) -> None:
    with pytest.raises(ZeroDivisionError), on_duty(tools, REQUEST, "one"):
        raise ZeroDivisionError
    with on_duty(tools, REQUEST, "two"):
        pass


def test_a_leg_that_lost_its_release_records_nothing_more(tools: Toolbox) -> None:
    with on_duty(tools, REQUEST, "one") as leg:
        take_over(tools)
        with pytest.raises(LeaseLostError, match="one held r1 with epoch 1, and epoch 2 has taken over"):
            leg.record("cut", {}, {})
        with pytest.raises(LeaseLostError):
            leg.observe("waiting", {"for": "window"})
    assert tools.ledger.entries("r1") == []


def test_a_leg_that_lost_its_release_hears_of_it_before_the_next_act(tools: Toolbox, short: None) -> None:
    with on_duty(tools, REQUEST, "one") as leg:
        take_over(tools)
        eventually(leg.lost.is_set)
        with pytest.raises(LeaseLostError):
            leg.recorded("cut", {})


def test_ending_a_lost_leg_takes_nothing_from_the_next(tools: Toolbox) -> None:
    with on_duty(tools, REQUEST, "one"):
        take_over(tools)
    with pytest.raises(LeaseHeldError, match="another works on r1"), on_duty(tools, REQUEST, "three"):
        pass


def test_a_ledger_that_is_away_for_a_moment_costs_no_lease(tools: Toolbox, short: None) -> None:
    flaky = Flaky(tools.ledger)
    tools = replace(tools, ledger=cast("Any", flaky))
    with on_duty(tools, REQUEST, "one") as leg:
        until = leg.lease.until
        eventually(lambda: flaky.renewals > 3 and tools.now() > until)
        assert not leg.lost.is_set()
        leg.record("cut", {}, {"commit": "c"})


def test_a_ledger_that_is_away_at_the_end_hides_no_error(tools: Toolbox) -> None:
    tools = replace(tools, ledger=cast("Any", Flaky(tools.ledger)))
    with pytest.raises(ZeroDivisionError), on_duty(tools, REQUEST, "one"):
        raise ZeroDivisionError


class Flaky:
    """A ledger of which every other renewal fails, and every return of a lease."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.renewals = ledger, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def renew(self, *given: Any) -> Any:
        self.renewals += 1
        if self.renewals % 2:
            raise LedgerUnreachableError("the ledger does not answer")
        return self.ledger.renew(*given)

    def give_back(self, *given: Any) -> None:
        raise LedgerUnreachableError("the ledger does not answer")


def test_no_thread_is_left(tools: Toolbox) -> None:
    with on_duty(tools, REQUEST, "one"):
        assert "lease" in {thread.name for thread in threading.enumerate()}
    assert "lease" not in {thread.name for thread in threading.enumerate()}


# What is recorded


def test_what_was_done_is_answered_by_the_next_leg(tools: Toolbox) -> None:
    with on_duty(tools, REQUEST, "one") as leg:
        assert leg.recorded("cut", {"ref": "main"}) is None
        first = leg.record("cut", {"ref": "main"}, {"commit": "c"}, personal={"authors": {}})
    with on_duty(tools, REQUEST, "two") as leg:
        assert leg.recorded("cut", {"ref": "main"}) == first
        assert leg.recorded("cut", {"ref": "other"}) is None
        assert leg.recorded("cut", {"ref": "main"}, "acme") is None
        assert leg.record("cut", {"ref": "main"}, {"commit": "c"}) == first


def test_what_is_seen_is_recorded_each_time(tools: Toolbox) -> None:
    with on_duty(tools, REQUEST, "one") as leg:
        for _ in range(2):
            leg.observe("waiting", {"for": "window"})
    assert [entry.step for entry in tools.ledger.entries("r1")] == ["waiting", "waiting"]


def test_an_abort_stops_the_next_act_but_lets_the_running_one_say_what_it_did(tools: Toolbox) -> None:
    with on_duty(tools, REQUEST, "one") as leg:
        assert leg.recorded("built", {}) is None
        tools.ledger.append(ABORTED, tools.now())
        leg.record("built", {}, {"digest": "d"})
        with pytest.raises(ReleaseAbortedError) as caught:
            leg.recorded("tested", {})
    assert caught.value.hint
    assert [entry.step for entry in tools.ledger.entries("r1")] == ["aborted", "built"]


# Folders


def test_an_export_replaces_what_a_killed_leg_left(tools: Toolbox) -> None:
    with on_duty(tools, REQUEST, "one") as leg:
        commit = cast("FakeSource", tools.source).add("main", {"a/app.py": "1"})
        for _ in range(2):
            path = leg.export("build", commit)
            assert [str(one.relative_to(path)) for one in path.rglob("*") if one.is_file()] == ["a/app.py"]
            (path / "left").touch()
            (path / "a" / "out").symlink_to(tools.work)
            (path / "a").chmod(0o500)
    assert tools.work.is_dir()


def test_what_cannot_be_removed_is_named(tools: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(path: Path, *_: Any) -> None:
        raise OSError(16, "Device or resource busy")

    with on_duty(tools, REQUEST, "one") as leg:
        leg.folder("build/export")
        monkeypatch.setattr(shutil, "rmtree", stuck)
        with pytest.raises(OutsideError, match="export is left from before and cannot be removed"):
            leg.export("build", "c")


def test_folders_of_releases_stay_apart(tools: Toolbox) -> None:
    paths: set[Path] = set()
    for release in ("r1", "r2"):
        with on_duty(tools, REQUEST.model_copy(update={"id": release}), "one") as leg:
            paths |= {leg.folder("build"), leg.folder("check-unit")}
    assert len(paths) == 4
    assert all(path.is_dir() for path in paths)
