"""Killing a release anywhere and starting it again ends as an undisturbed one does, each effect once.

A killed process does nothing any more, not even give its lease back. TRAIL is every act of a good release, as the
ledger shows it; the first test keeps it true.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stationmaster.domain.entries import OBSERVED
from stationmaster.domain.stages import CLOSED
from tests.world import Killed, World
from tests.world import world as made


def _signed(*facts: str) -> tuple[tuple[str, str], ...]:
    """The statements of these facts, one each time that it is named."""
    return tuple(("attested", fact) for fact in facts)


TRAIL = (
    ("started", "r2"), ("cut", "r2"), ("built", "r2"), ("tested", "r2"), ("scanned", "r2"), ("expanding", "stage"),
    ("expanded", "stage"), ("staged", "r2"), ("planned", "r2"), ("mandated", "r2"),
    *_signed("cut/r2", "built/r2", "tested/r2", "scanned/r2", "scanned/r2"),
    *_signed("expanded/stage", "expanded/stage", "staged/r2", "mandated/r2"),
    ("waiting", "r2"), ("started", "r2"), ("approved", "r2"), ("briefed", "r2"), *_signed("approved/r2", "briefed/r2"),
    ("expanding", "cloud"), ("expanded", "cloud"), ("flagged", "shop"), ("told", "pilot"), ("deployed", "acme"),
    ("verdict", "pilot"), ("promoted", "pilot"), ("told", "pilot"),
    *_signed("expanded/cloud", "expanded/cloud", "deployed/acme", "verdict/pilot", "promoted/pilot"),
    ("expanding", "cedar"), ("expanded", "cedar"), ("told", "broad"), ("deployed", "cedar"), ("deployed", "birch"),
    ("verdict", "broad"), ("promoted", "broad"), ("told", "broad"),
    *_signed("expanded/cedar", "expanded/cedar", "deployed/cedar", "deployed/birch", "verdict/broad", "promoted/broad"),
    ("released", "r2"), ("told", "r2"), *_signed("released/r2"), ("closed", "r2"),
)  # fmt: skip
# The same release, when its pilot is bad.
WAY_BACK = (
    *TRAIL[: TRAIL.index(("verdict", "pilot")) + 1], ("rollback", "r2"), ("rolled_back", "acme"), ("started", "r2"),
    ("flagged", "shop"), ("restored", "r2"), ("told", "r2"),
    *_signed("expanded/cloud", "expanded/cloud", "deployed/acme", "verdict/pilot", "rolled_back/acme", "restored/r2"),
    ("closed", "r2"),
)  # fmt: skip
BY_PEOPLE = {"approval", "confirmed"}


@cache
def moments_of_all() -> int:
    """At how many moments the process of an undisturbed release can die."""
    with made() as world:
        finish(world)
        return world.power.moments


def counted(trail: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Facts alone: an observation happens again with each leg, and so do its statement and the seal of what came."""
    return Counter(
        each for each in trail if each[0] not in {*OBSERVED, "closed"} and not each[1].startswith("verdict/")
    )


DONE = Counter(
    [
        *(("started", instance, "2") for instance in ("stage", "cloud", "cedar")),
        *(("shifted", tenant, "2") for tenant in ("stage-probe", "acme", "birch", "cedar")),
        *(("retired", instance, "1") for instance in ("stage", "cloud", "cedar")),
    ]
)


def signed(world: World) -> list[tuple[int, str]]:
    """Which statement about which entry."""
    return [(e.fact["of"], e.fact["predicate"]) for e in world.ledger.entries("r2") if e.step == "attested"]


def known(world: World) -> set[int]:
    """Every entry of the release but its seals."""
    return {entry.index for entry in world.ledger.entries("r2") if entry.step != "closed"}


def effects(world: World) -> dict[str, Any]:
    """What the release did to the world, each effect counted."""
    return {
        "artifacts": world.artifacts(),
        "digests": {found["digest"] for found in world.target.runs.values()} == {world.status().digest},
        "migrations": Counter(world.database.ran),
        "schemas": {
            (e.subject, *e.fact["before"], *e.fact["after"]) for e in world.ledger.entries("r2") if e.step == "expanded"
        },
        "target": Counter(world.target.did),
        "messages": world.chat.texts(),
        "flags": (world.root / "flags.json").exists(),
        "facts": counted(each for each in world.facts() if each[0] not in BY_PEOPLE),
        "signed twice": [each for each, count in Counter(signed(world)).items() if count > 1],
        "sealed": set(world.last("closed").fact["leaves"]) == known(world),
        "tenants": world.tenants(),
        "stage": world.status().stage,
    }


EXPECTED = {
    "artifacts": 1,
    "digests": True,
    "migrations": Counter({("stage", "r2"): 1, ("cloud", "r2"): 1, ("cedar", "r2"): 1}),
    "schemas": {("stage", "r1", "r2"), ("cloud", "r1", "r2"), ("cedar", "r1", "r2")},
    "target": DONE,
    "messages": ["r2 waits for approval", "Support brief: shop 2 goes to 3 tenants"],
    "flags": True,
    "facts": counted(TRAIL),
    "signed twice": [],
    "sealed": True,
    "tenants": dict.fromkeys(("acme", "birch", "cedar", "stage-probe"), "2"),
    "stage": "released",
}


