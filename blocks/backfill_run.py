"""One run of a backfill: everything is asked before the first row is touched, then workers take tenants until nothing
is left that this run may have.
"""

import threading
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from stationmaster.blocks.backfill_asked import BackfillRefusedError, Ended, Options, Progress
from stationmaster.blocks.backfill_bookkeeping import (
    Job,
    mark_ready,
    note_tenants,
    open_job,
    take_again,
    tenant_of,
)
from stationmaster.blocks.backfill_brake import Brake
from stationmaster.blocks.backfill_cover import Cover, Means, await_others, means_of
from stationmaster.blocks.backfill_fillers import filler, function_of
from stationmaster.blocks.backfill_function import SETTINGS
from stationmaster.blocks.backfill_gauges import Gauges
from stationmaster.blocks.backfill_guard import Proof, must_have_index, must_understand, proof_of
from stationmaster.blocks.backfill_lease import Wanted
from stationmaster.blocks.backfill_sessions import Connection, connect, rows, session, transaction
from stationmaster.blocks.backfill_status import batches, progress
from stationmaster.blocks.backfill_table import Table, table_of
from stationmaster.blocks.backfill_walk import Act
from stationmaster.blocks.backfill_worker import Task, Worker
from stationmaster.domain.backfill_pace import Rate
from stationmaster.domain.backfill_statements import Filling
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.errors import StationmasterError

_EVERY = 1.0  # seconds between two looks at how far it is


@dataclass(frozen=True)
class Asked:
    """What is known of a declaration and its table before anything begins."""

    table: Table
    proof: Proof
    means: Means | None  # None where `todo` says which rows


def asked(connection: Connection, spec: Backfill, options: Options) -> Asked:
    """Raises BackfillWrongError, BackfillRefusedError, FunctionWrongError; nothing is changed."""
    table = table_of(connection, spec)
    if spec.function is not None:
        with function_of(spec, table, options.folder) as function:
            function.start()
    must_understand(connection, spec, table)
    table = must_have_index(connection, table)
    return Asked(
        table, proof_of(connection, spec), None if spec.todo is not None else means_of(connection, spec, table)
    )


class Run:
    """One run, on one database."""

    def __init__(self, url: str, spec: Backfill, options: Options) -> None:
        self._url, self._spec, self._options = url, spec, options
        self._began = time.monotonic()
        self._held: str | None = None

    def run(self) -> Ended:
        with self._session() as connection:
            known = asked(connection, self._spec, self._options)
            job = open_job(connection, self._spec, known.table, known.means, restart=self._options.restart)
            cover = known.means.cover(known.table, job.started_at, job.bound) if known.means else None
            ready = self._may_begin(connection, job, cover)
            if ready:
                note_tenants(connection, job, known.table, cover.sql if cover else None)
                with transaction(connection):
                    take_again(connection, job, self._spec, self._options.only, mend=self._options.mend)
        refused = self._rounds(job, known.table, self._act(known, cover)) if ready else {}
        with self._session() as connection:
            return self._ended(connection, job, refused)

    def _session(self) -> AbstractContextManager[Connection]:
        return session(self._url, self._options.patience)

    def _may_begin(self, connection: Connection, job: Job, cover: Cover | None) -> bool:
        if job.ready or cover is None:
            return True
        if not await_others(connection, cover, self._options.say, self._options.stop.is_set):
            return False
        mark_ready(connection, job)
        return True

    def _act(self, known: Asked, cover: Cover | None) -> Act:
        spec = self._spec
        filling = Filling(
            known.table.shape, spec.set or "", spec.todo, known.proof.sql,
            cover.sql if cover else None, cover.limit if cover else None,
        )  # fmt: skip
        settings = known.table.shape.settings
        if spec.function is not None:
            settings = "".join(f"SET LOCAL {name} = '{value}'; " for name, value in SETTINGS.items())
        return Act(filling, known.proof.of_values, self._options.mend, settings)

    def _rounds(self, job: Job, table: Table, act: Act) -> dict[str, str]:
        """Tenants that appeared while the others were worked on are worked on too."""
        while True:
            refused = self._round(job, table, act)
            if self._options.stop.is_set() or self._spec.todo is None:
                return refused
            with self._session() as connection:
                if not note_tenants(connection, job, table, None):
                    return refused

    def _round(self, job: Job, table: Table, act: Act) -> dict[str, str]:
        spec, options = self._spec, self._options
        gauges = Gauges(lambda: connect(self._url), table.shape.sql, spec.throttle)
        brake = Brake(options, (options.hold, gauges.why), Rate(spec.rows_per_second))
        task = Task(
            self._url, Wanted(job.id, options.only, options.ranks), act,
            lambda: filler(spec, table, act.filling, options.folder), table.oid,
            lambda lease: tenant_of(table, lease.tenant, untenanted=lease.untenanted), spec.batch, options.patience,
        )  # fmt: skip
        with gauges:
            self._carry_out(job, task, brake)
        self._held = brake.held
        return brake.refused

    def _carry_out(self, job: Job, task: Task, brake: Brake) -> None:
        """Raises what the first worker that could not go on raised."""
        options = self._options
        failed: list[BaseException] = []
        threads = [
            threading.Thread(target=self._work, args=(Worker(task, brake), failed), daemon=True)
            for _ in range(max(1, options.workers))
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(threads, job, brake)
        finally:
            if any(thread.is_alive() for thread in threads):
                options.stop.set()
            for thread in threads:
                thread.join()
        if failed:
            raise failed[0]

    def _work(self, worker: Worker, failed: list[BaseException]) -> None:
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001 - the run's thread raises it
            failed.append(error)
            self._options.stop.set()

    def _watch(self, threads: list[threading.Thread], job: Job, brake: Brake) -> None:
        looked = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.05)
            if time.monotonic() - looked >= _EVERY:
                looked = time.monotonic()
                with suppress(StationmasterError), session(self._url) as connection:
                    self._tell(connection, job, brake)

    def _tell(self, connection: Connection, job: Job, brake: Brake) -> None:
        with transaction(connection, read_only=True):
            found = progress(connection, job.id)
        for one in found:
            with brake.lock:
                self._options.follow(Progress(one.name, one.table, one.rows, one.eta_seconds, one.tenants, brake.held))

    def _ended(self, connection: Connection, job: Job, refused: dict[str, str]) -> Ended:
        """From the bookkeeping. What was committed so far is on the disk when this returns."""
        with transaction(connection):
            found = progress(connection, job.id)
            count = batches(connection, job.id)
            connection.execute("SET LOCAL synchronous_commit = on")
            connection.execute("UPDATE stationmaster.backfill SET ready = ready WHERE id = %s", (job.id,))
        if not found:
            raise BackfillRefusedError(f"{self._spec.name!r} was begun anew by somebody else meanwhile")
        (one,) = found
        states = [tenant.state for tenant in one.tenants]
        reasons = {tenant.tenant: tenant.reason for tenant in one.tenants if tenant.reason} | refused
        verified = all(state == "verified" for state in states) and job_is_walked(connection, job)
        self._options.follow(one)
        return Ended(
            one.name, one.rows, round(time.monotonic() - self._began, 3), count,
            {"done": sum(s in {"done", "verified"} for s in states), "failed": states.count("failed"),
             "paused": states.count("paused")},
            verified, reasons, self._held,
        )  # fmt: skip


def job_is_walked(connection: Connection, job: Job) -> bool:
    """Whether its tenants are known at all."""
    return rows(connection, "SELECT ready FROM stationmaster.backfill WHERE id = %s", (job.id,)) == [(True,)]
