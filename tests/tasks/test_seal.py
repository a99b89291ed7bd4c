"""What belongs to a release is listed when it is over, and a checkpoint that covers it is published."""

from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.checkpoints import LogRewrittenError, origin, shelf
from stationmaster.domain.checkpoint import opened
from stationmaster.domain.entries import LOG
from stationmaster.domain.merkle import leaf, root
from tests.tampering import forge
from tests.world import Killed, World


def checkpoints(world: World) -> list[Path]:
    return sorted(shelf(world.tools.evidence, "shop").glob("*.checkpoint"))


def test_every_entry_of_a_released_one_is_listed_and_under_a_checkpoint(world: World) -> None:
    world.release()
    closed = world.last("closed")
    mine = [entry.index for entry in world.ledger.entries("r2") if entry.step != "closed"]
    assert closed.fact == {"state": "released", "leaves": mine, "size": closed.index}
    (entry,) = world.ledger.entries(LOG)
    assert entry.fact["size"] > closed.index
    found = opened(entry.fact["note"], [world.tools.signer.vkey(origin("shop"))])
    leaves = world.ledger.leaves(entry.fact["size"])
    assert found.root == root([leaves[at : at + 32] for at in range(0, len(leaves), 32)])
    assert len(checkpoints(world)) == 1


def test_one_that_waits_is_not_sealed(world: World) -> None:
    world.start()
    assert world.ledger.entries(LOG) == []
    assert "closed" not in {step for step, _ in world.steps()}


@pytest.mark.slow
def test_one_that_went_back_is_sealed_as_what_it_is(world: World) -> None:
    world.release()
    world.rollback()
    assert world.last("closed").fact["state"] == "rolled_back"
    assert [entry.fact["state"] for entry in world.ledger.entries("r2") if entry.step == "closed"] == [
        "released", "rolled_back",
    ]  # fmt: skip


def test_one_that_was_given_up_is_sealed_by_whoever_meets_it(world: World) -> None:
    world.start()
    world.abort()
    world.start()
    assert world.last("closed").fact["state"] == "aborted"


@pytest.mark.slow
def test_it_is_sealed_once_however_often_it_is_started(world: World) -> None:
    world.release()
    world.start()
    world.start()
    assert len([step for step, _ in world.steps() if step == "closed"]) == 1
    assert len(checkpoints(world)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_anywhere_in_it_it_is_sealed_by_the_next(world: World, when: str, nth: int) -> None:
    world.start()
    world.approve()
    seen = []

    def trap(moment: str, call: str, arguments: tuple[object, ...]) -> bool:
        step = getattr(arguments[0], "step", "") if call == "ledger.append" and arguments else ""
        if step in {"closed", "checkpointed"} and moment == when:
            seen.append(step)
        return len(seen) == nth

    world.power.trap = trap
    with pytest.raises(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(40)  # the lease of the dead process ends
    world.start()
    assert [step for step, _ in world.steps()].count("closed") == 1
    assert world.ledger.entries(LOG)


@pytest.mark.slow
def test_a_ledger_that_was_rewritten_is_told_loudly(world: World) -> None:
    world.release()
    first = world.ledger.entries()[0]
    other = first.model_copy(update={"at": "2020-01-01T00:00:00Z"}).canonical()
    hashes = f"canonical = x'{other.hex()}', leaf = x'{leaf(other).hex()}'"
    forge(world.ledger.engine, f'UPDATE entries SET {hashes} WHERE "index" = 0')  # noqa: S608 - our own bytes
    world.commit("v3")
    world.start("r3", "v3")
    world.approve("r3")
    with pytest.raises(LogRewrittenError, match="the log was rewritten"):
        world.start("r3", "v3")


@pytest.mark.slow
def test_what_somebody_writes_while_it_is_listed_is_listed_too(world: World) -> None:
    late = [world.draft("r2", "skipped", "cedar", {"reason": "late"})]

    def somebody(at: str, call: str, arguments: tuple[Any, ...]) -> bool:
        if (at, call) == ("before", "ledger.append") and arguments[0].step == "closed" and late:
            world.ledger.append(late.pop(), world.clock.now())
        return False

    world.start()
    world.approve()
    world.power.trap = somebody
    assert world.start().name == "Released"
    first, last = (entry for entry in world.ledger.entries("r2") if entry.step == "closed")
    mine = [entry.index for entry in world.ledger.entries("r2") if entry.step != "closed"]
    assert (set(mine) - set(first.fact["leaves"]), last.fact["leaves"]) == ({first.index - 1}, mine)
    assert first.fact["size"] == first.index - 1
