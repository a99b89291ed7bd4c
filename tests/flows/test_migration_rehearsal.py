"""A release with a rehearsal, from the copy to production: in which order, what approvers see, what is compared."""

import json

import pytest

from stationmaster.blocks.approval import mandate_of
from stationmaster.domain.story import sentence
from stationmaster.tasks.migrations import RehearsalFailedError
from tests.tasks.test_migration_rehearsal import ADD, REHEARSED
from tests.world import Killed, World


def test_a_release_is_rehearsed_signed_and_compared(world: World) -> None:
    world.commit("v3", product=REHEARSED, sql=ADD)
    world.start("r3", "v3")
    assert world.waits("r3")
    steps = [step for step, _ in world.steps("r3")]
    assert steps.index("rehearsed") < steps.index("expanding") < steps.index("staged") < steps.index("mandated")
    assert "rehearsal" in mandate_of(world.ledger, "r3").parts
    asked = json.dumps(list(world.chat.shown.values()))
    assert "rehearsed from r1 to r2 on 2,000,000 rows of orders" in asked
    back = (
        "way back: a downgrade, 1 ms in rehearsal, until its contract runs; from then on only a restore of the backup"
    )
    assert back in asked
    assert world.last("planned", "r3").fact["schema"]["way_back"][0].startswith(back)
    world.approve("r3")
    world.start("r3", "v3")
    assert world.status("r3").stage == "released"
    done = next(entry for entry in world.ledger.entries("r3") if (entry.step, entry.subject) == ("expanded", "cloud"))
    assert done.fact["rehearsed"] == {"rehearsed_ms": 1000.0, "took_ms": 2000.0, "ratio": 2.0, "unrehearsed": 0}
    assert sentence(done) == "database cloud expanded from r1 to r2 in 2.0 s, 2 times what was rehearsed"
    assert [step for step, _ in world.steps("r3")].count("rehearsed") == 1
    brief = json.dumps(list(world.chat.shown.values()))
    assert "work on all rows (1): 1.0 s rehearsed, 1.0 s expected; longest lock ACCESS EXCLUSIVE" in brief
    assert "cloud was expanded in 2.0 s, 2 times what was rehearsed" in brief


def test_a_schema_change_without_a_rehearsal_is_told_to_have_none(world: World) -> None:
    world.commit("v3", sql=ADD)
    world.start("r3", "v3")
    asked = json.dumps(list(world.chat.shown.values()))
    assert "not rehearsed: nobody knows how long it takes" in asked
    assert "way back: no downgrade was tried; as far as anybody knows only a restore" in asked
    assert world.last("planned", "r3").fact["schema"]["rehearsed"] is False


def test_a_release_without_a_schema_change_tells_of_none(world: World) -> None:
    world.release("r2", "v2")
    world.commit("v3", head="r2")
    world.start("r3", "v3")
    assert "schema" not in world.last("planned", "r3").fact


def test_a_refused_rehearsal_leaves_stage_and_production_alone(world: World) -> None:
    world.commit("v3", product=REHEARSED, sql="ALTER TABLE orders ADD KEEPS int")
    with pytest.raises(RehearsalFailedError):
        world.start("r3", "v3")
    assert world.status("r3").stage == "failed"
    assert world.database.ran == []
    assert "downgrade_leaves" in world.last("failed", "r3").fact["message"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_is_killed_beside_a_rehearsal_rehearses_again_and_records_it_once(world: World, when: str) -> None:
    world.commit("v3", product=REHEARSED, sql=ADD)
    world.power.trap = lambda moment, call, _: (moment, call) == (when, "database.rehearse")
    with pytest.raises(Killed):
        world.start("r3", "v3")
    assert "rehearsed" not in [step for step, _ in world.steps("r3")]
    world.power.on()
    world.clock.sleep(31)  # the lease of who was killed runs out
    world.start("r3", "v3")
    steps = [step for step, _ in world.steps("r3")]
    assert steps.count("rehearsed") == 1
    assert steps.index("rehearsed") < steps.index("staged")
