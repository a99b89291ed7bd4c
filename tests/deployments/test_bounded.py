"""A log that is written for weeks: its length, its newest lines, whoever reads it meanwhile, a disk that is full."""

from pathlib import Path

from stationmaster.deployments.sandbox.bounded import BoundedLines
from stationmaster.deployments.sandbox.traffic_log import Recorder, TrafficLog
from tests.disk import small_disk


def record(recorder: Recorder, second: int) -> None:
    recorder.sent += 1
    recorder.answered("acme", "1", "sha256:a", 0.01, second)
    recorder.second(second)


def test_it_stays_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    path, limit = tmp_path / "traffic.jsonl", 20_000
    log, longest = TrafficLog(path), 0
    with BoundedLines(path, limit) as file:
        recorder = Recorder(file)
        for second in range(1, 1000):
            if second % 10 == 0:
                recorder.failure({"at": float(second), "tenant": "acme"})
            record(recorder, second)
            longest = max(longest, path.stat().st_size)
    assert limit * 0.9 < longest < limit * 1.1
    assert path.read_bytes().endswith(b"}\n")
    seconds = [line["at"] for line in log._seconds()]
    assert seconds == list(range(int(seconds[0]), 1000)), "none is missing between the oldest kept and the newest"
    assert len(seconds) > 30
    assert log.answered() == len(seconds)
    assert log.rate() == 1
    assert log.failures()[-1]["at"] == 990
    assert [path.name for path in tmp_path.iterdir()] == ["traffic.jsonl"]


def test_it_goes_on_where_an_earlier_process_ended(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    for second in (1, 2):
        with BoundedLines(path) as file:
            record(Recorder(file), second)
    assert TrafficLog(path).answered() == 2


def test_one_that_reads_while_it_is_halved_reads_on_in_what_it_opened(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with BoundedLines(path, 1000) as file:
        file.write("first\n")
        with path.open() as reader:
            for number in range(300):
                file.write(f"line {number}\n")
            assert reader.readline() == "first\n"
    assert "first" not in path.read_text()
    assert path.read_text().splitlines()[-1] == "line 299"


def test_lines_that_find_no_room_are_lost_and_the_next_ones_are_not() -> None:
    with small_disk(1) as disk:
        path = disk.root / "traffic.jsonl"
        with BoundedLines(path) as file:
            recorder = Recorder(file)
            record(recorder, 1)
            disk.fill()
            for second in range(2, 200):
                record(recorder, second)
            disk.make_room()
            for second in (200, 201):
                record(recorder, second)
        seconds = [line["at"] for line in TrafficLog(path)._seconds()]
        assert seconds[0] == 1
        assert seconds[-2:] == [200, 201]
        assert len(seconds) < 200
