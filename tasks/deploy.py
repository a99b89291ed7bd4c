"""Deploy: instances of the new version beside the old ones, then the tenants' routes. Each is asked what it runs."""

from stationmaster.blocks.instances import WrongDigestError
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import must_be_open
from stationmaster.blocks.serving import start_instance
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.plan import Wave
from stationmaster.tasks import act


@act("publish flags", timeout=60)
def publish_flags(leg: Leg, cut: Cut) -> None:
    """The product's flag file as the commit has it; publishing it again changes nothing."""
    leg.must_have_reached("approved")
    if cut.product.flags:
        leg.tools.flags.publish(leg.tools.source.read(cut.commit.commit, cut.product.flags), cut.product.flags)


@act("deploy", timeout=900, shown="deploy {instance}")
def deploy(leg: Leg, cut: Cut, artifact: Artifact, instance: str) -> str:
    """The colour on which the instance runs the artifact, started if it does not run yet. No tenant is moved."""
    leg.must_have_reached("approved")
    return start_instance(leg, cut.product.service, artifact.digest, instance)


@act("shift", timeout=120, shown="shift {wave.name}")
def shift(leg: Leg, cut: Cut, artifact: Artifact, wave: Wave, colours: dict[str, str]) -> None:
    """Route the wave's tenants to the new version, all of an instance at once; also those that were led elsewhere
    since they were recorded.
    """
    leg.must_have_reached("briefed")
    _must_run(leg, cut, artifact, colours)
    _must_be_open(leg, cut, wave, colours)
    for instance, tenants in wave.instances.items():
        routes, place = leg.tools.target.routes(), (instance, colours[instance])
        inputs = {"digest": artifact.digest, "colour": place[1]}
        new = [tenant for tenant in tenants if not leg.recorded("deployed", inputs, tenant)]
        left = [tenant for tenant in tenants if tenant in new or routes.get(tenant) != place]
        leg.tools.target.shift(left, instance, place[1], leg.fence)
        for tenant in new:
            leg.record("deployed", inputs, _fact(cut, artifact, *place), subject=tenant)


def _must_be_open(leg: Leg, cut: Cut, wave: Wave, colours: dict[str, str]) -> None:
    """Asked again immediately before the routes change, for all whose routes do. It is not asked between them: of a
    wave that has begun, nobody would watch those who are through while the others wait.
    """
    routes = leg.tools.target.routes()
    to = {tenant: (name, colours[name]) for name, tenants in wave.instances.items() for tenant in tenants}
    must_be_open(leg, cut.product, wave, [tenant for tenant, place in to.items() if routes.get(tenant) != place])


def _must_run(leg: Leg, cut: Cut, artifact: Artifact, colours: dict[str, str]) -> None:
    """Asked immediately before the routes change: another release may have taken an idle colour since."""
    runs = {(one.instance, one.colour): one.digest for one in leg.tools.target.running(cut.product.service.version)}
    wrong = {place: runs.get(place) for place in colours.items() if runs.get(place) != artifact.digest}
    if wrong:
        raise WrongDigestError(f"not {artifact.digest}, but {wrong}", hint=f"stationmaster release start {leg.release}")


def _fact(cut: Cut, artifact: Artifact, instance: str, colour: str) -> dict[str, str]:
    return {
        "version": cut.commit.version,
        "digest": artifact.digest,
        "commit": cut.commit.commit,
        "instance": instance,
        "colour": colour,
    }
