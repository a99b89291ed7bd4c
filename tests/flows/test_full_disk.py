"""The disk fills up in the middle of a release: the message says so, and with room again the release goes on.

A real ledger in a file and a real artifact store lie on it, with the flags and the folders in which guests work.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.space import NoSpaceError
from stationmaster.domain.release import why
from stationmaster.ledger.faults import LedgerFullError
from stationmaster.ledger.store import Ledger
from tests.disk import Disk, small_disk
from tests.flows.test_resume import EXPECTED, effects
from tests.shop import PRODUCT
from tests.world import World, once

BUILD = "mkdir dist; sed"
GREEDY = "mkdir dist; head -c 3000000 /dev/zero > dist/debug || exit 2; sed"


@pytest.fixture
def disk() -> Iterator[Disk]:
    with small_disk(6) as mounted:
        yield mounted


def made_in(root: Path) -> World:
    made = World(root, ledger=Ledger.open(f"sqlite:///{root}/ledger.db"))
    made.commit("v2")
    return made


@pytest.fixture
def small(disk: Disk) -> Iterator[World]:
    """Everything of a release on one small disk."""
    made = made_in(disk.root)
    yield made
    made.ledger.close()


def finish(world: World) -> None:
    """What people do when there is room again. A leg that could not give its lease back has lost it by then."""
    world.power.on()
    for _ in range(4):
        world.clock.sleep(31)
        if world.waits():
            world.approve()
        world.start()
        if world.status().stage == "released":
            return


def test_no_room_for_the_artifact(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """For everybody: the system's refusal is ours."""

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    world.power.trap = once("artifacts.publish", lambda _: monkeypatch.setattr(os, "fsync", full))
    with pytest.raises(NoSpaceError, match=f"no space left for the artifact in {world.store.root}: .* free, .* needed"):
        world.start()
    monkeypatch.undo()
    assert (world.artifacts(), ("built", "r2") in world.steps()) == (0, False)
    assert world.last("failed").fact["code"] == "no_space"
    finish(world)
    assert effects(world) == EXPECTED


def test_no_room_wherever_an_act_writes_is_no_error_of_ours(world: World) -> None:
    def full(_: tuple[Any, ...]) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(world.root / "work" / "r2"))

    world.power.trap = once("source.export", full)
    with pytest.raises(NoSpaceError, match=f"what build writes in {world.root}/work/r2: .* free") as caught:
        world.start()
    assert caught.value.step == "build"


def test_what_a_person_is_told(small: World, disk: Disk) -> None:
    """`release start` prints what `why` says, and the sentence of the entry."""
    small.power.trap = once("artifacts.publish", lambda _: disk.fill(leave=200_000))
    small.commit("v2", product=PRODUCT.replace(BUILD, GREEDY.replace("debug", "shop").replace("; sed", " #")))
    with pytest.raises(NoSpaceError) as full:
        small.start()
    reason = why(small.status())
    assert full.value.message in reason.message
    assert str(disk.root) in reason.message
    assert reason.command == "stationmaster release start r2"
    assert small.artifacts() == 0


def test_a_build_that_runs_out_of_room(small: World, disk: Disk) -> None:
    small.commit("v2", product=PRODUCT.replace(BUILD, GREEDY))
    disk.fill(leave=2_000_000)
    with pytest.raises(NoSpaceError, match=r"(?s)what `sh -c .*` writes in .*/work/r2/build: .* free"):
        small.start()
    assert small.last("failed").fact["step"] == "build"
    disk.make_room()
    finish(small)
    assert effects(small) == EXPECTED


@pytest.mark.slow
def test_a_ledger_that_is_full_in_the_middle(tmp_path: Path) -> None:
    """For everybody: SQLite is not allowed another page."""
    world = World(tmp_path, ledger=Ledger.open(f"sqlite:///{tmp_path}/ledger.db", pool_size=1, max_overflow=0))
    world.commit("v2")

    def bound(pages: str) -> None:
        with world.ledger.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    world.power.trap = once("artifacts.publish", lambda _: bound("1"))  # SQLite makes it as many as there are
    with pytest.raises(LedgerFullError, match=f"no space left for the ledger .*{tmp_path}") as caught:
        world.release()
    assert caught.value.step is not None
    bound("1073741823")
    finish(world)
    assert effects(world) == EXPECTED
    world.ledger.close()


def fill_at(disk: Disk, moment: int) -> Any:
    """The disk is full from that call of a tool on."""
    seen = [0]

    def trap(_when: str, _call: str, _arguments: tuple[Any, ...]) -> bool:
        seen[0] += 1
        if seen[0] == moment:
            disk.fill()
        return False

    return trap


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(1, 120, 3))
def test_full_from_any_moment_on_it_says_so_and_goes_on(small: World, disk: Disk, moment: int) -> None:
    small.power.trap = fill_at(disk, moment)
    with pytest.raises((NoSpaceError, LedgerFullError), match=f"no space left for .*{disk.root}"):
        _release_and_one_more(small, disk)
    disk.make_room()
    finish(small)
    assert effects(small) == EXPECTED


def _release_and_one_more(world: World, disk: Disk) -> None:
    """The release may be over before that moment; then the next one has no room."""
    world.release()
    disk.fill()
    world.start("r3", "v2")
