"""A full disk, for real, under each block that writes: the message says where and how much, and nothing half stays."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stationmaster.blocks import durable, guest, space
from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.flag_store import FileFlags
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.space import NoSpaceError
from tests.blocks.artifacts_conformance import built
from tests.disk import Disk, small_disk
from tests.repository import Repository
from tests.shop import FLAGS


@pytest.fixture
def disk() -> Iterator[Disk]:
    with small_disk(4) as mounted:
        yield mounted


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "filler")


@pytest.mark.parametrize(("size", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")])
def test_sizes_are_said_for_people(size: int, words: str) -> None:
    assert space.amount(size) == words


def test_the_free_space_of_a_folder_that_does_not_exist_yet_is_that_of_the_one_above(tmp_path: Path) -> None:
    assert space.free(tmp_path / "not" / "yet") > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_that_is_full_is_named_and_other_errors_stay_themselves(tmp_path: Path) -> None:
    words = f"no space left for the note in {tmp_path}: .* free, 1 B needed"
    with pytest.raises(NoSpaceError, match=words) as full, space.naming("the note", tmp_path, 1):
        Path("/dev/full").write_bytes(b"x")
    assert (full.value.code, bool(full.value.hint)) == ("no_space", True)
    with pytest.raises(FileNotFoundError), space.naming("the note", tmp_path):
        (tmp_path / "nothing").read_text()


def test_an_artifact_that_does_not_fit(disk: Disk, tmp_path: Path) -> None:
    store = DirectoryStore(root=str(disk.root / "store"))
    small = store.publish(built(tmp_path, b"small"))
    big = built(tmp_path, os.urandom(3 << 20))
    disk.fill(leave=1 << 20)
    with pytest.raises(NoSpaceError, match=f"no space left for the artifact in {store.root}: .* free, 3.0 MiB needed"):
        store.publish(big)
    assert left(disk.root) == [small.digest.removeprefix("sha256:")]
    disk.make_room()
    assert store.path(store.publish(big).digest).stat().st_size == 3 << 20


def test_a_file_is_the_old_one_or_the_new_one(disk: Disk) -> None:
    path = disk.root / "file"
    durable.write(path, "old")
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        durable.write(path, "new" * 4096)
    assert (path.read_text(), left(disk.root)) == ("old", ["file"])


def test_flags_that_do_not_fit_leave_those_in_force(disk: Disk) -> None:
    flags = FileFlags(path=str(disk.root / "flags.json"))
    flags.publish(FLAGS, "flags.json")
    disk.fill()
    with pytest.raises(NoSpaceError, match="the flags"):
        flags.publish(FLAGS.replace("new-checkout", "other"), "flags.json")
    assert json.loads(Path(flags.path).read_text()) == json.loads(FLAGS)


BIG = "import sys; f = open('out', 'wb'); f.write(b'x' * (8 << 20))"


@pytest.mark.parametrize("command", [("python", "-c", BIG), ("sh", "-c", "head -c 8000000 /dev/zero > out || exit 2")])
def test_a_guest_that_has_no_room_is_not_blamed(disk: Disk, command: tuple[str, ...]) -> None:
    with pytest.raises(NoSpaceError, match=f"writes in {disk.root}: .* free") as full:
        guest.run(command, cwd=disk.root, home=disk.root, log=disk.root / "log", timeout=20)
    assert "start the release again" in str(full.value.hint)


def test_a_guest_whose_log_has_no_room(disk: Disk) -> None:
    disk.fill()
    with pytest.raises((NoSpaceError, OSError)) as full:
        guest.run(("sh", "-c", "echo x; exit 1"), cwd=disk.root, home=disk.root, log=disk.root / "log", timeout=20)
    assert isinstance(full.value, NoSpaceError) or space.is_full(full.value)


def test_a_guest_that_fails_with_room_is_blamed(disk: Disk) -> None:
    with pytest.raises(guest.GuestFailedError):
        guest.run(("sh", "-c", "exit 1"), cwd=disk.root, home=disk.root, log=disk.root / "log", timeout=20)


@pytest.fixture
def code(tmp_path: Path) -> Repository:
    made = Repository.begin(tmp_path / "code")
    made.commit("small", {"a": "small"})
    return made


def grow(code: Repository) -> None:
    """A commit of 2 MiB that no compression makes small."""
    code.commit("big", {"big": os.urandom(2 << 20)})


def test_a_mirror_that_has_no_room_stays_as_it_was(code: Repository, disk: Disk) -> None:
    source = GitRepository(url=str(code.path), mirror=str(disk.root / "mirror"))
    first = source.resolve("main").commit
    grow(code)
    disk.fill(leave=1 << 20)
    with pytest.raises(NoSpaceError, match=f"what git fetch writes in {disk.root}/mirror"):
        source.resolve("main")
    assert source.resolve(first).commit == first
    disk.make_room()
    assert source.resolve("main").subject == "big"


def test_a_mirror_that_has_no_room_to_begin(code: Repository, disk: Disk) -> None:
    source = GitRepository(url=str(code.path), mirror=str(disk.root / "mirror"))
    disk.fill()
    with pytest.raises((NoSpaceError, OSError)) as full:
        source.resolve("main")
    assert isinstance(full.value, NoSpaceError) or space.is_full(full.value)
    disk.make_room()
    assert source.resolve("main").subject == "small"


def test_an_export_that_does_not_fit_leaves_nothing(code: Repository, disk: Disk, tmp_path: Path) -> None:
    source = GitRepository(url=str(code.path), mirror=str(tmp_path / "mirror"))
    grow(code)
    commit, into = source.resolve("main").commit, disk.root / "export"
    disk.fill(leave=3 << 19)
    with pytest.raises(
        NoSpaceError, match=f"the files of commit {commit[:12]} in {into}: 1.. MiB free, 2.0 MiB needed"
    ):
        source.export(commit, into)
    assert left(disk.root) == []
    disk.make_room()
    source.export(commit, into)
    assert (into / "big").stat().st_size == 2 << 20


def test_what_is_full_is_not_only_said_with_one_number() -> None:
    assert space.is_full(OSError(errno.EDQUOT, "quota"))
    assert not space.is_full(OSError(errno.EACCES, "no"))
    assert not space.is_full(ValueError("no"))
