"""Justified exceptions: a comment at a statement, `-- stationmaster: allow RULE because REASON`; with # in a revision.

It stands above the statement, inside it, or behind it on the same line; several rules are separated by commas.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stationmaster.domain.errors import nearest
from stationmaster.domain.migration_rule import Hit
from stationmaster.domain.migration_rules import EVERY

_OURS = re.compile(r"^(?:--|/\*|#)\s*stationmaster\s*:\s*(?P<said>.*?)\s*(?:\*/)?$", re.DOTALL | re.IGNORECASE)
_ALLOW = re.compile(
    r"allow\s+(?P<rules>\w+(?:\s*,\s*\w+)*)(?:\s+because\s+(?P<reason>\S.*))?", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one comment excuses, where it stands, and at which statement of the text; None for no statement."""

    offset: int
    statement: int | None
    rules: tuple[str, ...]
    reason: str | None

    def excuses(self, rule: str, statement: int | None) -> bool:
        """Whether it is for this rule at this statement, and says why."""
        return bool(self.reason) and statement is not None and self.statement == statement and rule in self.rules


def is_ours(text: str) -> bool:
    """Whether a comment speaks to us."""
    return _OURS.match(text) is not None


def read_comment(text: str, offset: int, statement: int | None) -> Allowed:
    """The exception that a comment of ours is; without rules where it cannot be read."""
    ours = _OURS.match(text)
    found = _ALLOW.fullmatch(ours["said"]) if ours else None
    rules = tuple(re.split(r"\s*,\s*", found["rules"])) if found else ()
    return Allowed(offset, statement, rules, " ".join(found["reason"].split()) if found and found["reason"] else None)


def faults(allowed: Allowed, found: set[tuple[str, int | None]]) -> Iterator[Hit]:
    """What is wrong with an exception, given the rules that were found and at which statements."""
    if not allowed.rules:
        yield Hit("exception_without_reason", "an exception that cannot be read")
    elif allowed.reason is None:
        yield Hit("exception_without_reason", f"an exception for {', '.join(allowed.rules)} gives no reason")
    for rule in allowed.rules:
        if rule not in EVERY:
            yield Hit("exception_unused", f"an exception for {rule}, which is no rule: {nearest(rule, EVERY)}")
        elif (rule, allowed.statement) not in found:
            yield Hit("exception_unused", f"an exception for {rule}, which is not found at this statement")
