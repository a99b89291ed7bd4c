"""A function of a batch in a guest process: what it gets and gives, and all the ways in which a product's may fail."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.backfill_function import Column, Function, FunctionFailedError, FunctionWrongError
from stationmaster.blocks.backfill_guest import Batch, WrongError, found
from tests.stack import alive, eventually

READS = (("id", "bigint"), ("total", "numeric(12,2)"))
WRITES = (("total_minor", "bigint"),)
SECRET = "hunter2"
CENTS = "def fill(rows):\n    return [(None if total is None else int(total * 100),) for _, total in rows]\n"


@contextmanager
def function(folder: Path, source: str, called: str = "shop.fill:fill", **more: Any) -> Iterator[Function]:
    module = folder / called.partition(":")[0].replace(".", "/")
    module.parent.mkdir(parents=True, exist_ok=True)
    module.with_suffix(".py").write_text(source)
    with Function(called, READS, WRITES, folder, **more) as one:
        yield one


def failed(one: Function, columns: list[Column]) -> FunctionFailedError:
    with pytest.raises(FunctionFailedError) as caught:
        one.compute(columns)
    assert SECRET not in str(caught.value)
    return caught.value


# What it gets and gives


def test_a_function_computes_batch_after_batch_in_one_process(tmp_path: Path) -> None:
    source = f"import os, threading\nseen = []\n{CENTS.replace('return', 'seen.append(rows); return')}"
    others = set(children())  # such as the PostgreSQL of other tests
    with function(tmp_path, source) as one:
        assert one.compute([["1", "2", "3"], ["1.50", None, "2"]]) == [["150", None, "200"]]
        assert one.compute([["4"], ["-0.01"]]) == [["-1"]]
        assert one.compute([[], []]) == [[]]
        pids = set(children()) - others
    assert len(pids) == 1
    assert not [pid for pid in pids if alive(pid)]
    assert not list(tmp_path.rglob("__pycache__"))


def children() -> Iterator[int]:
    yield from map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_large_batch_goes_through_and_what_is_printed_is_no_answer(tmp_path: Path) -> None:
    source = f"import os\n{CENTS}".replace(
        "    return", "    print('x' * 99); os.write(2, b'y'); input_ = None\n    return"
    )
    with function(tmp_path, source) as one:
        many = [str(n) for n in range(20_000)]
        assert one.compute([many, many])[0][-1] == "1999900"


def test_it_sees_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", SECRET)
    source = (
        "import os, sys\n"
        "assert not {'PREFECT_API_KEY', 'DATABASE_URL'} & set(os.environ), 'seen'\n"
        "assert sys.stdin.read() == ''\n"
        f"assert '{SECRET}' not in str(sys.argv)\n{CENTS}"
    )
    with function(tmp_path, source) as one:
        assert one.compute([["1"], ["1"]]) == [["100"]]


def test_what_lies_in_the_folder_replaces_nothing_of_ours(tmp_path: Path) -> None:
    for name in ("json.py", "socket.py", "stationmaster/__init__.py", "sitecustomize.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('hijacked')")
    with function(tmp_path, CENTS) as one:
        assert one.compute([["1"], ["1"]]) == [["100"]]


# A function that cannot be started


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        (CENTS, "fil", "module {} has no 'fil'; did you mean 'fill'?"),
        ("x = 1", "x", "'x' of module {} is no plain function, it is int"),
        ("async def fill(rows): ...", "fill", "'fill' of module {} is no plain function, it is function"),
        ("import nowhere", "fill", "module {} cannot be imported: ModuleNotFoundError: {nowhere} ({}.py:1)"),
        ("def fill(:", "fill", "module {} cannot be imported: SyntaxError: invalid syntax ({}.py, line 1)"),
        ("\n1 / 0", "fill", "module {} cannot be imported: ZeroDivisionError: division by zero ({}.py:2)"),
        ("import sys; sys.exit(3)", "fill", "module {} cannot be imported: SystemExit: 3 ({}.py:1)"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_be_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str, said: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = f"fill_{tmp_path.name}"  # imported once in this process
    (tmp_path / f"{module}.py").write_text(source)
    with pytest.raises(WrongError) as caught:
        found(f"{module}:{name}", str(tmp_path))
    assert caught.value.why == said.format(module, module, nowhere="No module named 'nowhere'")


def test_a_module_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with Function("nowhere.fill:fill", READS, WRITES, tmp_path) as one, pytest.raises(FunctionWrongError) as caught:
        one.compute([["1"], ["1"]])
    said = "module nowhere.fill cannot be imported: ModuleNotFoundError: No module named 'nowhere'"
    assert caught.value.message == f"function nowhere.fill:fill: {said}"
    assert str(tmp_path) in str(caught.value.hint)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("os.write(2, b'bye'); os._exit(3)", "the process ended in the import, with exit code 3\n    bye"),
        ("time.sleep(60)", "the import took longer than 0.8 s"),
    ],
)
def test_an_import_that_ends_the_process_or_does_not_end_is_told(tmp_path: Path, act: str, said: str) -> None:
    with (
        function(tmp_path, f"import os, time; {act}", start=0.8 if "sleep" in act else 60) as one,
        pytest.raises(FunctionWrongError) as caught,
    ):
        one.start()
    assert caught.value.message == f"function shop.fill:fill: {said}"


# A function that fails for a batch


def computed(fill: Any, *columns: Column, writes: Any = WRITES, reads: Any = READS) -> list[list[str | None]]:
    """As the guest does it, without a process."""
    return Batch(fill, reads, writes, str(Path(__file__).parent)).computed(columns)


def wrong(fill: Any, *columns: Column, **more: Any) -> WrongError:
    with pytest.raises(WrongError) as caught:
        computed(fill, *(columns or (["1", "2", "3"], ["1", "2", "3"])), **more)
    return caught.value


def test_a_function_that_raises_names_the_row_and_no_value(tmp_path: Path) -> None:
    source = "def fill(rows):\n    return [(int(1 / (total - 2)),) for _, total in rows]\n"
    with function(tmp_path, source) as one:
        error = failed(one, [["1", "2", "3"], ["1", "2", "2"]])
        assert error.row == 1
        said = "function shop.fill:fill, row 2 of a batch of 3: raised DivisionByZero (shop/fill.py:2)"
        assert error.message == said
        assert one.compute([["1"], ["3"]]) == [["1"]]  # the process is still there


@pytest.mark.parametrize("bad", [0, 1, 49, 98, 99])
def test_the_first_row_that_raises_alone_is_found(bad: int) -> None:
    def fill(rows: list[tuple[int, Decimal]]) -> list[tuple[int]]:
        for number, _ in rows:
            if number in {bad, 99}:
                raise ValueError(SECRET)
        return [(1,)] * len(rows)

    error = wrong(fill, [str(n) for n in range(100)], ["1"] * 100)
    assert error.row == bad
    assert error.why.startswith("raised ValueError (test_backfill_function.py:")


def test_a_batch_that_raises_and_none_of_its_rows_alone_has_no_row() -> None:
    def fill(rows: list[Any]) -> list[tuple[int]]:
        if len(rows) > 1:
            raise KeyError(SECRET)
        return [(1,)]

    error = wrong(fill)
    assert error.row is None
    assert "raised KeyError" in error.why


@pytest.mark.parametrize(
    ("returned", "row", "said"),
    [
        ([(1,), (2,)], None, "returned 2 rows for 3"),
        ([], None, "returned 0 rows for 3"),
        (None, None, "returned NoneType in place of a list of tuples"),
        ({1: (1,)}, None, "returned dict in place of a list of tuples"),
        ("abc", None, "returned str in place of a list of tuples"),
        ([(1,), 2, (3,)], 1, "returned int in place of a tuple of (total_minor)"),
        ([(1,), (1,), (1, 2)], 2, "returned 2 values in place of (total_minor)"),
        ([(1,), (None,), ("3",)], 2, "total_minor is bigint, and the function returned str"),
        ([(1,), (True,), (3,)], 1, "total_minor is bigint, and the function returned bool"),
        ([(1,), (1.5,), (3,)], 1, "total_minor is bigint, and the function returned float"),
    ],
)
def test_a_wrong_answer_is_told(returned: Any, row: int | None, said: str) -> None:
    error = wrong(lambda _: returned)
    assert (error.row, error.why) == (row, said)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_text_that_postgresql_cannot_have_is_told(value: str) -> None:
    error = wrong(lambda rows: [("a",), (value,), ("c",)][: len(rows)], writes=(("note", "text"),))
    assert (error.row, error.why) == (1, "note is text, and what the function returned is no value of that type")


def test_a_value_that_python_has_none_for_is_told() -> None:
    at = (("at", "timestamp with time zone"),)
    error = wrong(lambda rows: rows, ["2026-12-01 00:00:00+00", None, "infinity"], reads=at)
    assert (error.row, error.why) == (2, "at has a value that Python has none for")


def test_lists_and_generators_are_rows_too() -> None:
    assert computed(lambda rows: [[1] for _ in rows], ["1"], ["1"]) == [["1"]]
    assert computed(lambda rows: ((n,) for n, _ in rows), ["1", "2"], ["1", "1"]) == [["1", "2"]]


def test_a_generator_that_raises_is_told_as_the_function() -> None:
    assert wrong(lambda rows: ((1 // (n - 2),) for n, _ in rows)).row == 1


# A process that is no good


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("os._exit(7)", "the process ended in a batch of 2 rows, with exit code 7"),
        ("os.kill(os.getpid(), 9)", "the process ended in a batch of 2 rows, with exit code 137"),
        ("time.sleep(60)", "a batch of 2 rows took longer than 0.3 s"),
    ],
)
def test_a_process_that_hangs_or_dies_is_told(tmp_path: Path, act: str, said: str) -> None:
    source = f"import os, time\ndef fill(rows):\n    {act}\n"
    with function(tmp_path, source, batch=0.3 if "sleep" in act else 20) as one:
        error = failed(one, [["1", "2"], ["1", "2"]])
    assert error.message == f"function shop.fill:fill: {said}"
    assert error.row is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"nonsense\n", "the process answered something that is no JSON"),
        (b"\xff\xfe\n", "the process answered something that is no JSON"),
        (b"[" * 99_999 + b"\n", "the process answered something that is no JSON"),
        (b'{"columns":[["1","2"]]}\n{"columns":[["1","2"]]}\n', "the process answered something that is no JSON"),
        (b"[1]\n", "the process answered something that is no batch"),
        (b"{}\n", "the process answered something that is no batch"),
        (b'{"columns":[[1,2]]}\n', "the process answered something that is no batch"),
        (b'{"columns":[["1"]]}\n', "the process answered something that is no batch"),
        (b'{"columns":[["1","2"],["1","2"]]}\n', "the process answered something that is no batch"),
        (b'{"columns":[["1","\\u0000"]]}\n', "the process answered something that is no batch"),
        (b'{"columns":[["1","\\ud800"]]}\n', "the process answered something that is no batch"),
        (b"no end", "a batch of 2 rows took longer than 0.3 s"),
        (b"", "the process ended in a batch of 2 rows"),
    ],
)
def test_garbage_is_told_and_the_process_is_not_asked_again(tmp_path: Path, answer: bytes, said: str) -> None:
    one = Function("shop.fill:fill", READS, WRITES, tmp_path, batch=0.3)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one._line = one._held.enter_context(ours)
        theirs.sendall(answer)
        if not answer:
            theirs.close()
        assert failed(one, [["1", "2"], ["1", SECRET]]).message == f"function shop.fill:fill: {said}"
        assert ours.fileno() == -1


@pytest.mark.parametrize(
    ("answer", "row", "said"),
    [
        (b'{"wrong":"a\\n\\u001b[31mb","row":1}\n', 1, "function shop.fill:fill, row 2 of a batch of 2: a  [31mb"),
        (b'{"wrong":"a","row":2}\n', None, "function shop.fill:fill, a batch of 2 rows: a"),
        (b'{"wrong":["a"],"row":"1"}\n', None, "function shop.fill:fill, a batch of 2 rows: ['a']"),
    ],
)
def test_what_the_guest_says_is_told_as_text_of_one_line(
    tmp_path: Path, answer: bytes, row: int | None, said: str
) -> None:
    one = Function("shop.fill:fill", READS, WRITES, tmp_path)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one._line = ours
        theirs.sendall(answer)
        error = failed(one, [["1", "2"], ["1", "2"]])
    assert (error.row, error.message) == (row, said)


def test_the_next_batch_after_a_death_starts_another_process(tmp_path: Path) -> None:
    source = "import os\ndef fill(rows):\n    if rows[0][0] == 1: os._exit(1)\n    return [(n,) for n, _ in rows]\n"
    with function(tmp_path, source) as one:
        failed(one, [["1"], ["1"]])
        assert one.compute([["5"], ["1"]]) == [["5"]]


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    source = (
        "import subprocess\nfrom pathlib import Path\n"
        f"def fill(rows):\n    p = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        f"    Path({str(tmp_path / 'pid')!r}).write_text(str(p.pid))\n    return [(n,) for n, _ in rows]\n"
    )
    with function(tmp_path, source) as one:
        one.compute([["5"], ["1"]])
        pid = int((tmp_path / "pid").read_text())
        assert alive(pid)
    eventually(lambda: not alive(pid))
