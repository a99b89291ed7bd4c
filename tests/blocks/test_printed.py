"""What is read of a log file: from where a process began, and not more than is kept."""

from pathlib import Path

import pytest

from stationmaster.blocks import printed
from stationmaster.blocks.printed import read_printed
from stationmaster.domain.printed import Printed


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    return path


def test_what_came_since_a_process_began(tmp_path: Path) -> None:
    log = written(tmp_path, b"before|since")
    assert read_printed(log) == Printed(b"before|since")
    assert read_printed(log, 7) == Printed(b"since")
    assert read_printed(log, 12) == Printed(b"")


def test_a_log_that_was_cut_off_since_or_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_printed(written(tmp_path, b"new"), 7) == Printed(b"")
    assert read_printed(tmp_path / "none") == Printed(b"")


@pytest.mark.parametrize(("size", "unread"), [(10, 0), (11, 1), (1000, 990)])
def test_of_a_long_one_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, unread: int) -> None:
    monkeypatch.setattr(printed, "LARGEST", 10)
    content = bytes(index % 251 for index in range(size))
    found = read_printed(written(tmp_path, b"before" + content), 6)
    assert found.unread == unread
    if unread:
        assert (found.head, found.tail) == (content[:5], content[-5:])
    else:
        assert found.head + found.tail == content
