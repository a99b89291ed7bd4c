"""What is kept of a statement of a revision: how it was to run, how it ran, and what it is told again by."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stationmaster.domain.migration_class import LEAST_LIMIT_MS, Classed

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object that has no better name; another one in each process


@dataclass(frozen=True)
class Options:
    """How statements run. `rehearsed` maps digests to milliseconds; `schemas` is the search path, a tenant's first."""

    least_ms: int = LEAST_LIMIT_MS
    look: bool = True
    rehearsed: Mapping[str, float] = field(default_factory=dict)
    schemas: tuple[str, ...] = ()


@dataclass
class Sent:
    """One statement of a revision, as it is written down: the `number`th of it, told again by `mark`."""

    revision: str
    statement: Classed
    number: int = 0
    mark: str = ""
    attempts: int = 1
    ms: float = 0.0
    held_ms: float = 0.0
    begun: float = 0.0

    def record(self) -> dict[str, Any]:
        return {
            "revision": self.revision, "sql": self.statement.sql, "ms": round(self.ms, 1), "lock": self.statement.lock,
            "attempts": self.attempts, "kind": self.statement.kind, "held_ms": round(self.held_ms, 1),
        }  # fmt: skip


def mark_of(one: Classed, given: object) -> str:
    """Digest of the text and of the values that are bound to it: the same INSERT of other rows is another statement."""
    values = _ADDRESS.sub("", repr(given)) if given else ""
    return hashlib.sha256(f"{one.digest}\0{values}".encode()).hexdigest()
