"""Ways back over the fakes: who goes back, what is refused, what follows, and that nothing happens twice."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stationmaster.blocks.instances import NothingRunsError
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.blocks.ordering import decide, give_order
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.orders import ABORT
from stationmaster.domain.release import UnknownReleaseError, why
from stationmaster.domain.rollback import NothingToRollBackError, NotOnReleaseError, RollbackOfRollbackError, of_person
from stationmaster.ledger.leases import LeaseLostError
from stationmaster.tasks.hold import ChangesHeldError
from tests.shop import FLAGS, OPEN
from tests.world import Killed, World, once, throw
from tests.world import world as made

OLD = {"acme": "1", "birch": "1", "cedar": "1"}
NEW = dict.fromkeys(OLD, "2")


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


@pytest.fixture
def bad(world: World) -> World:
    """Version 3 was bad for its pilot, and went back by itself."""
    world.commit("v3", bad={"cloud": 5})
    assert world.release("r3", "v3").name == "RolledBack"
    return world


# By itself


def test_a_breach_takes_its_tenants_back_and_the_others_never_get_it(bad: World) -> None:
    assert bad.production() == OLD
    assert bad.status("r3").stage == "rolled_back"
    assert ("retired", "cloud", "3") in bad.target.did
    restored = bad.last("restored", "r3").fact
    assert (restored["tenants"], restored["flags"]) == (["acme"], "back")


def test_a_broken_journey_does_too(world: World) -> None:
    world.commit("v3", fails={"cloud": ["/order"]})
    before = world.clock.now()
    assert world.release("r3", "v3").name == "RolledBack"
    verdict = world.last("verdict", "r3").fact
    assert (verdict["verdict"], verdict["cause"], verdict["broken_for"]) == ("rollback", "breach", ["acme"])
    assert "journey order of tenant acme failed 3 of 3" in verdict["reason"]
    assert (world.clock.now() - before).total_seconds() < 2
    assert world.production() == OLD


@pytest.mark.slow
def test_only_the_instance_of_those_for_whom_it_is_bad_goes_back(world: World) -> None:
    """Cedar has an instance of its own; the second wave is broken there alone."""
    world.commit("v3", fails={"cedar": ["/order"]})
    assert world.release("r3", "v3").name == "Contained"
    assert world.production() == {"acme": "3", "birch": "3", "cedar": "1"}
    assert world.status("r3").stage == "held"
    contained = world.last("contained", "r3").fact
    assert (contained["left"], contained["flags"]) == (["acme", "birch"], "kept")
    with pytest.raises(ChangesHeldError):
        world.start("r3", "v3")
    assert world.rollback("r3", now=True).name == "RolledBack"
    assert world.production() == OLD


@pytest.mark.slow
def test_the_flags_go_back_with_the_last_tenant(world: World) -> None:
    files = world.source.commits[world.source.refs["v1"]]
    files["flags.json"] = FLAGS.replace("ENABLED", "DISABLED")
    world.commit("v3", bad={"cloud": 5})
    world.release("r3", "v3")
    assert "DISABLED" in (world.root / "flags.json").read_text()


@pytest.mark.slow
def test_it_is_over_and_a_start_does_nothing(bad: World) -> None:
    before = bad.ledger.entries()
    assert bad.start("r3", "v3").message == "r3 is over already"
    assert bad.ledger.entries() == before
    assert bad.rollback("r3").name == "RolledBack"
    assert bad.ledger.entries() == before


@pytest.mark.slow
def test_support_is_told_once_in_the_brief_and_in_a_message(bad: World) -> None:
    bad.start("r3", "v3")
    assert bad.chat.texts() == [
        "r3 waits for approval", "Support brief: shop 3 goes to 3 tenants", "shop 3 was rolled back for 1 tenant",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_chat_that_is_away_keeps_nobody_from_going_back(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.start("r3", "v3")
    world.approve("r3")
    world.power.trap = once("target.shift", lambda _: world.chat.go_away())
    assert world.start("r3", "v3").name == "RolledBack"
    assert world.production() == OLD
    world.chat.away = False
    world.start("r3", "v3")
    assert world.chat.texts()[-1] == "shop 3 was rolled back for 1 tenant"


@pytest.mark.slow
@pytest.mark.parametrize("away", ["flags.publish", "target.retire"])
def test_what_fails_after_the_routes_is_done_by_the_next_start(world: World, away: str) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.start("r3", "v3")
    world.approve("r3")

    def then(_arguments: tuple[Any, ...]) -> None:
        world.power.trap = once(away, throw(OutsideError("away")))

    world.power.trap = when("ledger.append", "rolled_back", then)
    with pytest.raises(OutsideError):
        world.start("r3", "v3")
    assert world.production() == OLD
    assert (world.status("r3").stage, world.last("failed", "r3").fact["message"]) == ("rolling_back", "away")
    assert "away" in why(world.status("r3")).message
    assert world.start("r3", "v3").name == "RolledBack"


# What is on hold


def test_its_changes_are_on_hold_until_somebody_lifts_that(bad: World) -> None:
    bad.commit("v4")
    with pytest.raises(ChangesHeldError, match="r4 carries what was rolled back: ") as held:
        bad.start("r4", "v4")
    assert held.value.hint is not None
    assert "release resume r3" in held.value.hint
    assert bad.status("r4").stage == "failed"
    bad.lift("r3")
    assert bad.release("r4", "v4").name == "Released"


@pytest.mark.slow
def test_what_was_reverted_is_not_carried(bad: World) -> None:
    held = [change["commit"] for change in bad.last("cut", "r3").fact["changes"]]
    for number, commit in enumerate(held):
        bad.source.reverted[bad.commit(f"v4{number}")] = commit
    bad.commit("v5")
    assert bad.release("r5", "v5").name == "Released"


def test_another_product_is_not_concerned(bad: World) -> None:
    assert bad.ledger.latest({"rollback", "lifted"})["r3"].step == "rollback"
    older = bad.source.refs["v1"]
    assert bad.release("r1", older).name == "Released"  # carries nothing of it


# By a person


def test_a_person_takes_a_release_back_that_is_over(world: World) -> None:
    world.release()
    assert world.production() == NEW
    assert world.rollback("r2").name == "RolledBack"
    assert world.production() == OLD
    ordered = world.last("rollback")
    assert (ordered.fact["cause"], ordered.fact["reason"]) == ("person", "it is bad")
    assert world.ledger.personal(ordered) == {"who": "ana"}
    assert world.status().stage == "rolled_back"


def test_those_whose_window_is_closed_go_back_only_when_it_must_be_now(world: World) -> None:
    world.release()
    world.windows("closed")
    before = world.facts()
    assert world.rollback("r2").name == "NobodyWentBack"
    assert (world.production(), world.facts()) == (NEW, before)
    world.windows("open")
    assert world.rollback("r2").name == "RolledBack"
    assert world.production() == OLD


@pytest.mark.slow
def test_no_window_keeps_those_who_are_affected_and_their_neighbours(world: World) -> None:
    world.release()
    world.windows("closed")
    assert world.rollback("r2", "acme").name == "Contained"
    assert world.production() == {"acme": "1", "birch": "1", "cedar": "2"}


@pytest.mark.slow
def test_a_leg_under_way_sees_the_order_and_leads_its_tenants_back(world: World) -> None:
    world.start()
    world.approve()
    asked = world.asked("r2", "acme")
    world.power.trap = once("clock.sleep", lambda _: give_order(world.tools, asked))
    assert world.start().name == "RolledBack"
    assert world.production() == OLD
    assert "failed" not in [step for step, _ in world.steps()]


@pytest.mark.slow
def test_a_leg_that_was_taken_over_from_says_so_whatever_it_broke_on(world: World) -> None:
    world.start()
    world.approve()
    ended: list[str | None] = []
    world.power.trap = once("clock.sleep", lambda _: ended.append(world.rollback("r2", "acme").name))
    with pytest.raises(LeaseLostError):
        world.start()
    assert ended == ["RolledBack"]
    assert world.production() == OLD


@pytest.mark.slow
def test_a_long_act_is_not_awaited(world: World) -> None:
    """The second wave's schema takes its time; the way back of the first does not wait for it."""
    world.start()
    world.approve()
    told: list[str | None] = []

    def meanwhile(arguments: tuple[Any, ...]) -> None:
        if arguments[0] == "cedar":
            told.append(world.rollback("r2", "acme").name)

    world.power.trap = each("database.expand", meanwhile)
    with pytest.raises(LeaseLostError):
        world.start()
    assert told == ["RolledBack"]
    assert world.production() == OLD


