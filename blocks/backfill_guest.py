"""Runs in the guest process: imports the product's function of a batch, and answers batches until nobody asks.

`python -I -B -m stationmaster.blocks.backfill_guest FD FOLDER MODULE:NAME READS WRITES`. It imports nothing but the
standard library, so that it starts at once. One JSON value a line each way, by columns. What it says of an error has no
value of a row in it: not even the exception's own words.
"""

import difflib
import importlib
import inspect
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from stationmaster.domain.backfill_values import WRONG, Parse, Spell, Suits, formatter, parser, text

_CLOSEST = 0.6


class WrongError(Exception):
    """What is wrong, and with which row of the batch, counted from 0."""

    def __init__(self, why: str, row: int | None = None) -> None:
        super().__init__(why)
        self.why, self.row = why, row


def main() -> NoReturn:
    fd, folder, called, reads, writes = sys.argv[1:]
    os.set_inheritable(int(fd), False)  # what the product starts must not answer for it  # noqa: FBT003 - its signature
    with socket.socket(fileno=int(fd)) as ours, ours.makefile("rb") as asked:
        try:
            function = found(called, folder)
        except WrongError as error:
            _say(ours, {"wrong": error.why})
            sys.exit(0)
        _be_silent()
        batch = Batch(function, json.loads(reads), json.loads(writes), folder)
        _say(ours, {"ready": True})
        for line in asked:
            try:
                _say(ours, {"columns": batch.computed(json.loads(line))})
            except WrongError as error:
                _say(ours, {"wrong": error.why, "row": error.row})
    sys.exit(0)


def _say(ours: socket.socket, value: object) -> None:
    ours.sendall(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _be_silent() -> None:
    """What is printed from now on may have values of rows in it, and is kept nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def found(called: str, folder: str) -> Callable[..., Any]:
    """The function, or WrongError."""
    module, _, name = called.partition(":")
    sys.path.insert(0, folder)
    try:
        place = importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - no row was read yet, so that its words may be told
        said = f": {error}" if str(error) else ""
        raise WrongError(
            f"module {module} cannot be imported: {type(error).__name__}{said}{_at(error, folder)}"
        ) from None
    function = getattr(place, name, None)
    if function is None:
        known = [word for word, value in vars(place).items() if callable(value) and not word.startswith("_")]
        near = difflib.get_close_matches(name, known, n=1, cutoff=_CLOSEST)
        raise WrongError(f"module {module} has no {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise WrongError(f"{name!r} of module {module} is no plain function, it is {type(function).__name__}")
    return function  # type: ignore[no-any-return] # the product's


def _at(error: BaseException, folder: str) -> str:
    """Where in the product's files it came from."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)
    ]
    return f" ({Path(frames[-1].filename).relative_to(folder)}:{frames[-1].lineno})" if frames else ""


class Batch:
    """Calls the function with rows of values, and makes text of what it returns. Columns are (name, type) each."""

    def __init__(
        self,
        function: Callable[..., Any],
        reads: Sequence[Sequence[str]],
        writes: Sequence[Sequence[str]],
        folder: str = "",
    ) -> None:
        self._function, self._folder = function, folder
        self._reads = [(name, parser(kind)) for name, kind in reads]
        self._writes = [(name, kind, *formatter(kind)) for name, kind in writes]

    def computed(self, columns: Sequence[Sequence[str | None]]) -> list[list[str | None]]:
        """The new columns as text. Raises WrongError."""
        rows = list(
            zip(*(self._read(*how, column) for how, column in zip(self._reads, columns, strict=True)), strict=True)
        )
        returned = self._called(rows)
        self._check(returned, len(rows))
        return [
            self._written(*how, column) for how, column in zip(self._writes, zip(*returned, strict=True), strict=True)
        ]

    def _read(self, name: str, parse: Parse, column: Sequence[str | None]) -> list[Any]:
        if parse is str:
            return list(column)
        try:
            return [None if one is None else parse(one) for one in column]
        except WRONG:
            row = next(n for n, one in enumerate(column) if one is not None and not _suits(parse, one))
            raise WrongError(f"{name} has a value that Python has none for", row) from None

    def _called(self, rows: list[tuple[Any, ...]]) -> list[Any]:
        """Where it raises, the first row with which it does so alone is looked for, by halves."""
        returned, error = self._once(rows)
        if error is None:
            return returned
        first, end = 0, len(rows)
        while end - first > 1:
            middle = (first + end) // 2
            if self._once(rows[first:middle])[1] is not None:
                end = middle
            else:
                first = middle
        alone = self._once(rows[first:end])[1]
        told = alone or error
        raise WrongError(f"raised {type(told).__name__}{_at(told, self._folder)}", first if alone else None) from None

    def _once(self, rows: list[tuple[Any, ...]]) -> tuple[list[Any], BaseException | None]:
        try:
            returned = self._function(list(rows))
            if isinstance(returned, list | tuple | Iterator):
                return list(returned), None
        except BaseException as error:  # noqa: BLE001 - sys.exit() is no way to answer either
            return [], error
        raise WrongError(f"returned {type(returned).__name__} in place of a list of tuples")

    def _check(self, returned: list[Any], wanted: int) -> None:
        if len(returned) != wanted:
            raise WrongError(f"returned {_many(len(returned), 'row')} for {wanted}")
        if set(map(type, returned)) <= {tuple} and set(map(len, returned)) <= {len(self._writes)}:
            return
        for n, row in enumerate(returned):
            names = ", ".join(name for name, *_ in self._writes)
            if not isinstance(row, tuple | list):
                raise WrongError(f"returned {type(row).__name__} in place of a tuple of ({names})", n)
            if len(row) != len(self._writes):
                raise WrongError(f"returned {_many(len(row), 'value')} in place of ({names})", n)

    def _written(self, name: str, kind: str, suits: Suits, spell: Spell, column: Sequence[Any]) -> list[str | None]:
        types = set(map(type, column)) - {type(None)}
        strange = {one for one in types if not suits(one)}
        if strange:
            row = next(n for n, value in enumerate(column) if type(value) in strange)
            raise WrongError(f"{name} is {kind}, and the function returned {type(column[row]).__name__}", row)
        try:
            written = list(column) if types == {str} and spell is text else [_spelt(spell, value) for value in column]
            _refuse_strange("".join(filter(None, written)))
        except WRONG:
            row = next(n for n, value in enumerate(column) if value is not None and not _suits(spell, value))
            raise WrongError(
                f"{name} is {kind}, and what the function returned is no value of that type", row
            ) from None
        return written


def _spelt(spell: Spell, value: object) -> str | None:
    return None if value is None else spell(value)


def _refuse_strange(written: str) -> None:
    """PostgreSQL has no text with NUL, and half a surrogate pair is none at all."""
    written.encode()
    if "\0" in written:
        raise ValueError("NUL")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _suits(change: Callable[[Any], Any], value: object) -> bool:
    try:
        changed = change(value)
        if isinstance(changed, str):
            _refuse_strange(changed)
    except WRONG:
        return False
    return True


if __name__ == "__main__":
    main()
