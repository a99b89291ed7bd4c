"""A backfill in stage, before production sees it: what PostgreSQL says of it there stops the release early."""

from typing import TYPE_CHECKING

from stationmaster.blocks.backfill_release import Orders
from stationmaster.blocks.backfilling import Options
from stationmaster.blocks.homes import databases_of
from stationmaster.domain.backfilled import subject
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.tenants import STAGE

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.domain.artifact import Cut
    from stationmaster.domain.backfills import Backfill


class BackfillFailedInStageError(RefusedError):
    """A backfill does not come to its end in stage. Production is untouched."""

    code = "backfill_failed_in_stage"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"in stage, backfill {name} is not verified: {why}",
            hint="mend the declaration, or the row in stage, and release again; production is untouched",
        )


def fill_stage(leg: "Leg", cut: "Cut", one: "Backfill") -> None:
    """Run it in stage to its end, and say so; once for what is declared.

    Raises:
        BackfillFailedInStageError: rows are left.
        StationmasterError: what the engine refuses or breaks on.
    """
    about, inputs = subject(STAGE, one.name), {"spec": one.digest, "commit": cut.commit.commit}
    if leg.recorded("backfilled", inputs, about):
        return
    (database,) = databases_of(leg.tools, cut.product, STAGE)
    folder = leg.export("backfill", cut.commit.commit) if one.function else None
    orders = Orders(leg.go_on)
    options = Options(folder=folder, hold=orders.why_not, stop=orders.stop)
    ended = leg.tools.database.backfill(database, one, options)
    orders.obey()
    if not ended.verified:
        told = "; ".join(f"{tenant}: {why}" for tenant, why in sorted(ended.reasons.items()))
        raise BackfillFailedInStageError(one.name, told or "it did not come to its end")
    fact = {"name": one.name, "database": STAGE, "spec": one.digest, "commit": cut.commit.commit, "began": None}
    found = {"tenants": [cut.product.stage_tenant], "left": [], "rows": ended.rows}
    leg.record("backfilled", inputs, {**fact, **found}, subject=about)
