"""What a run of a backfill is asked for and what it answers; and how it is refused."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stationmaster.domain.backfill_states import State
from stationmaster.domain.errors import InputError, OutsideError, RefusedError


class BackfillWrongError(InputError):
    """A declaration does not fit its table; `field` is the key of the declaration that is wrong."""

    code = "backfill_wrong"

    def __init__(self, field: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class BackfillRefusedError(RefusedError):
    """It could not be done exactly once there, or it is another job than the one of that name under way."""

    code = "backfill_refused"


class BackfillUnknownError(InputError):
    """No such backfill, tenant or row."""

    code = "backfill_unknown"


class BackfillStoppedError(OutsideError):
    """What stands in the way does not go away by itself, or did not within the patience. Nothing is half done."""

    code = "backfill_stopped"


@dataclass(frozen=True)
class TenantProgress:
    """One tenant: how many of its rows were changed, over all runs. `expected` is what the table held, where that is
    known; `reason` why it does not go on, or what is wrong with it.
    """

    tenant: str
    state: State
    rows: int
    expected: int | None = None
    eta_seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Progress:
    """One backfill at a moment. `rows` and `eta_seconds` are of all its tenants; None where nobody can tell."""

    name: str
    table: str
    rows: int
    eta_seconds: float | None
    tenants: tuple[TenantProgress, ...]
    held: str | None = None  # why it stands still right now

    @property
    def verified(self) -> bool:
        """Whether every tenant is through."""
        return bool(self.tenants) and all(one.state == "verified" for one in self.tenants)


def _nothing(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Options:
    """How one is run. `may`, `hold` and `follow` are called from threads of the engine, one at a time."""

    workers: int = 1  # threads, each with its own connection
    ranks: Mapping[str, int] = field(default_factory=dict)  # tenant to its place; the others after, largest first
    only: Collection[str] | None = None  # tenants this run works on; None for all
    may: Callable[[str], str | None] = _nothing  # why this tenant must not be touched now; asked about once a second
    hold: Callable[[], str | None] = _nothing  # why everything stands still now; asked about once a second
    stop: threading.Event = field(default_factory=threading.Event)  # end after the batch under way
    follow: Callable[[Progress], None] = _nothing  # about once a second
    say: Callable[[str], None] = _nothing  # what people should know while it runs
    mend: bool = False  # rows that are not as `verify` says are filled too
    restart: bool = False  # forget what an earlier declaration of that name did
    folder: Path | None = None  # where a function's module is
    patience: float = 60.0  # seconds without any progress after which a database that is away is given up


@dataclass(frozen=True)
class Ended:
    """One run. `rows` and `batches` are of the whole job over all its runs, `seconds` of this one; `tenants` counts
    `done` (verified ones too), `failed` and `paused`; `reasons` says why a tenant is not through.
    """

    name: str
    rows: int
    seconds: float
    batches: int
    tenants: Mapping[str, int]
    verified: bool
    reasons: Mapping[str, str] = field(default_factory=dict)
    held: str | None = None  # why it stood still when it ended
