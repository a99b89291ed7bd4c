"""Has the product's Python function compute batches of a backfill, in a guest process: it never runs beside secrets,
sees no database, and dies with us.

Text goes both ways, one JSON value a line, by columns. Nothing that the guest sends is believed: what is no answer of
the right shape ends it, and is told.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from stationmaster.blocks import guest
from stationmaster.domain.errors import InputError, RefusedError

START, BATCH = 60.0, 30.0  # seconds until the function is imported, and for each batch
# What the session that reads the rows has to be set to, so that their text is understood.
SETTINGS = {"DateStyle": "ISO, YMD", "TimeZone": "UTC", "bytea_output": "hex", "extra_float_digits": "1"}
_PROGRAM = "stationmaster.blocks.backfill_guest"
_LARGEST = 1 << 28  # bytes of an answer
_PART = 1 << 18
_TOLD = 300  # characters

Column = Sequence[str | None]
Columns = Sequence[tuple[str, str]]  # names and types


class FunctionWrongError(InputError):
    """The function is not where the declaration says, or cannot be started."""

    code = "backfill_function"


class FunctionFailedError(RefusedError):
    """The function did not make values of a batch. `row` is the position of the row that it failed for, from 0; None
    where that is not known.
    """

    code = "backfill_function_failed"

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


class Function:
    """`package.module:name` of a folder. `reads` and `writes` are the columns, each with its type as `format_type`
    says it. For one thread; the guest starts with the first batch, and anew with the next one after it failed.
    """

    def __init__(
        self, called: str, reads: Columns, writes: Columns, folder: Path, *, start: float = START, batch: float = BATCH
    ) -> None:
        self._called, self._reads, self._writes = called, reads, writes
        self._folder, self._start, self._batch = folder.absolute(), start, batch
        self._held = contextlib.ExitStack()
        self._line: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the guest and all that it started."""
        self._line = None
        self._held.close()

    def start(self) -> None:
        """Import the function. Safe to repeat.

        Raises:
            FunctionWrongError: it cannot be imported, or is no function.
        """
        if self._line is not None:
            return
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def compute(self, columns: Sequence[Column]) -> list[list[str | None]]:
        """The columns that it writes, of those that it reads, as PostgreSQL's text.

        Raises:
            FunctionFailedError: it raised, hung, died, or answered something else. No value is in the message.
            FunctionWrongError: as `start`.
        """
        count = len(columns[0])
        if count == 0:
            return [[] for _ in self._writes]
        self.start()
        try:
            answer = self._ask(columns, self._batch, f"a batch of {count} rows")
        except FunctionFailedError:
            self.close()
            raise
        if "wrong" in answer:
            raise self._wrong(answer, count)
        if not self._fits(answer.get("columns"), count):
            self.close()
            raise self._failed("the process answered something that is no batch")
        return answer["columns"]  # type: ignore[no-any-return] # was looked at

    def _begin(self) -> None:
        home = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="stm-")))
        ours, theirs = socket.socketpair()
        self._line = self._held.enter_context(ours)
        columns = (json.dumps(self._reads), json.dumps(self._writes))
        command = (sys.executable, "-I", "-B", "-m", _PROGRAM, str(theirs.fileno()), str(self._folder), self._called)
        log = home / "log"
        with theirs:
            running = guest.alongside(
                (*command, *columns), cwd=self._folder, seen=guest.environment(home, {}), log=log,
                fds=(theirs.fileno(),),
            )  # fmt: skip
            self._child = self._held.enter_context(running)
        try:
            answer = self._ask(None, self._start, "the import")
        except FunctionFailedError as error:
            said = guest.tail(log, 3)
            raise FunctionWrongError(error.message + (f"\n{said}" if said else "")) from None
        if answer != {"ready": True}:
            said = _told(answer.get("wrong", "the process answered something else"))
            raise FunctionWrongError(f"function {self._called}: {said}", hint=f"it is looked for in {self._folder}")

    def _ask(self, value: object, seconds: float, what: str) -> dict[str, Any]:
        """The guest's next line."""
        assert self._line is not None  # noqa: S101 - it was started
        end = time.monotonic() + seconds
        try:
            if value is not None:
                self._line.settimeout(seconds)
                self._line.sendall(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            found = json.loads(self._read(self._line, end))
        except TimeoutError:
            raise self._failed(f"{what} took longer than {seconds:g} s") from None
        except OSError:
            raise self._failed(f"the process ended in {what}{self._code()}") from None
        except (ValueError, RecursionError):
            raise self._failed("the process answered something that is no JSON") from None
        if not isinstance(found, dict):
            raise self._failed("the process answered something that is no batch")
        return found

    def _read(self, line: socket.socket, end: float) -> bytes:
        found = bytearray()
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            line.settimeout(left)
            part = line.recv(_PART)
            if not part:
                raise ConnectionResetError
            found += part
            if part.endswith(b"\n"):
                return bytes(found)
            if len(found) > _LARGEST:
                raise self._failed(f"the process answered more than {_LARGEST >> 20} MiB")

    def _fits(self, columns: object, count: int) -> bool:
        if not isinstance(columns, list) or len(columns) != len(self._writes):
            return False
        return all(isinstance(one, list) and len(one) == count and _is_text(one) for one in columns)

    def _wrong(self, answer: dict[str, Any], count: int) -> FunctionFailedError:
        row = answer.get("row")
        row = row if isinstance(row, int) and 0 <= row < count else None
        place = f"a batch of {count} rows" if row is None else f"row {row + 1} of a batch of {count}"
        return FunctionFailedError(f"function {self._called}, {place}: {_told(answer['wrong'])}", row)

    def _code(self) -> str:
        if self._child is None:
            return ""
        try:
            return f", with exit code {self._child.wait(1)}"
        except subprocess.TimeoutExpired:
            return ""  # it only hung up

    def _failed(self, why: str) -> FunctionFailedError:
        return FunctionFailedError(f"function {self._called}: {why}")


def _is_text(column: list[object]) -> bool:
    """Text that PostgreSQL can take, or None. The guest has looked; this is for one that is none of ours any more."""
    if not {str, type(None)} >= set(map(type, column)):
        return False
    text = "".join(filter(None, column))  # type: ignore[arg-type] # they are text
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in set(text))


def _told(said: object) -> str:
    """What the guest said, on a line of its own length."""
    text = "".join(sign if sign.isprintable() else " " for sign in str(said))
    return text[:_TOLD]