@pytest.mark.slow
def test_nothing_is_recorded_of_what_cannot_be(world: World) -> None:
    world.start()
    before = world.ledger.entries()
    with pytest.raises(NothingToRollBackError, match="no tenant runs r2"):
        world.rollback("r2")
    with pytest.raises(UnknownReleaseError, match="'r7'"):
        world.rollback("r7")
    assert world.ledger.entries() == before
    world.approve()
    world.start()
    before = world.ledger.entries()
    with pytest.raises(NotOnReleaseError, match="nobody does not run r2"):
        world.rollback("r2", "nobody")
    assert world.ledger.entries() == before


@pytest.mark.slow
def test_a_first_release_cannot_be_taken_back_and_stays_as_it_is(world: World) -> None:
    """The tenant is new, and runs nothing before the release."""
    dinah = f"  - {{id: dinah, name: Dinah, ring: broad, {OPEN}}}\n"
    world.directory.write_text(world.directory.read_text() + dinah)
    world.release()
    before = world.ledger.entries()
    with pytest.raises(NothingRunsError, match="dinah ran nothing before r2, so they stay on it"):
        give_order(world.tools, world.asked("r2", "dinah", now=True).model_copy(update={"scope": "tenant"}))
    assert world.ledger.entries() == before
    assert world.status().stage == "released"


