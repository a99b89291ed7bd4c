"""Schema changes before they run: what expand would run is read, tried on a copy, and told to whom it limits."""

import json
from typing import Any

from stationmaster.blocks.asked import Asked
from stationmaster.blocks.backfill_declared import must_be_known
from stationmaster.blocks.database import Revisions
from stationmaster.blocks.homes import databases_of, every_database
from stationmaster.blocks.kept import keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_trials import Version, tried, versions_on
from stationmaster.blocks.modes import announce, interruption
from stationmaster.blocks.secrecy import mask_of
from stationmaster.blocks.superseding import proved_in_stage
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.homes import place_of, recorded_as
from stationmaster.domain.migration_need import need_of
from stationmaster.domain.migration_rehearsal import Estimate
from stationmaster.domain.migration_rehearsal import Finding as RehearsalFinding
from stationmaster.domain.plan import Plan
from stationmaster.domain.printed import Printed
from stationmaster.domain.tenants import STAGE
from stationmaster.tasks import act


class RehearsalFailedError(RefusedError):
    """A schema change that runs on a copy, but cannot be undone, or breaks what reads it."""

    code = "rehearsal_failed"

    def __init__(self, findings: list[RehearsalFinding], report: str) -> None:
        lines = [f"{one.rule}: {one.message}\n    instead: {one.fix}" for one in findings]
        super().__init__(
            "the rehearsal on a copy of production's size found:\n" + "\n".join(lines),
            hint=f"try it yourself with `stationmaster migrations rehearse`; the whole report: {report}",
        )


@act("lint migrations", timeout=900)
def lint(leg: Leg, cut: Cut) -> None:
    """Refuse in expand what the version that runs now would not survive, for every state a database is in, and
    backfills that are not declared so that they could be run.
    """
    if cut.product.database is None or proved_in_stage(leg):
        return
    asked = Asked.of(leg, cut, cut.product.database)
    must_be_known(leg.tools.source, cut, leg.tools.database, asked.revisions)
    for state in sorted(set(asked.behind(every_database(leg.tools, cut.product)).values())):
        if need := need_of(asked.sql(state)):
            need.mode(cut.product.service.modes)


@act("rehearse", timeout=8 * 3600)
def rehearse(leg: Leg, cut: Cut, artifact: Artifact) -> None:
    """Before stage gets a schema change: on a copy of production's size, up, down and up again, from each state that a
    database of production is in; then every version that runs there, comes there or may be gone back to. What the copy
    says is what the approvers are told to expect.
    """
    database = cut.product.database
    if database is None or database.rehearsal is None or proved_in_stage(leg):
        return
    asked = Asked.of(leg, cut, database)
    production = [one for one in every_database(leg.tools, cut.product) if recorded_as(one) != STAGE]
    behind = asked.behind(production)
    states = sorted(set(behind.values()))
    inputs = {"commit": cut.commit.commit, "from": [list(state) for state in states]}
    if not states or leg.recorded("rehearsed", inputs):
        return
    versions = {
        state: _versions(leg, cut, artifact, {place_of(one)[0] for one in behind if behind[one] == state})
        for state in states
    }
    found = [_rehearsed(leg, cut, asked.revisions, state, versions[state]) for state in states]
    report = keep_printed(leg.tools, Printed(json.dumps([one.record() for one in found], indent=1).encode()))
    if failed := [finding for one in found for finding in one.findings]:
        raise RehearsalFailedError(failed, report)
    fact = {"estimates": [_masked(leg, one) for one in found], "report": report}
    leg.record("rehearsed", inputs, {**fact, "pairs": [pair for one in found for pair in one.pairs]})


@act("plan modes", timeout=900)
def plan_modes(leg: Leg, cut: Cut, plan: Plan) -> None:
    """Before anybody signs: whose service each schema change that cannot be made online will limit, when and for how
    long is on record, with who is to be told.
    """
    if cut.product.database is None:
        return
    asked = Asked.of(leg, cut, cut.product.database)
    reached: dict[str, set[str]] = {}
    for wave in plan.waves:
        for instance, tenants in wave.instances.items():
            reached.setdefault(instance, set()).update(tenants)
    for instance, names in sorted(reached.items()):
        whose = databases_of(leg.tools, cut.product, instance, sorted(names))
        for name, state in asked.behind(whose).items():
            if need := need_of(asked.sql(state)):
                announce(leg, interruption(leg, cut.product, name, need, whose[name]))


def _versions(leg: Leg, cut: Cut, artifact: Artifact, instances: set[str]) -> tuple[Version, ...]:
    asked = cut.product.database and cut.product.database.rehearsal
    return versions_on(leg, cut, artifact, instances) if asked and asked.journeys else ()


def _rehearsed(
    leg: Leg, cut: Cut, revisions: Revisions, state: tuple[str, ...], versions: tuple[Version, ...]
) -> Estimate:
    copy = f"stm_rehearsal_{cut.product.product}".replace("-", "_")  # one at a time; a killed one's is replaced
    return leg.tools.database.rehearse(
        revisions, state, copy, leg.tools.now(), lambda url: tried(leg, cut.product.stage_tenant, versions, url)
    )


def _masked(leg: Leg, estimate: Estimate) -> dict[str, Any]:
    """As the ledger may have it for ever: a revision's text quotes no secret of ours."""
    fact: dict[str, Any] = json.loads(mask_of(leg.tools).text(json.dumps(estimate.fact())))
    return fact
