"""The release, from a commit to every tenant. Read it from top to bottom: it is the runbook.

Each line is an act in `tasks/`; each act answers from the ledger when it was done before, so a release that stopped
anywhere goes on by running this again.
"""

from typing import cast

from prefect import flow
from prefect.client.schemas.objects import State

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.toolbox import load
from stationmaster.blocks.waves import begun_waves
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.plan import Wave
from stationmaster.domain.request import ReleaseRequest
from stationmaster.domain.rollback import of_breach
from stationmaster.domain.tenants import STAGE
from stationmaster.flows.filling import fill_in
from stationmaster.flows.leg import GOING_BACK, NOT_WATCHED, conduct, order_of, this_run, until, went_back
from stationmaster.flows.parking import park
from stationmaster.flows.rollback import rollback
from stationmaster.flows.showing import show
from stationmaster.tasks.approval import lay_down_mandate, require_approvable, require_approval
from stationmaster.tasks.asking import ask_approval, ask_confirmation
from stationmaster.tasks.attest import attest
from stationmaster.tasks.backfill import try_backfills
from stationmaster.tasks.brief import require_fragment, send_brief, update_brief
from stationmaster.tasks.build import build
from stationmaster.tasks.calendar import require_soak, require_unfrozen, require_window
from stationmaster.tasks.canary import watch
from stationmaster.tasks.checks import run_checks
from stationmaster.tasks.close import close, promote
from stationmaster.tasks.confirmation import require_confirmation
from stationmaster.tasks.cut import cut
from stationmaster.tasks.departure import require_departure
from stationmaster.tasks.deploy import deploy, publish_flags, shift
from stationmaster.tasks.expand import expand
from stationmaster.tasks.hold import refuse_held
from stationmaster.tasks.hotfix import require_base
from stationmaster.tasks.migrations import lint, plan_modes, rehearse
from stationmaster.tasks.plan import make_plan
from stationmaster.tasks.review import require_reviews
from stationmaster.tasks.rollback import route_back
from stationmaster.tasks.scan import scan
from stationmaster.tasks.seal import seal
from stationmaster.tasks.stage import stage
from stationmaster.tasks.tickets import link_tickets


@flow(name="release", flow_run_name="{request.id}", retries=0)
def release(request: ReleaseRequest) -> State[None]:
    """Take one release of a product to its tenants, ring by ring.

    Args:
        request: What to release. Starting the same release again goes on where it stopped.
    """
    tools = load(request.product)
    ended = conduct(tools, request, this_run(), runbook)
    show(tools, request.id)
    if ended.name == GOING_BACK:
        return went_back(cast("State[None]", rollback(order_of(tools, request), return_state=True)))
    return park(ended, until(tools, request.id))


def runbook(leg: Leg) -> None:
    """The release; whatever stops it, who has it already is watched before the leg ends."""
    try:
        carry(leg)
    except NOT_WATCHED:
        raise
    except StationmasterError:
        if begun_are_good(leg):
            raise


def prove(leg: Leg) -> tuple[Cut, Artifact]:
    """From the commit to stage. Nothing in production is touched."""
    ask_confirmation(leg)
    require_confirmation(leg)
    this = cut(leg)
    require_base(leg, this)
    refuse_held(leg, this)
    require_fragment(leg, this)
    require_reviews(leg, this)
    link_tickets(leg, this)
    require_approvable(leg, this)
    artifact = build(leg, this)
    run_checks(leg, this, artifact)
    scan(leg, this, artifact)

    lint(leg, this)
    rehearse(leg, this, artifact)
    require_unfrozen(leg, this, "stage")
    expand(leg, this, STAGE)
    stage(leg, this, artifact)
    try_backfills(leg, this)
    return this, artifact


def carry(leg: Leg) -> None:
    """From the commit to every tenant."""
    this, artifact = prove(leg)

    plan = make_plan(leg, this, artifact)
    show(leg.tools, this.release, planned=True)
    if not plan.waves:  # each tenant has it, runs something newer or is left out
        close(leg, this, artifact, plan)
        attest(leg)
        seal(leg)
        return
    plan_modes(leg, this, plan)
    lay_down_mandate(leg, this, artifact, plan)
    attest(leg)
    ask_approval(leg, this)
    require_approval(leg, this)
    send_brief(leg, this, artifact, plan)
    attest(leg)
    show(leg.tools, this.release, briefed=True)
    require_departure(leg, this)

    refuse_held(leg, this)  # what was rolled back meanwhile is not carried on
    require_unfrozen(leg, this, "production")
    for instance in plan.shared:
        expand(leg, this, instance)
    for wave in plan.waves:
        refuse_held(leg, this)
        require_soak(leg, this, plan, wave)
        require_window(leg, this, wave)
        publish_flags(leg, this)
        for instance, tenants in wave.instances.items():
            expand(leg, this, instance, tenants)
        colours = {instance: deploy(leg, this, artifact, instance) for instance in wave.instances}
        update_brief(leg, wave.name)
        show(leg.tools, this.release, begins=wave.name)
        shift(leg, this, artifact, wave, colours)
        if not is_good(leg, this, artifact, wave):
            return
        update_brief(leg, wave.name)
        attest(leg)
        show(leg.tools, this.release)

    fill_in(leg, this)
    close(leg, this, artifact, plan)
    update_brief(leg, this.release)
    attest(leg)
    seal(leg)


def is_good(leg: Leg, this: Cut, artifact: Artifact, wave: Wave) -> bool:
    """Watch a wave to its verdict. False when it goes back; what is not good enough raises."""
    verdict = watch(leg, this, artifact, wave)
    if verdict.verdict == "rollback":
        route_back(leg, of_breach(verdict))  # the routes first; flow `rollback` does the rest
        return False
    promote(leg, artifact, wave, verdict)
    return True


def begun_are_good(leg: Leg) -> bool:
    """The same of every wave that has begun, with those who have the release."""
    waves = begun_waves(leg)
    if not waves:
        return True
    this = cut(leg)
    artifact = build(leg, this)
    return all(is_good(leg, this, artifact, wave) for wave in waves)
