"""May something be touched, with the reason, and several such answers as one. Who answers is said elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """The answer, with its reason. `until` is when it changes; None when that is not known. `unnamed` is the reason as
    it may stay for ever, where it names people.
    """

    open: bool
    reason: str
    until: datetime | None = None
    unnamed: str | None = None

    @property
    def kept(self) -> str:
        """The reason, naming nobody."""
        return self.reason if self.unnamed is None else self.unnamed


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
    reason, kept = (", and ".join(said) for said in ([one.reason for one in closed], [one.kept for one in closed]))
    return Window(open=False, reason=reason, until=until, unnamed=None if kept == reason else kept)
