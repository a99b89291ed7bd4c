"""Backfills of one database of the product: run one, see how far each is, pause, resume, leave a row out.

Everything that is known about them lies in schema `stationmaster` of that database and is committed together with the
rows, so that it is never wrong about them. Who may be touched now is asked of the caller.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stationmaster.domain.backfill_states import State
from stationmaster.domain.backfills import Backfill


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


def check(url: str, spec: Backfill, options: Options) -> None:
    """Refuse what could not be run, before anything is changed.

    Raises:
        BackfillWrongError: the declaration does not fit the table; with its `field`.
        BackfillRefusedError: the table, the role or the database is not one on which it can be done exactly once.
        OutsideError: the database does not answer.
    """
    raise NotImplementedError


def run(url: str, spec: Backfill, options: Options) -> Ended:
    """Work until nothing is left that this run may work on, or `options.stop` is set. Safe to start again at any time,
    and beside others.

    Raises:
        What `check` raises; OutsideError: the database was away for longer than the patience, or its disk is full.
    """
    raise NotImplementedError


def status(url: str) -> tuple[Progress, ...]:
    """Every backfill that ever began in this database. It creates nothing."""
    raise NotImplementedError


def pause(url: str, name: str, tenant: str | None = None, reason: str = "") -> None:
    """No batch of it begins until it is resumed; of one tenant, or of all. Safe to repeat.

    Raises:
        BackfillUnknownError: no such one began here, with the nearest name.
    """
    raise NotImplementedError


def resume(url: str, name: str, tenant: str | None = None) -> None:
    """Whoever runs it may go on. Safe to repeat. Raises BackfillUnknownError."""
    raise NotImplementedError


def skip(url: str, name: str, tenant: str, key: Sequence[str], reason: str) -> None:
    """Leave one row out for ever, on record. Its tenant goes on with the next run.

    Raises:
        BackfillUnknownError: there is no such backfill, tenant or row.
    """
    raise NotImplementedError


def lose(url: str, name: str, tenants: Collection[str], reason: str) -> None:
    """What was verified of these tenants may be stale: a version without the dual write serves them again. The next run
    verifies anew, and fills what is stale. Safe to repeat; nothing where the backfill never began.
    """
    raise NotImplementedError
