"""The published flag file: whole at every moment, and untouched when it cannot be replaced."""

import json
import os
import threading
from pathlib import Path

import pytest

from stationmaster.blocks.flag_store import FileFlags
from stationmaster.domain.errors import OutsideError
from tests.blocks.flags_conformance import FLAGS, FlagStoreConformance, World


class TestFile(FlagStoreConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        path = tmp_path / "flags.json"
        return World(FileFlags(path=str(path)), lambda: path.read_text() if path.exists() else None)


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    flags, path, stop = FileFlags(path=str(tmp_path / "flags.json")), tmp_path / "flags.json", threading.Event()
    texts = [json.dumps({"flags": {f"flag-{n}": {"state": letter} for n in range(5000)}}) for letter in "ab"]
    flags.publish(texts[0], "flags.json")
    seen: set[str] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        flags.publish(texts[turn % 2], "flags.json")
    stop.set()
    reader.join()
    assert seen <= set(texts)


def test_the_same_text_does_not_wake_those_who_watch_the_file(tmp_path: Path) -> None:
    flags, path = FileFlags(path=str(tmp_path / "flags.json")), tmp_path / "flags.json"
    flags.publish(FLAGS, "flags.json")
    before = path.stat()
    flags.publish(FLAGS, "flags.json")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_instances_of_another_user_may_read_it_and_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(b"\xff\xfe")
    FileFlags(path=str(path)).publish('{"flags": {"grün": {}}}', "flags.json")
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text(encoding="utf-8") == '{"flags": {"grün": {}}}'


def test_flags_that_cannot_be_written_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags, path = FileFlags(path=str(tmp_path / "flags.json")), tmp_path / "flags.json"
    flags.publish(FLAGS, "flags.json")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutsideError, match="no space left for the flags in") as caught:
        flags.publish('{"flags": {}}', "flags.json")
    assert caught.value.hint
    assert path.read_text() == FLAGS
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="No such file or directory"):
        FileFlags(path=str(tmp_path / "nowhere" / "flags.json")).publish(FLAGS, "flags.json")
