"""Release trains with a moved clock: what is aboard, what holds them, and that each starts one release."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from stationmaster.blocks import trains
from stationmaster.blocks.trains import NoTrainError
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.hotfix import MergeBack
from stationmaster.domain.product import Product
from stationmaster.domain.request import ReleaseRequest, TrainRequest
from stationmaster.flows.leg import conduct
from stationmaster.flows.release import runbook
from stationmaster.flows.train import Served, serve
from stationmaster.tasks.hold import ChangesHeldError
from tests.shop import PRODUCT
from tests.world import Killed, World, once, throw

MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # when the clock of the world begins
CUT, LEAVES = datetime(2026, 11, 24, 7, 0, tzinfo=UTC), datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
FIRST, SECOND = "shop-train-2026-11-24-0900", "shop-train-2026-12-01-0900"
CADENCE = "cadence: FREQ=WEEKLY;BYDAY=TU;BYHOUR=9, zone: UTC, cut_off: 2h"
OLD = {"acme": "1", "birch": "1", "cedar": "1"}


@dataclass
class Station:
    """The shop with trains, and a Prefect that knows a run by its key."""

    world: World
    more: str = ""  # of `train`
    runs: dict[str, ReleaseRequest] = field(default_factory=dict)
    legs: int = 0

    def begin(self, request: ReleaseRequest) -> None:
        self.world.power.moment("before", "prefect.begin", (request,))
        self.runs.setdefault(request.id, request)
        self.world.power.moment("after", "prefect.begin", (request,))

    def merge(self, version: str, at: datetime = MONDAY, **app: Any) -> str:
        commit = self.world.commit(version, product=f"{PRODUCT}train: {{{CADENCE}{self.more}}}\n", **app)
        self.world.source.times[commit] = at
        return commit

    def serve(self, at: datetime | None = None, asked: datetime = MONDAY) -> Served:
        """A run of the flow that was first due at `asked` and begins `at`."""
        self.world.clock.at = at or self.world.clock.at
        return serve(self.world.tools, TrainRequest(product="shop"), asked, self.begin)

    def told(self, at: datetime | None = None, asked: datetime = MONDAY) -> tuple[str, str]:
        state = self.serve(at, asked).state
        return str(state.name), str(state.message)

    def leg(self, release: str = FIRST, at: datetime | None = None) -> State[None]:
        """A leg of a release that a train started."""
        self.world.clock.at = at or self.world.clock.at
        self.legs += 1
        return conduct(self.world.tools, self.runs[release], f"test {self.legs}", runbook)

    def wait(self, release: str = FIRST) -> tuple[str | None, str | None]:
        """What a release waits for, and until when."""
        status = self.world.status(release)
        return status.waiting_for, status.until

    def approve(self, release: str = FIRST) -> None:
        self.leg(release)
        self.world.approve(release)
        self.leg(release)

    def arrive(self, commit: str) -> None:
        """A commit runs everywhere, as if a release had brought it."""
        fact = {**self.world.ledger.running()["acme"].fact, "commit": commit}
        for tenant in OLD:
            draft = Draft(release="by-hand", step="adopted", subject=tenant, inputs=fact, fact=fact)
            self.world.ledger.append(draft, self.world.clock.now())


@pytest.fixture
def station(world: World) -> Station:
    made = Station(world)
    services(world, "release-train")
    made.arrive(world.source.refs["v2"])
    return made


def services(world: World, *names: str) -> None:
    file = world.root / "approvers.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "services": [{"id": name} for name in names]}))


def test_a_run_waits_for_the_cut_off_and_says_until_when(station: Station) -> None:
    station.merge("v3")
    found = station.serve()
    assert (found.state.name, found.until) == ("WaitingForCutOff", CUT)
    assert found.state.message == f"{FIRST}: it is cut at 2026-11-24T07:00:00Z; what is merged until then is aboard"
    assert station.runs == {}


def test_a_train_leaves_with_what_is_aboard_at_its_cut_off_and_not_with_what_was_merged_later(
    station: Station,
) -> None:
    aboard = station.merge("v3", CUT)
    late = station.merge("v4", CUT + timedelta(minutes=1))
    name, message = station.told(CUT + timedelta(minutes=10))  # the process came up late
    assert (name, "1 change aboard; 1 merged after its cut-off" in message) == ("UnderWay", True)
    request = station.runs[FIRST]
    assert (request.ref, request.kind, request.departs, request.starter) == (aboard, "train", LEAVES, "release-train")
    station.approve()
    assert station.wait() == ("window", "2026-11-24T09:00:00Z")
    assert station.world.production() == OLD
    assert station.leg(at=LEAVES).name == "Released"
    assert set(station.world.production().values()) == {"3"}
    assert station.serve(LEAVES, asked=LEAVES).until == CUT + WEEK
    station.serve(CUT + WEEK, asked=LEAVES)
    assert station.runs[SECOND].ref == late


def test_what_is_dated_before_the_cut_off_but_came_after_what_is_late_is_late_too(station: Station) -> None:
    aboard = station.merge("v3")
    station.merge("v4", CUT + timedelta(minutes=1))
    station.merge("v5", MONDAY)
    station.serve(CUT + timedelta(minutes=2))
    assert station.runs[FIRST].ref == aboard


def test_nobody_signs_in_the_name_of_the_train_and_its_starter_is_known(station: Station) -> None:
    station.merge("v3")
    station.serve(CUT)
    entry = station.world.last("confirmed", FIRST)
    assert (entry.fact["assurance"], station.world.ledger.personal(entry)) == ("service", {"who": "release-train"})
    assert station.leg().name == "WaitingForApproval"


def test_a_train_held_by_a_freeze_leaves_at_the_next_open_slot(station: Station) -> None:
    station.merge("v3")
    station.world.freeze("env:production", hours=30)  # until Tuesday, 14:00
    station.serve(CUT)
    station.approve()
    station.leg(at=LEAVES)
    assert station.wait() == ("window", "2026-11-24T14:00:00Z")
    assert "it leaves at the next open slot" in str(station.world.last("waiting", FIRST).fact["message"])
    assert station.world.production() == OLD
    assert station.leg(at=LEAVES + timedelta(hours=5)).name == "Released"


@pytest.mark.slow
def test_a_train_that_is_not_held_in_a_freeze_goes_with_the_next(station: Station) -> None:
    station.more = ", in_freeze: merge"
    commit = station.merge("v3")
    station.world.freeze("env:production", hours=30)
    station.serve(CUT)
    station.approve()
    assert station.leg(at=LEAVES).name == "Aborted"
    assert (
        "it leaves with the next train, at 2026-12-01T09:00:00Z" in station.world.last("aborted", FIRST).fact["reason"]
    )
    station.serve(CUT + WEEK, asked=LEAVES)
    assert station.runs[SECOND].ref == commit
    station.approve(SECOND)
    assert station.leg(SECOND, at=LEAVES + WEEK).name == "Released"


@pytest.mark.slow
def test_one_that_is_held_until_the_next_leaves_goes_with_that(station: Station) -> None:
    station.merge("v3")
    station.world.freeze("env:production")
    station.serve(CUT)
    station.approve()
    station.leg(at=LEAVES)
    assert station.wait() == ("window", "2026-12-01T09:00:00Z")
    both = station.merge("v4", LEAVES)
    station.serve(CUT + WEEK, asked=LEAVES)
    station.world.thaw("env:production")
    assert station.leg(at=LEAVES + WEEK).name == "Aborted"
    assert station.runs[SECOND].ref == both


def test_an_empty_train_does_nothing_and_says_so(station: Station) -> None:
    station.arrive(station.merge("v3"))
    name, message = station.told(CUT)
    assert (name, message) == (
        "Empty", f"{FIRST}: nothing was merged for the train of 2026-11-24T09:00:00Z: it does not run",
    )  # fmt: skip
    assert station.runs == {}
    assert station.world.ledger.entries(FIRST) == []


def test_what_was_reverted_is_taken_off_and_a_train_of_only_that_is_empty(station: Station) -> None:
    bad = station.merge("v3")
    station.world.source.reverted[station.merge("v4")] = bad
    name, message = station.told(CUT)
    assert (name, message.endswith("it does not run; 2 taken back by a revert")) == ("Empty", True)
    station.merge("v5", MONDAY)
    assert "1 change aboard; 2 taken back" in station.told(CUT)[1]


@pytest.mark.slow
def test_what_is_on_hold_fills_no_train_and_is_refused_with_others(station: Station) -> None:
    station.merge("v3", bad={"cloud": 5})
    station.world.release("r3", "v3")
    assert station.world.status("r3").stage == "rolled_back"
    name, message = station.told(CUT)
    assert (name, message.endswith("it does not run; 1 on hold since a rollback")) == ("Empty", True)
    station.merge("v4", MONDAY)
    assert station.told()[0] == "UnderWay"
    with pytest.raises(ChangesHeldError, match="carries what was rolled back"):
        station.leg()
    assert station.world.status(FIRST).stage == "failed"


def test_an_overdue_way_back_stops_a_train_until_it_is_merged(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    owes = [MergeBack("fix-1", "ana", "main", MONDAY - WEEK, MONDAY - timedelta(days=4))]

    def owed(_tools: object, product: Product) -> list[MergeBack]:
        assert product.product == "shop"
        return owes

    monkeypatch.setattr(trains, "owed", owed)
    station.merge("v3")
    found = station.serve(CUT)
    assert (found.state.name, found.until) == ("WaitingForMergeBack", None)
    assert "fix-1 is not merged back into main, owed since" in str(found.state.message)
    assert station.runs == {}
    assert station.told(LEAVES + WEEK)[0] == "MergedIntoNext"
    owes.clear()
    assert station.told(LEAVES + timedelta(days=1))[0] == "UnderWay"
    assert list(station.runs) == [FIRST]


def test_a_train_killed_at_any_moment_and_run_again_starts_one_release(station: Station) -> None:
    """The cut-off is over, so that nothing but the ledger keeps both runs to one commit."""
    commit = station.merge("v3")
    world, moments = station.world, 0
    world.clock.at = CUT
    confirmed_first = False
    for moments in range(1000):
        departure = LEAVES + moments * WEEK
        asked, at = departure - timedelta(days=1), departure - timedelta(hours=1)
        release = f"shop-train-{departure:%Y-%m-%d-%H%M}"
        world.power.after = moments
        try:
            station.serve(at, asked)
        except Killed:
            confirmed_first |= bool(world.ledger.about(release, ["confirmed"])) and release not in station.runs
            world.power.on()
            assert station.serve(at, asked).state.name == "UnderWay"
        else:
            world.power.on()
            break
        assert station.runs[release].ref == commit
        assert [step for step, _ in world.steps(release)] == ["confirmed"]
    assert moments > 10
    assert confirmed_first
    assert len(station.runs) == moments + 1


def test_of_two_runs_at_once_the_first_in_the_ledger_says_what_is_cut(station: Station) -> None:
    station.merge("v3")
    seen: list[str] = []

    def other(_arguments: tuple[Any, ...]) -> None:
        seen.append(station.merge("v4"))  # another machine's mirror is newer
        assert station.serve().state.name == "UnderWay"

    station.world.power.trap = once("ledger.append", other)
    name, message = station.told(CUT)
    assert (name, seen[0][:12] in message) == ("UnderWay", True)
    assert [(one.id, one.ref) for one in station.runs.values()] == [(FIRST, seen[0])]
    assert [step for step, _ in station.world.steps(FIRST)] == ["confirmed"]


def test_a_run_serves_one_train_and_one_that_is_due_after_the_cut_off_serves_the_next(station: Station) -> None:
    station.merge("v3")
    assert station.told(CUT)[0] == "UnderWay"
    station.leg()
    assert station.told(LEAVES)[0] == "UnderWay"  # the same run again
    assert station.serve(LEAVES - timedelta(hours=1), asked=LEAVES - timedelta(hours=1)).until == CUT + WEEK
    assert list(station.runs) == [FIRST]


def test_one_that_nobody_cut_in_time_leaves_late(station: Station) -> None:
    aboard = station.merge("v3")
    station.merge("v4", LEAVES)
    assert station.told(LEAVES + timedelta(days=2))[0] == "UnderWay"
    assert station.runs[FIRST].ref == aboard


def test_what_fails_outside_is_tried_again(station: Station) -> None:
    station.merge("v3")
    station.world.power.trap = once("source.resolve", throw(OutsideError("the code host is away")))
    found = station.serve(CUT)
    assert (found.state.name, found.state.message) == ("WaitingForOutside", "the code host is away")
    assert found.until == CUT + timedelta(minutes=5)
    assert station.told()[0] == "UnderWay"


def test_a_branch_of_its_own_says_when_and_what(station: Station) -> None:
    station.more = ", branch: stable"
    commit = station.merge("v3")
    name, said = station.told()
    assert (name, "'stable'" in said) == ("WaitingForPerson", True)
    station.world.source.refs["stable"] = commit
    station.merge("v4")
    station.serve(CUT)
    assert station.runs[FIRST].ref == commit


def test_without_the_service_or_without_trains_it_says_what_to_write(station: Station) -> None:
    with pytest.raises(NoTrainError, match=r"shop has no trains: stationmaster\.yaml on main") as none:
        station.serve()
    assert "train: {cadence" in str(none.value.hint)
    station.merge("v3")
    services(station.world, "stationmaster")
    name, said = station.told()
    assert (name, "no service 'release-train'" in said, "add it under services" in said) == (
        "WaitingForPerson", True, True,
    )  # fmt: skip
    services(station.world, "stationmaster", "release-train")
    assert station.told()[0] == "WaitingForCutOff"


def test_a_file_that_is_broken_for_a_moment_costs_no_train(station: Station) -> None:
    station.merge("v3")
    commit = station.world.source.refs["main"]
    whole = station.world.source.commits[commit]["stationmaster.yaml"]
    station.world.source.commits[commit]["stationmaster.yaml"] = "product: [broken"
    found = station.serve(CUT)
    assert (found.state.name, station.runs) == ("WaitingForPerson", {})
    assert found.until == CUT + timedelta(minutes=15)
    station.world.source.commits[commit]["stationmaster.yaml"] = whole
    assert station.told()[0] == "UnderWay"
