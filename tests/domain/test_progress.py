"""How far a release is follows from its entries: which ring is planned, under way, done, held or back."""

from typing import Any

import pytest

from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.progress import Standing, standing, unfinished
from tests.entries import GOOD, story

PLAN = Plan(
    "shop",
    f"sha256:{'ab' * 32}",
    (Wave("pilot", {"cloud": ("acme", "bolt")}), Wave("broad", {"cloud": ("corn",), "dell": ("dell",)})),
    (),
)
PILOT = (*GOOD[:10], ("deployed", "acme"), ("deployed", "bolt"))
WATCHED = (*PILOT, ("verdict", "pilot"), ("promoted", "pilot"))
BROAD = (*WATCHED, ("deployed", "corn"), ("deployed", "dell"))
BACK = ("rollback", ("rolled_back", "acme"), ("rolled_back", "bolt"))


def at(*steps: str | tuple[str, str], begins: str | None = None) -> Standing:
    return standing(PLAN, story(*steps), begins=begins)


@pytest.mark.parametrize(
    ("steps", "rings", "said", "whole"),
    [
        (GOOD[:9], ("planned", "planned"), "Planned; nobody has it yet.", "planned"),
        (PILOT[:-1], ("now", "planned"), "Under way: wave 1 of 2 (pilot) is watched.", "now"),
        (WATCHED, ("done", "planned"), "1 of 2 waves done.", "now"),
        (BROAD, ("done", "now"), "Under way: wave 2 of 2 (broad) is watched.", "now"),
        ((*BROAD, ("held", "broad")), ("done", "held"), "Held at wave 2 of 2 (broad). A person decides.", "held"),
        ((*BROAD, ("held", "broad"), "started"), ("done", "now"), "Under way: wave 2 of 2 (broad) is watched.", "now"),
        (
            (*BROAD, ("held", "broad"), ("promoted", "broad")),
            ("done", "done"),
            "2 of 2 waves done.",
            "done",
        ),
        (
            (*BROAD, ("promoted", "broad"), "released"),
            ("done", "done"),
            "Released: every tenant of the plan has it.",
            "done",
        ),
        ((*PILOT, "rollback"), ("now", "planned"), "It is going back to the version before.", "now"),
        (
            (*PILOT, *BACK, "restored"),
            ("rolled back", "planned"),
            "Rolled back: 2 tenants are back on the version before, nobody has it. Its changes are on hold.",
            "rolled back",
        ),
        (
            (*BROAD, "rollback", ("rolled_back", "dell"), "contained"),
            ("done", "held"),
            "Held: 1 tenant is back on the version before, others keep it. A person decides.",
            "held",
        ),
        (
            (*BROAD, *BACK, "contained"),
            ("rolled back", "now"),
            "Held: 2 tenants are back on the version before, others keep it. A person decides.",
            "held",
        ),
        ((*PILOT, "aborted"), ("now", "planned"), "Given up; nothing further happens.", "now"),
    ],
)
def test_each_ring_and_the_whole(steps: Any, rings: tuple[str, str], said: str, whole: str) -> None:
    found = at(*steps)
    assert (tuple(found.waves.values()), found.said, found.whole) == (rings, said, whole)


def test_a_wave_that_begins_is_under_way_before_the_ledger_knows() -> None:
    found = at(*WATCHED, begins="broad")
    assert found.waves == {"pilot": "done", "broad": "now"}
    assert found.said == "Under way: wave 2 of 2 (broad) is watched."
    assert at(*WATCHED, begins="pilot").waves == {"pilot": "done", "broad": "planned"}
    assert at(*WATCHED, begins="r1").waves == at(*WATCHED).waves


def test_who_went_back_and_came_again_is_not_back() -> None:
    again = at(*PILOT, *BACK, "contained", "lifted", "started", ("deployed", "acme"), ("deployed", "bolt"))
    assert (again.back, again.waves["pilot"]) == ((), "now")
    assert at(*PILOT, *BACK, "contained").back == ("acme", "bolt")


def test_a_ring_that_was_good_before_it_went_back_is_not_done_when_it_comes_again() -> None:
    steps = (*BROAD, *BACK, "contained", ("deployed", "acme"), ("deployed", "bolt"))
    assert at(*steps).waves["pilot"] == "now"
    assert at(*steps, ("promoted", "pilot")).waves["pilot"] == "done"


@pytest.mark.parametrize(
    ("steps", "over"),
    [
        (BROAD, False),
        ((*PILOT, *BACK), False),
        ((*PILOT, *BACK, "restored"), True),
        ((*PILOT, *BACK, "contained"), False),
        ((*PILOT, "aborted"), True),
        ((*PILOT, "aborted", "rollback"), False),
        ((*PILOT, "paused"), False),
    ],
)
def test_what_goes_no_further_is_over(steps: Any, over: object) -> None:
    assert at(*steps).over is over


def test_what_is_over_is_not_finished_before_it_is_told_and_sealed() -> None:
    way = ("started", "mandated", "briefed")
    assert not unfinished(story(*way))
    assert unfinished(story(*way, "released"))
    assert unfinished(story(*way, "released", "told"))
    assert not unfinished(story(*way, "released", "told", "closed"))
    assert unfinished(story(*way, "released", "told", "closed", "restored", "told"))
    assert not unfinished(story("started", "briefed", "released", "told"))  # of a ledger that knew no seals
