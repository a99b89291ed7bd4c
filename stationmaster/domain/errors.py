"""What can go wrong, named for the fact.

Every error a person may see carries a code, a message that can be forwarded as it is, the place in a file where
there is one, a hint that says what to do next, and the exit code of `product.md`. It does not print or log.
"""

from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Exit(IntEnum):
    """The exit codes of the command line."""

    YES = 0  # yes, or done
    NO = 1  # a gate said no, a check found something
    INPUT = 2  # the input is wrong
    UNKNOWN = 3  # could not tell: something outside failed, we are blind, or an error of ours
    WAITING = 4  # a window, an approval or a person is awaited


class StationmasterError(Exception):
    """An error with everything a person needs: `code`, `message`, `file`, `line`, `hint`."""

    code: ClassVar[str] = "internal"
    exit: ClassVar[Exit] = Exit.UNKNOWN

    def __init__(
        self, message: str, *, hint: str | None = None, file: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line
        self.unnamed: str | None = None  # the message as it may stay for ever, where it names people
        self.unnamed_hint: str | None = None  # the hint beside that
        self.more: dict[str, object] = {}  # what the ledger keeps beside that
        self.step: str | None = None  # the act of a release that raised it, set where it passes the task

    def unname(self, message: str, *, hint: str | None = None) -> None:
        """Say what may stay for ever in place of message and hint, of which one can name people."""
        self.unnamed, self.unnamed_hint = message, hint

    @property
    def kept(self) -> tuple[str, str | None]:
        """Message and hint as a fact of the ledger may have them, which nobody can erase: they name nobody."""
        return (self.message, self.hint) if self.unnamed is None else (self.unnamed, self.unnamed_hint)

    def hide(self, spoken: "Callable[[str], str]") -> bool:
        """Make message and hint what `spoken` makes of them; whether that changed anything."""
        before = (self.message, self.hint)
        self.message, self.hint = spoken(self.message), self.hint and spoken(self.hint)
        self.args = (self.message,)
        return before != (self.message, self.hint)

    def record(self) -> dict[str, str | int | None]:
        """The error object of `--json`."""
        return {"code": self.code, "message": self.message, "file": self.file, "line": self.line, "hint": self.hint}

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.message}"


class InputError(StationmasterError):
    """What the person gave is wrong."""

    code = "input"
    exit = Exit.INPUT


class RefusedError(StationmasterError):
    """A gate or a check said no."""

    code = "refused"
    exit = Exit.NO


class OutsideError(StationmasterError):
    """Something outside failed or did not answer; the same step may be tried again."""

    code = "outside"
    exit = Exit.UNKNOWN


class WaitingError(StationmasterError):
    """Nothing is wrong: the release waits. `waiting_for` is one of window, approval, confirm_start, soak, notice,
    person, versions; `until` is an RFC 3339 instant or None.
    """

    code = "waiting"
    exit = Exit.WAITING

    def __init__(self, message: str, *, waiting_for: str, until: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.waiting_for = waiting_for
        self.until = until


def nearest(word: str, known: "Iterable[str]") -> str | None:
    """A hint with the nearest known spelling, or the list of the known words when none is near."""
    words = sorted(known)
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(words[:12])}{', …' if len(words) > 12 else ''}" if words else None  # noqa: PLR2004
