"""Deploy: instances of the new version beside the old ones, then the tenants' routes. Each is asked what it runs."""

import json
from pathlib import Path

from stationmaster.blocks.approving import must_be_approved
from stationmaster.blocks.compatible import must_work_on
from stationmaster.blocks.homes import homes_of
from stationmaster.blocks.instances import WrongDigestError
from stationmaster.blocks.kept import keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import must_be_open
from stationmaster.blocks.serving import publish_flags_of, start_instance
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.homes import own
from stationmaster.domain.plan import Wave
from stationmaster.tasks import act


@act("publish flags", timeout=60)
def publish_flags(leg: Leg, cut: Cut) -> None:
    """The product's flag file as the commit has it; publishing it again changes nothing."""
    approved = must_be_approved(leg, cut)
    if cut.product.flags:
        publish_flags_of(leg, cut.product, cut.commit.commit, approved)


@act("deploy", timeout=900, shown="deploy {instance}")
def deploy(leg: Leg, cut: Cut, artifact: Artifact, instance: str) -> str:
    """The colour on which the instance runs the artifact, started if it does not run yet. No tenant is moved. What the
    process printed until now is kept: later it prints what tenants ask of it.
    """
    must_be_approved(leg, cut, artifact=artifact)
    colour = start_instance(leg, cut.product.service, artifact.digest, instance)
    _keep_log(leg, artifact, instance, colour)
    return colour


@act("shift", timeout=120, shown="shift {wave.name}")
def shift(leg: Leg, cut: Cut, artifact: Artifact, wave: Wave, colours: dict[str, str]) -> None:
    """Route the wave's tenants to the new version, all of an instance at once; also those that were led elsewhere
    since they were recorded.
    """
    leg.must_have_reached("briefed")
    approved = must_be_approved(leg, cut, artifact=artifact, tenants=wave.tenants)
    _must_run(leg, cut, artifact, colours)
    _must_be_open(leg, cut, wave, colours)
    homes = homes_of(leg.tools, cut.product)
    for instance, tenants in wave.instances.items():
        for name in sorted({homes.of(tenant, instance) for tenant in tenants}):
            must_work_on(leg, [artifact.digest], name)
        routes, place = leg.tools.target.routes(), (instance, colours[instance])
        inputs = {"digest": artifact.digest, "colour": place[1]}
        new = [tenant for tenant in tenants if not leg.recorded("deployed", inputs, tenant)]
        left = [tenant for tenant in tenants if tenant in new or routes.get(tenant) != place]
        leg.tools.target.shift(left, instance, place[1], leg.fence)
        fact = {**_fact(cut, artifact, *place), **approved, **_kept_log(leg, artifact, *place)}
        for tenant in new:
            leg.record("deployed", inputs, {**fact, **own(homes.of(tenant, instance), instance)}, subject=tenant)


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


def _keep_log(leg: Leg, artifact: Artifact, instance: str, colour: str) -> None:
    """Once: a leg that comes to it again would keep what was printed for tenants since."""
    if not _kept_log(leg, artifact, instance, colour):
        kept = keep_printed(leg.tools, leg.tools.target.printed(instance, colour))
        _log_note(leg, artifact, instance, colour).write_text(json.dumps({"log": kept}))


def _kept_log(leg: Leg, artifact: Artifact, instance: str, colour: str) -> dict[str, str]:
    """The digest of what was kept, if it was; a half-written note is none."""
    try:
        found: dict[str, str] = json.loads(_log_note(leg, artifact, instance, colour).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _log_note(leg: Leg, artifact: Artifact, instance: str, colour: str) -> Path:
    return leg.folder("deployed") / f"{instance}-{colour}-{artifact.digest.removeprefix('sha256:')}.json"


def _fact(cut: Cut, artifact: Artifact, instance: str, colour: str) -> dict[str, str]:
    return {
        "version": cut.commit.version,
        "digest": artifact.digest,
        "commit": cut.commit.commit,
        "instance": instance,
        "colour": colour,
    }
