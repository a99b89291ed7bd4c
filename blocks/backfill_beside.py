"""The backfills of a release that somebody asks for by themselves: whether there is such a release, and what whoever
finds its lease taken does instead, which is to work beside the holder without recording anything.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from stationmaster.blocks.backfill_jobs import Carried, Job
from stationmaster.blocks.backfill_release import Run
from stationmaster.blocks.backfilling import Progress
from stationmaster.blocks.carried import recalled
from stationmaster.blocks.leg import must_go_on
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.orders import in_force
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.domain.request import BackfillRequest
from stationmaster.domain.stages import has_reached

Show = Callable[[str, str], AbstractContextManager[Callable[[Progress], None]]]


class NobodyHasItError(RefusedError):
    """A release fills in the rows of those who have it, and nobody has."""

    code = "nobody_has_it"


def want_backfill(tools: Toolbox, request: BackfillRequest) -> None:
    """Return if the backfills of a release may be asked for.

    Raises:
        UnknownReleaseError: nobody knows the release.
        NobodyHasItError: it is not deployed, was taken back, or is of another product.
    """
    entries = tools.ledger.entries(request.of)
    first = next((entry for entry in entries if entry.step == "started"), None)
    if first is None:
        raise UnknownReleaseError(request.of)
    if first.fact["product"] != request.product:
        raise NobodyHasItError(f"{request.of} is a release of {first.fact['product']}, not of {request.product}")
    if not has_reached(entries, "deploying") or in_force(entries) == "rollback":
        raise NobodyHasItError(
            f"{request.of} is at nobody's, so that it has no rows to fill in",
            hint=f"stationmaster release why {request.of}",
        )


def cut_of(tools: Toolbox, release: str) -> Cut:
    """What the release is cut from, as it was then."""
    return recalled(tools.source, release, next(iter(tools.ledger.about(release, ["cut"]))).fact)


def lend_a_hand(tools: Toolbox, release: str, show: Show) -> int:
    """Work on each backfill that the holder of the release's lease has begun, until nothing is left or nobody holds it.
    How many rows were filled in by all.

    Raises:
        ReleaseAbortedError, ReleaseGoingBackError, ReleasePausedError: nothing may be done for the release.
    """
    cut, rows = cut_of(tools, release), dict[str, int]()
    while tools.ledger.holder(release, tools.now()):
        must_go_on(tools, release)
        jobs = [job for job in Carried(tools, cut).left() if job.subject not in rows]
        if not jobs:
            break
        begun = next((job for job in jobs if _begun(tools, release, job)), None)
        if begun is None:
            tools.sleep(1.0)
            continue
        with show(release, begun.subject) as shown:
            run = Run(Carried(tools, cut), begun, lambda: must_go_on(tools, release), shown)
            rows[begun.subject] = run.carry_out().rows
    return sum(rows.values())


def _begun(tools: Toolbox, release: str, job: Job) -> bool:
    """Whether the holder said that it begins, this time: its word comes before the first row."""
    told = [entry for entry in tools.ledger.entries(release) if entry.subject == job.subject]
    lost = max((entry.index for entry in job.lost.values()), default=-1)
    return any(e.step == "backfilling" and e.fact["spec"] == job.backfill.digest and e.index > lost for e in told)
