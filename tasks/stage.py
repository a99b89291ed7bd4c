"""Stage: the artifact on the expanded schema, and the version that runs now on that same schema."""

from contextlib import nullcontext

from stationmaster.blocks.carried import product_at
from stationmaster.blocks.compatible import covered, not_behind
from stationmaster.blocks.homes import homes_of
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import must_be_unfrozen
from stationmaster.blocks.serving import run_journeys, start_instance
from stationmaster.blocks.superseding import proved_in_stage, superseded
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import STAGE
from stationmaster.tasks import act


class StageFailedError(RefusedError):
    """A journey failed in stage; production was not touched."""

    code = "stage_failed"


@act("stage", timeout=1800)
def stage(leg: Leg, cut: Cut, artifact: Artifact) -> None:
    """The previous artifact's smoke tests on the expanded schema first, then the new one's; each pair is recorded. What
    another release brought to a tenant since is proved before this one may take its place.
    """
    leg.go_on(even_paused=True)
    newer = superseded(leg, cut)
    known = {tenant.id for tenant in leg.tools.tenants.read().tenants} - set(newer)
    replaced = [entry for tenant, entry in leg.tools.ledger.running().items() if tenant in known]
    running = {entry.fact["digest"]: entry.fact["commit"] for entry in not_behind(leg.tools, replaced)}
    before = sorted(set(running) - {artifact.digest})
    if proved_in_stage(leg).issuperset([*before, artifact.digest]):
        return
    must_be_unfrozen(leg, cut.product, "stage")
    name = homes_of(leg.tools, cut.product).of(cut.product.stage_tenant, STAGE)
    revision = ",".join(leg.tools.database.revision(name)) if cut.product.database else ""
    proved = [*before, artifact.digest]
    with leg.tools.database.steady(name) if cut.product.database else nullcontext():
        for digest in proved:
            colour = _prove(leg, cut, product_at(leg.tools.source, running.get(digest, cut.commit.commit)), digest)
    leg.tools.target.shift([cut.product.stage_tenant], STAGE, colour, leg.fence)
    inputs = {"commit": cut.commit.commit, "proved": proved}
    also = [[artifact.digest, schema] for schema in covered(leg, cut)]
    fact = {"revision": revision, "pairs": [[digest, revision] for digest in proved]}
    leg.record("staged", inputs, {**fact, **({"covers": also} if also else {})})


def _prove(leg: Leg, cut: Cut, product: Product, digest: str) -> str:
    """The colour on which stage runs the digest, when the journeys that its own commit declares pass there."""
    colour = start_instance(leg, product.service, digest, STAGE)
    failed = [r for r in run_journeys(leg, product, STAGE, colour, cut.product.stage_tenant) if not r.passed]
    if failed:
        raise StageFailedError(
            f"in stage, on the expanded schema, {digest[:19]}… fails: "
            + "; ".join(f"{one.journey}, {reason}" for one in failed for reason in one.reasons),
            hint="mend it and release again, or `stationmaster release abort`; production was not touched",
        )
    return colour
