"""What a person or a program sees: an object on standard output, narration and errors on standard error."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stationmaster.domain.errors import StationmasterError

_BOLD, _DIM, _RED, _YELLOW, _RESET = "\033[1m", "\033[2m", "\033[31m", "\033[33m", "\033[0m"


def answer(value: dict[str, Any], *, as_json: bool, text: str) -> None:
    """The command's answer: the object with --json, else the text."""
    print(json.dumps(value, ensure_ascii=False) if as_json else text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The answers of a command that another command calls are not its own."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def say(text: str) -> None:
    """Narration."""
    print(text, file=sys.stderr, flush=True)


def fail(error: StationmasterError, *, as_json: bool) -> None:
    """An error: the error object with --json, else message and hint."""
    if as_json:
        print(json.dumps({"error": error.record()}, ensure_ascii=False))
        return
    say(f"{_paint(_RED, 'error')}: {error}")
    if error.hint:
        say(f"{_paint(_YELLOW, ' hint')}: {error.hint}")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their widest word."""
    lines = [[str(cell if cell is not None else "-") for cell in row] for row in rows]
    widths = [max(len(line[n]) for line in [list(heads), *lines]) for n in range(len(heads))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    head = "  ".join(name.ljust(width) for name, width in zip(heads, widths, strict=True)).rstrip()
    return "\n".join([_paint(_BOLD, head, sys.stdout.isatty()), *padded])


def dim(text: str) -> str:
    return _paint(_DIM, text)


def bold(text: str) -> str:
    return _paint(_BOLD, text)


def _paint(colour: str, text: str, tty: bool | None = None) -> str:  # noqa: FBT001
    shown = sys.stderr.isatty() if tty is None else tty
    return f"{colour}{text}{_RESET}" if shown and not os.environ.get("NO_COLOR") else text
