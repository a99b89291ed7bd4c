"""The run directory's disk is full, for real: processes come back, tenants can be led back, fences still hold."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator

import pytest

from stationmaster.blocks.space import NoSpaceError
from stationmaster.blocks.supervisor import Fence, FencedError, SupervisorGoneError
from stationmaster.deployments.detach import start_supervisor
from stationmaster.deployments.fences import Fences
from stationmaster.deployments.sandbox import proxy
from stationmaster.deployments.spare import Spare
from tests.disk import Disk, small_disk
from tests.stack import Stack, eventually


@pytest.fixture
def disk() -> Iterator[Disk]:
    with small_disk(2) as mounted:
        yield mounted


def test_what_must_be_written_has_room_kept_for_it(disk: Disk) -> None:
    path = disk.root / "route.map"
    kept = Spare(path)
    kept.write("old")
    disk.fill()
    kept.write("new")
    assert path.read_text() == "new"
    disk.fill()
    with pytest.raises(NoSpaceError, match=f"no space left for route.map in {disk.root}: .* free, 120.0 KiB needed"):
        kept.write("newer " * 20_480)
    assert path.read_text() == "new"
    disk.make_room()
    kept.write("room again")
    disk.fill()
    kept.write("and kept again")
    assert path.read_text() == "and kept again"


def test_a_fence_that_cannot_be_remembered_is_not_obeyed(disk: Disk) -> None:
    fences = Fences(disk.root / "fences.json")
    (disk.root / "fences.json.spare").unlink()
    disk.fill()
    for _ in range(2):
        with pytest.raises(NoSpaceError, match=r"fences\.json"):
            fences.admit(Fence(release="r1", epoch=2))
    disk.make_room()
    fences.admit(Fence(release="r1", epoch=2))
    assert json.loads((disk.root / "fences.json").read_text()) == {"r1": 2}


@pytest.fixture
def running(disk: Disk) -> Iterator[Stack]:
    made = Stack(disk.root, start_supervisor(disk.root))
    try:
        yield made
    finally:
        with contextlib.suppress(SupervisorGoneError):
            made.supervisor.shutdown()


def test_a_process_that_ended_comes_back_without_its_log(running: Stack, disk: Disk) -> None:
    first = running.supervisor.ensure(running.shell("one", "echo hello; exec sleep 60")).pid
    assert first is not None
    (disk.root / "logs" / "one.log").unlink()
    disk.fill()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: running.supervisor.units()["one"].pid not in {None, first})


def test_tenants_are_led_back_although_nothing_else_can_be_written(running: Stack, disk: Disk) -> None:
    proxy.prepare(disk.root, ["cloud"])
    fence = Fence(release="r1", epoch=1)
    running.supervisor.route({"acme": "cloud_b"}, fence)
    disk.fill()
    running.supervisor.route({"acme": "cloud_a"}, Fence(release="r1", epoch=2))
    assert running.supervisor.routes() == {"acme": "cloud_a"}
    with pytest.raises(FencedError):
        running.supervisor.route({"acme": "cloud_b"}, fence)
    disk.fill()
    (disk.root / "route.map.spare").unlink(missing_ok=True)
    disk.fill()
    with pytest.raises(NoSpaceError, match=rf"no space left for route\.map in {disk.root}: 0 B free") as full:
        running.supervisor.route({"acme": "cloud_b"}, Fence(release="r1", epoch=2))
    assert full.value.hint
    assert running.supervisor.routes() == {"acme": "cloud_a"}
