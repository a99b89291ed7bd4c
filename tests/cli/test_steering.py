"""`release retry`, `advance` and `skip`: what each refuses, and what the next leg makes of it."""

from collections.abc import Iterator

import pytest

from stationmaster.cli.steering import advance, must_have_stopped, skip
from stationmaster.domain.errors import InputError, StationmasterError
from stationmaster.domain.plan import Wave
from stationmaster.domain.skipping import advanced
from tests.entries import story
from tests.world import World
from tests.world import world as made


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with made() as one:
        monkeypatch.setenv("STATIONMASTER_USER", "ben")
        for module in ("steering", "lookup"):
            monkeypatch.setattr(f"stationmaster.cli.{module}.now", one.clock.now)
        yield one


def refused(code: str) -> "pytest.RaisesExc[StationmasterError]":
    return pytest.RaisesExc(StationmasterError, check=lambda error: error.code == code)


def held(world: World) -> World:
    """As bad as its neighbours: nobody can say whose fault it is."""
    world.commit("v2", bad={"cloud": 5})
    world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}
    world.start()
    world.approve()
    assert world.start().name == "Held"
    return world


def test_a_held_wave_goes_on_when_a_person_says_so(world: World) -> None:
    held(world)
    advance(world.ledger, "r2", "the errors are the neighbours'")
    entry = world.last("advanced")
    assert (entry.subject, entry.fact["verdict"], world.ledger.personal(entry)) == ("pilot", "hold", {"who": "ben"})
    world.start()
    assert world.last("promoted").subject == "pilot"
    assert world.status().stage in {"held", "released"}  # the next ring is judged by itself
    assert world.tenants()["acme"] == "2"


def test_what_breaks_goes_back_although_a_person_said_so(world: World) -> None:
    held(world)
    advance(world.ledger, "r2", "looks good")
    world.target.runs["cloud", "a"]["bad"] = {}
    assert world.start().name == "RolledBack"
    assert world.production()["acme"] == "1"


def test_a_word_about_what_the_wave_had_before_does_not_count() -> None:
    wave = Wave("pilot", {"cloud": ("acme",)})
    first = story(("deployed", "acme"), ("held", "pilot"), ("advanced", "pilot"))
    assert advanced(first, wave) == first[-1]
    assert advanced(first[:2], wave) is None
    for step in ("rolled_back", "deployed"):
        assert advanced(story(*((e.step, e.subject) for e in first), (step, "acme")), wave) is None
    assert advanced(first, Wave("broad", {"cloud": ("birch",)})) is None


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["planned", "released", "rolled_back"])
def test_there_is_nothing_to_advance_where_no_wave_is_held(world: World, stage: str) -> None:
    if stage == "rolled_back":
        world.commit("v2", bad={"cloud": 5})
    world.release() if stage != "planned" else world.start()
    before = world.ledger.entries()
    with refused("nothing_to_advance"):
        advance(world.ledger, "r2", "looks good")
    assert world.ledger.entries() == before


@pytest.mark.slow
def test_who_is_skipped_keeps_what_it_runs_and_the_others_get_it(world: World) -> None:
    world.start()
    skip(world.ledger, "r2", ["cedar"], "their audit", undo=False)
    world.approve()
    assert world.start().name == "Released"
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "1"}
    (place,) = (one for one in world.last("planned").fact["placements"] if one["tenant"] == "cedar")
    assert (place["place"], place["reason"]) == ("skipped", "is left out by a person: their audit")
    assert world.database.ran.count(("cedar", "r2")) == 0


@pytest.mark.slow
def test_who_is_taken_in_again_gets_it(world: World) -> None:
    world.start()
    skip(world.ledger, "r2", ["cedar"], "their audit", undo=False)
    skip(world.ledger, "r2", ["cedar"], "their audit", undo=False)
    skip(world.ledger, "r2", ["cedar"], "it is over", undo=True)
    assert world.steps().count(("skipped", "cedar")) == 1
    world.approve()
    assert world.start().name == "Released"
    assert set(world.production().values()) == {"2"}


@pytest.mark.slow
def test_who_is_skipped_in_the_middle_of_a_leg_is_not_moved(world: World) -> None:
    world.start()
    world.approve()

    def trap(when: str, call: str, arguments: tuple[object, ...]) -> bool:
        if (when, call) == ("after", "ledger.append") and getattr(arguments[0], "step", "") == "promoted":
            world.power.trap = None
            skip(world.ledger, "r2", ["cedar"], "their audit", undo=False)
        return False

    world.power.trap = trap
    assert world.start().name == "WaitingForWindow"
    assert world.production() == {"acme": "2", "birch": "1", "cedar": "1"}
    assert world.start().name == "Released"
    assert world.production() == {"acme": "2", "birch": "2", "cedar": "1"}


@pytest.mark.slow
def test_who_has_it_or_is_nobody_cannot_be_skipped(world: World) -> None:
    world.release()
    world.commit("v3")
    world.start("r3", "v3")
    with refused("not_planned"):
        skip(world.ledger, "r3", ["acme", "acne"], "typo", undo=False)
    assert ("skipped", "acme") not in world.steps("r3")  # none of them
    with refused("nothing_to_skip"):
        skip(world.ledger, "r2", ["acme"], "too late", undo=False)


def test_without_a_reason_nothing_is_done(world: World) -> None:
    world.start()
    with pytest.raises(InputError, match="without a reason"):
        advance(world.ledger, "r2", " ")
    with pytest.raises(InputError, match="without a reason"):
        skip(world.ledger, "r2", ["acme"], "", undo=False)


@pytest.mark.slow
def test_only_what_stopped_is_tried_again(world: World) -> None:
    held(world)
    must_have_stopped(world.status())
    world.commit("v3")
    world.start("r3", "v3")
    with refused("nothing_to_retry"):
        must_have_stopped(world.status("r3"))