def test_a_rollback_is_never_rolled_back(world: World) -> None:
    world.release()
    world.commit("v3", bad={"cloud": 5, "cedar": 5})
    assert world.release("r3", "v3").name == "RolledBack"
    for tenant in ("birch", "cedar"):  # all on it by hand, so that the way back led everybody to 2
        assert world.production()[tenant] == "2"
    with pytest.raises(RollbackOfRollbackError, match="acme, birch, cedar run what a rollback led them to"):
        all_by_rollback(world).rollback("r2")


def all_by_rollback(world: World) -> World:
    """Every tenant is where a rollback led it."""
    fact = world.ledger.running()["acme"].fact
    for tenant in ("birch", "cedar"):
        draft = world.draft("r3", "rolled_back", tenant, {**fact, "instance": world.target.where[tenant][0]})
        world.ledger.append(draft, world.clock.now())
    return world


@pytest.mark.slow
def test_what_was_taken_back_can_be_released_again_and_go_back_again(world: World) -> None:
    world.release()
    world.rollback("r2")
    world.lift("r2")
    assert world.release("again", "v2").name == "Released"
    assert world.rollback("again").name == "RolledBack"
    assert world.production() == OLD


def test_a_migration_that_fails_has_no_way_back_to_go(world: World) -> None:
    world.start()
    world.approve()
    world.source.commits[world.source.refs["v2"]]["migrations/expand.sql"] = "-- RAISE"
    world.start()
    world.approve()  # what was signed was another migration
    with pytest.raises(MigrationFailedError):
        world.start()
    with pytest.raises(NothingToRollBackError):
        world.rollback("r2")


def when(call: str, step: str, act: Callable[[tuple[Any, ...]], None]) -> Callable[[str, str, tuple[Any, ...]], bool]:
    """Do something after a step was written."""

    def trap(at: str, called: str, arguments: tuple[Any, ...]) -> bool:
        if (at, called) == ("after", call) and arguments[0].step == step:
            act(arguments)
        return False

    return trap


def each(call: str, act: Callable[[tuple[Any, ...]], None]) -> Callable[[str, str, tuple[Any, ...]], bool]:
    """Do something before every such call."""

    def trap(at: str, called: str, arguments: tuple[Any, ...]) -> bool:
        if (at, called) == ("before", call):
            act(arguments)
        return False

    return trap


