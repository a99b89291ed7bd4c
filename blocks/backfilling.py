"""Backfills of one database of the product: run one, see how far each is, pause, resume, leave a row out.

Everything that is known about them lies in schema `stationmaster` of that database and is committed together with the
rows, so that it is never wrong about them. Who may be touched now is asked of the caller.
"""

import contextlib
from collections.abc import Collection, Sequence

from stationmaster.blocks import backfill_bookkeeping as book
from stationmaster.blocks.backfill_asked import (
    BackfillRefusedError,
    BackfillStoppedError,
    BackfillUnknownError,
    BackfillWrongError,
    Ended,
    Options,
    Progress,
    TenantProgress,
)
from stationmaster.blocks.backfill_run import Run, asked
from stationmaster.blocks.backfill_sessions import session, transaction
from stationmaster.blocks.backfill_skipping import leave_out
from stationmaster.blocks.backfill_status import progress
from stationmaster.domain.backfills import Backfill

__all__ = [
    "BackfillRefusedError", "BackfillStoppedError", "BackfillUnknownError", "BackfillWrongError", "Ended", "Options",
    "Progress", "TenantProgress", "check", "lose", "pause", "resume", "run", "skip", "status",
]  # fmt: skip


def check(url: str, spec: Backfill, options: Options) -> None:
    """Refuse what could not be run, before anything is changed.

    Raises:
        BackfillWrongError: the declaration does not fit the table; with its `field`.
        BackfillRefusedError: the table, the role or the database is not one on which it can be done exactly once.
        OutsideError: the database does not answer.
    """
    with session(url, options.patience) as connection:
        known = asked(connection, spec, options)
        book.must_be_new_or_same(connection, spec, known.table, restart=options.restart)


def run(url: str, spec: Backfill, options: Options) -> Ended:
    """Work until nothing is left that this run may work on, or `options.stop` is set. Safe to start again at any time,
    and beside others.

    Raises:
        What `check` raises; OutsideError: the database was away for longer than the patience, or its disk is full.
    """
    return Run(url, spec, options).run()


def status(url: str) -> tuple[Progress, ...]:
    """Every backfill that ever began in this database. It creates nothing."""
    with session(url) as connection, transaction(connection, read_only=True):
        return progress(connection) if book.is_there(connection) else ()


def pause(url: str, name: str, tenant: str | None = None, reason: str = "") -> None:
    """No batch of it begins until it is resumed; of one tenant, or of all. Safe to repeat.

    Raises:
        BackfillUnknownError: no such one began here, with the nearest name.
    """
    with session(url) as connection, transaction(connection):
        jobs = book.jobs_named(connection, name)
        if tenant is not None:
            book.must_have_tenant(connection, jobs, tenant)
        book.pause(connection, jobs, tenant, reason)


def resume(url: str, name: str, tenant: str | None = None) -> None:
    """Whoever runs it may go on. Safe to repeat. Raises BackfillUnknownError."""
    with session(url) as connection, transaction(connection):
        jobs = book.jobs_named(connection, name)
        if tenant is not None:
            book.must_have_tenant(connection, jobs, tenant)
        book.resume(connection, jobs, tenant)


def skip(url: str, name: str, tenant: str, key: Sequence[str], reason: str) -> None:
    """Leave one row out for ever, on record. Its tenant goes on with the next run.

    Raises:
        BackfillUnknownError: there is no such backfill, tenant or row.
    """
    with session(url) as connection, transaction(connection):
        jobs = book.jobs_named(connection, name)
        book.must_have_tenant(connection, jobs, tenant)
        leave_out(connection, jobs, tenant, tuple(key), reason)


def lose(url: str, name: str, tenants: Collection[str], reason: str) -> None:
    """What was verified of these tenants may be stale: a version without the dual write serves them again. The next run
    verifies anew, and fills what is stale. Safe to repeat; nothing where the backfill never began.
    """
    with session(url) as connection, transaction(connection):
        if book.is_there(connection):
            with contextlib.suppress(BackfillUnknownError):
                book.lose(connection, book.jobs_named(connection, name), list(tenants), reason)
