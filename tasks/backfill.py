"""Backfills: rows of those who have the release are filled in, database by database, once its waves are through."""

from collections.abc import Callable, Sequence

from stationmaster.blocks.backfill_declared import declared
from stationmaster.blocks.backfill_jobs import Carried, Job
from stationmaster.blocks.backfill_release import Done, Run
from stationmaster.blocks.backfill_stage import fill_stage
from stationmaster.blocks.backfilling import Progress
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.domain.backfill_waits import Outcome, Wait, wait_of
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import WaitingError
from stationmaster.tasks import act

_DAYS = 7 * 86_400  # the last resort; a run ends by itself when it stands still


class BackfillWaitsError(WaitingError):
    """Rows are left that cannot be filled in now."""

    code = "backfill_waits"

    def __init__(self, wait: Wait) -> None:
        super().__init__(
            wait.message, waiting_for=wait.awaited, until=instant(wait.until) if wait.until else None, hint=wait.hint
        )


@act("backfill stage", timeout=3600)
def try_backfills(leg: Leg, cut: Cut) -> None:
    """Before production is touched: each backfill runs in stage, with the version that writes both. What is wrong with
    one is found there.
    """
    for one in declared(leg.tools.source, cut):
        fill_stage(leg, cut, one)


@act("backfills", timeout=600)
def left_to_fill(leg: Leg, cut: Cut) -> tuple[Job, ...]:
    """What is not verified yet for everybody who has the release, in the order of the rings."""
    return Carried(leg.tools, cut).left()


@act("backfill", timeout=_DAYS, shown="backfill {job.subject}")
def fill(leg: Leg, cut: Cut, job: Job, follow: Callable[[Progress], None]) -> Outcome:
    """Fill in one database, batch by batch, and say for whom it is verified. The intention is on record first: from
    then on, whoever is served by a version without the dual write loses what was verified.
    """
    leg.must_have_reached("deploying")
    folder = leg.export("backfill", cut.commit.commit) if job.backfill.function else None
    run = Run(Carried(leg.tools, cut), job, leg.go_on, follow, folder)
    begun = _begun(leg, cut, job)
    run.begin()
    done = run.carry_out()
    _record(leg, job, begun, done)
    return done.outcome


@act("require backfilled", timeout=60)
def require_filled(leg: Leg, ended: Sequence[Outcome]) -> None:
    """Pass when nobody is left; wait for who or what is in the way otherwise."""
    if wait := wait_of(leg.release, ended):
        raise BackfillWaitsError(wait)


def _begun(leg: Leg, cut: Cut, job: Job) -> Entry:
    """Once for what was lost until now: whoever loses it later is begun anew."""
    lost = max((entry.index for entry in job.lost.values()), default=None)
    inputs = {"spec": job.backfill.digest, "commit": cut.commit.commit, "lost": lost}
    fact = {**_about(job), "revision": job.backfill.revision}
    return leg.record("backfilling", inputs, fact, subject=job.subject)


def _record(leg: Leg, job: Job, begun: Entry, done: Done) -> None:
    """Nothing where nobody is through yet."""
    left = sorted({one.tenant for one in done.outcome.left})
    if done.tenants:
        found = {"began": begun.index, "tenants": list(done.tenants), "left": left}
        leg.record("backfilled", found, {**_about(job), **found, "rows": done.rows}, subject=job.subject)


def _about(job: Job) -> dict[str, str]:
    return {
        "name": job.backfill.name, "database": job.database, "spec": job.backfill.digest, "commit": job.commit,
    }  # fmt: skip