@pytest.mark.slow
def test_a_wave_that_went_back_and_comes_again_is_watched_again(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = once("target.retire", throw(OutsideError("away")))
    with pytest.raises(OutsideError):
        world.start()
    assert world.rollback("r2", "acme").name == "Contained"
    world.lift("r2")
    assert world.start().name == "Released"
    assert world.steps().count(("verdict", "pilot")) == 2
    assert world.production() == NEW


# What a review found


@pytest.mark.slow
def test_what_another_rollback_led_to_a_release_goes_back_with_it_and_its_story_stays_whole(world: World) -> None:
    world.release()
    world.commit("v3", bad={"cloud": 5})
    assert world.release("r3", "v3").name == "RolledBack"
    assert world.rollback("r2", now=True).name == "RolledBack"
    assert (world.status().stage, world.production()) == ("rolled_back", OLD)


@pytest.mark.slow
def test_a_broken_journey_decides_also_while_nobody_counts(world: World) -> None:
    world.commit("v3", fails={"cloud": ["/order"]})
    world.start("r3", "v3")
    world.approve("r3")
    world.metrics.answers = world.metrics.away()
    assert world.start("r3", "v3").name == "RolledBack"
    assert world.production() == OLD


@pytest.mark.slow
def test_a_wider_order_that_comes_meanwhile_is_carried_out_too(world: World) -> None:
    world.commit("v3", fails={"cedar": ["/order"]})
    world.start("r3", "v3")
    world.approve("r3")
    asked = world.asked("r3", now=True)
    world.power.trap = once("target.retire", lambda _: give_order(world.tools, asked))
    assert world.start("r3", "v3").name == "RolledBack"
    assert (world.production(), world.status("r3").stage) == (OLD, "rolled_back")


@pytest.mark.slow
def test_what_was_rolled_back_meanwhile_is_not_carried_on(world: World) -> None:
    world.release()
    world.commit("v3")
    world.start("r3", "v3")
    world.approve("r3")
    world.power.trap = once("chat.post", lambda _: world.rollback("r2", now=True))
    with pytest.raises(ChangesHeldError):
        world.start("r3", "v3")
    assert world.production() == OLD


@pytest.mark.slow
def test_a_verdict_that_a_leg_died_of_stands(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.start("r3", "v3")
    world.approve("r3")

    def dies(at: str, call: str, arguments: tuple[Any, ...]) -> bool:
        return (at, call) == ("after", "ledger.observe") and arguments[0].step == "verdict"

    world.power.trap = dies
    with pytest.raises(Killed):
        world.start("r3", "v3")
    world.power.on()
    world.clock.sleep(31)
    for found in world.target.runs.values():
        found["bad"] = {}
    assert world.start("r3", "v3").name == "RolledBack"


@pytest.mark.slow
def test_a_pause_leaves_no_wave_unwatched(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = lambda at, call, arguments: (at, call) == ("after", "target.shift")
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(31)
    world.ledger.append(world.draft("r2", "paused", "r2", {"reason": "lunch"}), world.clock.now())
    assert world.start().name == "Paused"
    tenant = world.ledger.running()["acme"]
    assert (tenant.step, ("promoted", "pilot") in world.steps()) in {("deployed", True), ("adopted", False)}


@pytest.mark.slow
def test_a_way_back_is_ended_also_when_another_release_came_to_its_tenants_meanwhile(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = once("target.retire", throw(OutsideError("away")))
    with pytest.raises(OutsideError):
        world.start()
    order = of_person(world.asked("r2", now=True), world.clock.now()).model_copy(update={"cause": ABORT})
    decide(world.tools, "r2", order)
    world.power.trap = once("target.retire", throw(OutsideError("away")))
    with pytest.raises(OutsideError):
        world.rollback("r2", now=True)
    world.commit("v3")
    assert world.release("r3", "v3").name == "Released"
    assert world.rollback("r2", now=True).name == "RolledBack"
    assert set(world.production().values()) == {"3"}
    ended = world.last("restored", "r2").fact
    assert (ended["tenants"], ended["bad_requests"]) == (["acme", "birch", "cedar"], None)
