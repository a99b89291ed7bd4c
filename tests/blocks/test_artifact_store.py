"""The directory store when bytes rot, space ends, writers are killed or work at once."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stationmaster.blocks.artifact_store import (
    ArtifactCorruptError,
    ArtifactMissingError,
    DirectoryStore,
)
from stationmaster.blocks.space import NoSpaceError
from stationmaster.domain.errors import InputError, OutsideError
from tests.blocks.artifacts_conformance import ArtifactStoreConformance, built
from tests.stack import eventually


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(root=str(tmp_path / "deep" / "store"))


class TestDirectory(ArtifactStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> DirectoryStore:
        return DirectoryStore(root=str(tmp_path / "store"))


def files(store: DirectoryStore) -> list[Path]:
    return [path for path in Path(store.root).rglob("*") if path.is_file()]


def test_a_stored_file_is_for_reading(store: DirectoryStore, tmp_path: Path) -> None:
    path = store.path(store.publish(built(tmp_path, b"x")).digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_changed_byte_is_found_at_the_next_read_and_mended_by_publishing(
    store: DirectoryStore, tmp_path: Path
) -> None:
    artifact = store.publish(built(tmp_path, b"good bytes"))
    path = store.path(artifact.digest)
    path.chmod(0o644)
    path.write_bytes(b"gooD bytes")
    with pytest.raises(ArtifactCorruptError, match="somebody changed it"):
        store.path(artifact.digest)
    store.publish(built(tmp_path, b"good bytes"))
    assert store.path(artifact.digest).read_bytes() == b"good bytes"


def test_bytes_are_streamed(store: DirectoryStore, tmp_path: Path) -> None:
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        store.path(store.publish(source).digest)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_is_said_and_leaves_nothing(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    source = built(tmp_path, b"x")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NoSpaceError, match="no space left for the artifact in"):
            store.publish(source)
    assert files(store) == []
    store.publish(source)


def test_a_store_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = DirectoryStore(root=str(tmp_path / "file" / "store"))
    with pytest.raises(OutsideError, match="cannot be written: Not a directory") as caught:
        store.publish(built(tmp_path, b"x"))
    assert caught.value.hint


def test_a_file_that_cannot_be_read_is_not_the_stores_fault(store: DirectoryStore, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        store.publish(tmp_path / "nothing.pyz")
    assert caught.value.file == str(tmp_path / "nothing.pyz")


def test_an_address_that_cannot_be_read_is_said(store: DirectoryStore, tmp_path: Path) -> None:
    artifact = store.publish(built(tmp_path, b"x"))
    path = store.path(artifact.digest)
    path.unlink()
    path.mkdir()
    with pytest.raises(OutsideError, match="cannot be read: Is a directory"):
        store.path(artifact.digest)


def test_a_killed_publish_has_no_address_and_is_removed_later(store: DirectoryStore, tmp_path: Path) -> None:
    pipe = tmp_path / "slow.pyz"
    os.mkfifo(pipe)
    script = "import sys, pathlib; from stationmaster.blocks.artifact_store import DirectoryStore as D; "
    script += "D(root=sys.argv[1]).publish(pathlib.Path(sys.argv[2]))"
    begin = [sys.executable, "-c", script, store.root, str(pipe)]
    with subprocess.Popen(begin) as writing, pipe.open("wb", buffering=0) as half:
        half.write(b"half of it")
        eventually(lambda: Path(store.root).is_dir() and files(store))
        writing.send_signal(signal.SIGKILL)
        writing.wait()
    (left,) = files(store)
    assert left.parent == Path(store.root)
    kept = store.publish(built(tmp_path, b"next"))
    assert left.exists()  # it could be that of somebody who works at this moment
    os.utime(left, (time.time() - 4000, time.time() - 4000))
    store.publish(built(tmp_path, b"next"))
    assert files(store) == [store.path(kept.digest)]


def test_several_may_publish_the_same_at_once(store: DirectoryStore, tmp_path: Path) -> None:
    source = built(tmp_path, os.urandom(1 << 20))
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: store.publish(source), range(32)))
    (artifact,) = found
    assert files(store) == [store.path(artifact.digest)]


def test_a_missing_store_has_nothing(store: DirectoryStore) -> None:
    with pytest.raises(ArtifactMissingError) as caught:
        store.path(f"sha256:{'a' * 64}")
    assert caught.value.hint
