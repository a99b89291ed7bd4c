"""The departure gate: production is not touched before its instant; a train that cannot leave goes with the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from stationmaster.blocks.leg import Leg, ReleaseAbortedError, on_duty
from stationmaster.domain.artifact import Cut
from stationmaster.domain.emergency import Review
from stationmaster.domain.entries import Draft
from stationmaster.domain.hotfix import MergeBack
from stationmaster.domain.product import Product
from stationmaster.domain.request import ReleaseRequest
from stationmaster.tasks import departure
from stationmaster.tasks.cut import cut
from stationmaster.tasks.departure import NotDepartedError, require_departure
from tests.shop import PRODUCT
from tests.world import World

LEAVES = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)  # a Tuesday; the clock of the world stands at Monday, 08:00
TRAIN = PRODUCT + "train: {cadence: FREQ=WEEKLY;BYDAY=TU;BYHOUR=9, zone: UTC, cut_off: 2h"


@contextmanager
def leg(
    world: World, kind: str = "train", departs: datetime | None = LEAVES, more: str = ""
) -> Iterator[tuple[Leg, Cut]]:
    world.commit("v3", product=f"{TRAIN}{more}}}\n")
    asked: dict[str, Any] = {"kind": kind, "departs": departs}
    request = ReleaseRequest(id="r3", product="shop", ref="v3", starter="ana", **asked)
    with on_duty(world.tools, request, "test") as one:
        one.observe("started", request.asked(), starter="ana")
        yield one, cut.fn(one)


def waits(leg: Leg, this: Cut) -> tuple[str, str | None]:
    with pytest.raises(NotDepartedError) as wait:
        require_departure.fn(leg, this)
    return wait.value.waiting_for, wait.value.until


@pytest.mark.parametrize("kind", ["train", "manual"])
def test_it_waits_for_its_instant_and_leaves_then(world: World, kind: str) -> None:
    with leg(world, kind) as (one, this):
        assert waits(one, this) == ("window", "2026-11-24T09:00:00Z")
        world.clock.at = LEAVES
        require_departure.fn(one, this)


def test_what_has_no_instant_leaves_at_once_whatever_is_frozen(world: World) -> None:
    world.freeze("env:production")  # the next gates say so
    with leg(world, "manual", None) as (one, this):
        require_departure.fn(one, this)


@pytest.mark.parametrize(
    ("more", "hours", "until"),
    [
        ("", 30, "2026-11-24T14:00:00Z"),
        ("", None, "2026-12-01T09:00:00Z"),  # the next train's departure
        (", hold_for: 2h", 30, "2026-11-24T11:00:00Z"),
    ],
)
def test_a_train_is_held_in_a_freeze_at_most_until_the_next_leaves(
    world: World, more: str, hours: int | None, until: str
) -> None:
    world.freeze("env:production", hours)
    with leg(world, more=more) as (one, this):
        world.clock.at = LEAVES
        assert waits(one, this) == ("window", until)
        world.thaw("env:production")
        require_departure.fn(one, this)


@pytest.mark.parametrize(("more", "days"), [(", in_freeze: merge", 0), (", hold_for: 2h", 1), ("", 7)])
def test_a_train_that_may_not_leave_any_more_is_given_up_for_the_next(world: World, more: str, days: int) -> None:
    world.freeze("env:production")
    with leg(world, more=more) as (one, this):
        world.clock.at = LEAVES.replace(day=24 + days) if days < 7 else LEAVES.replace(month=12, day=1)
        with pytest.raises(ReleaseAbortedError, match="the next"):
            require_departure.fn(one, this)
        assert world.status("r3").stage == "aborted"
        assert "the next" in world.last("aborted", "r3").fact["reason"]


@pytest.mark.parametrize("step", ["expanding", "deployed"])
def test_one_that_has_begun_to_change_production_goes_on(world: World, step: str) -> None:
    world.freeze("env:production")
    fact = {"version": "3", "digest": "sha256:" + 64 * "a", "commit": world.source.refs["v2"], "before": []}
    with leg(world, more=", in_freeze: merge") as (one, this):
        world.clock.at = LEAVES
        world.ledger.append(Draft(release="r3", step=step, subject="cloud", fact=fact), world.clock.now())
        require_departure.fn(one, this)


def test_a_stage_that_was_expanded_is_not_production(world: World) -> None:
    with leg(world) as (one, this):
        draft = Draft(release="r3", step="expanding", subject="stage", fact={"before": []})
        world.ledger.append(draft, world.clock.now())
        assert waits(one, this)[0] == "window"


def test_an_overdue_way_back_stops_it_and_is_looked_at_every_hour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    since, due = LEAVES.replace(day=18), LEAVES.replace(day=21)

    def owes(_tools: object, product: Product) -> list[MergeBack]:
        asked.append(product.product)
        return [MergeBack("fix-1", "ana", "main", since, due)]

    monkeypatch.setattr(departure, "owed", owes)
    with leg(world) as (one, this):
        world.clock.at = LEAVES
        assert waits(one, this) == ("person", "2026-11-24T10:00:00Z")
    assert asked == ["shop"]


def test_who_went_ahead_alone_is_told_and_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    since, due = LEAVES.replace(day=18), LEAVES.replace(day=21)
    owes = [Review("r1", 1, "rosa", "INC-1", "it is down", since, due)]
    monkeypatch.setattr(departure, "owed", lambda *_: owes)
    with leg(world) as (one, this):
        world.clock.at = LEAVES
        with pytest.raises(NotDepartedError, match="in which rosa went ahead alone") as wait:
            require_departure.fn(one, this)
    message, hint = wait.value.kept
    assert "in which somebody went ahead alone" in message
    assert "release abort r3" in str(hint)