EXPECTED_BACK = {
    **EXPECTED,
    "digests": False,
    "migrations": Counter({("stage", "r2"): 1, ("cloud", "r2"): 1}),
    "schemas": {("stage", "r1", "r2"), ("cloud", "r1", "r2")},
    "target": Counter(
        [
            ("started", "stage", "2"), ("started", "cloud", "2"), ("shifted", "stage-probe", "2"),
            ("shifted", "acme", "2"), ("shifted", "acme", "1"), ("retired", "cloud", "2"),
        ]
    ),
    "messages": [
        "r2 waits for approval", "Support brief: shop 2 goes to 3 tenants", "shop 2 was rolled back for 1 tenant",
    ],
    "facts": counted(WAY_BACK),
    "tenants": {"acme": "1", "birch": "1", "cedar": "1", "stage-probe": "2"},
    "stage": "rolled_back",
}  # fmt: skip


def finish(world: World, begin: Callable[[World], None] = lambda _: None) -> int:
    """Start again and again, signing when it waits, until it is over and told; how often it was killed. `begin` is
    called before each leg.
    """
    for killed in range(100):
        begin(world)
        try:
            while world.status_or_none() not in CLOSED:
                if world.waits():
                    world.approve()
                world.start()
            if killed:
                world.start()  # as the watchdog does with a run whose process died: what was not told yet is told
        except Killed:
            world.power.on()
            world.clock.sleep(31)  # the dead process's lease runs out
        else:
            return killed
    raise AssertionError("it never ends")


def write(number: int, when: str) -> Callable[[str, str, tuple[Any, ...]], bool]:
    """A trap at the release's write to the ledger of that number."""
    seen = [0]

    def trap(at: str, call: str, arguments: tuple[Any, ...]) -> bool:
        if at != when or call not in {"ledger.append", "ledger.observe"}:
            return False
        seen[0] += 1
        return seen[0] == number + 1

    return trap


def test_the_trail_of_an_undisturbed_release(world: World) -> None:
    assert finish(world) == 0
    assert tuple(each for each in world.steps() if each[0] not in BY_PEOPLE) == TRAIL
    assert effects(world) == EXPECTED


def cases(trail: Sequence[tuple[str, str]], first: int) -> list[Any]:
    """Each write from the `first` on; the first of each fourth step is shown, the slow run has every one."""
    steps = list(dict.fromkeys(step for step, _ in trail[first:]))[::4]
    shown = {next(n for n, each in enumerate(trail) if n >= first and each[0] == step) for step in steps}
    return [
        pytest.param(n, id=f"{n}-{'-'.join(each)}", marks=() if n in shown else pytest.mark.slow)
        for n, each in enumerate(trail)
        if n >= first
    ]


@pytest.mark.parametrize("number", cases(TRAIL, 0))
@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_killed_at_an_act(world: World, number: int, when: str) -> None:
    """Before: the act is done and nobody knows. After: it is recorded, and the process ends there."""
    world.power.trap = write(number, when)
    assert finish(world) == 1
    assert effects(world) == EXPECTED


def bad_pilot(world: World) -> World:
    world.commit("v2", bad={"cloud": 5})
    return world


def test_the_trail_of_an_undisturbed_way_back(world: World) -> None:
    assert finish(bad_pilot(world)) == 0
    assert tuple(each for each in world.steps() if each[0] not in BY_PEOPLE) == WAY_BACK
    assert effects(world) == EXPECTED_BACK


@pytest.mark.parametrize("number", cases(WAY_BACK, WAY_BACK.index(("verdict", "pilot"))))
@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_killed_on_the_way_back(world: World, number: int, when: str) -> None:
    bad_pilot(world).power.trap = write(number, when)
    assert finish(world) == 1
    assert effects(world) == EXPECTED_BACK


def torn(moments: list[int], *, bad: bool = False) -> None:
    """The leg of each number in `moments` dies that many moments after its start."""
    with made() as world:
        left = list(moments)

        def begin(world: World) -> None:
            world.power.after = left.pop(0) if left else None

        finish(bad_pilot(world) if bad else world, begin)
        assert effects(world) == (EXPECTED_BACK if bad else EXPECTED)


MOMENTS = st.deferred(lambda: st.lists(st.integers(0, moments_of_all()), max_size=6))


def test_killed_three_times_in_a_row() -> None:
    torn([150, 150, 150])


@pytest.mark.slow
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@given(moments=MOMENTS)
@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_killed_at_random_often(moments: list[int], *, bad: bool) -> None:
    torn(moments, bad=bad)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(20))
def test_killed_at_every_twentieth_moment(start: int) -> None:
    """Together, every single moment of a release at which a process can die."""
    for moment in range(start, moments_of_all(), 20):
        torn([moment])
