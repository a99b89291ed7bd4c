"""May something be touched, with the reason, and several such answers as one. Who answers is said elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """The answer, with its reason. `until` is when it changes; None when that is not known."""

    open: bool
    reason: str
    until: datetime | None = None


def all_of(answers: Iterable[Window]) -> Window:
    """Several answers as one: open, as the first says, only if all are open; closed for the reasons of all that are
    closed, until the last of them opens, or None when one of them does not say when.
    """
    asked = [*answers, Window(open=True, reason="nothing closes it")]
    closed = [answer for answer in asked if not answer.open]
    if not closed:
        return asked[0]
    ends = [answer.until for answer in closed if answer.until is not None]
    until = max(ends) if len(ends) == len(closed) else None
    return Window(open=False, reason=", and ".join(answer.reason for answer in closed), until=until)
