"""Brings the databases of an instance to the expanded schema."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stationmaster.blocks.approving import must_be_approved
from stationmaster.blocks.asked import Asked, State
from stationmaster.blocks.database import Migrated
from stationmaster.blocks.expanding import Ended, expand_together, must_all_be_expanded, together
from stationmaster.blocks.homes import databases_of
from stationmaster.blocks.kept import keep_log, keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_estimates import compared, limits
from stationmaster.blocks.modes import interruption, limited
from stationmaster.blocks.openness import must_be_migratable, must_be_unfrozen
from stationmaster.domain.artifact import Cut
from stationmaster.domain.homes import recorded_as
from stationmaster.domain.interruption import Interruption, gathered
from stationmaster.domain.migration_need import need_of
from stationmaster.domain.printed import Printed
from stationmaster.domain.tenants import STAGE
from stationmaster.tasks import act


@act("expand", timeout=3600, shown="expand {instance}")
def expand(leg: Leg, cut: Cut, instance: str, tenants: Collection[str] = ()) -> None:
    """Bring an instance's database to the expanded schema, or, where each tenant has its own, those of the tenants.

    Where each was is recorded first: a process that dies between the migration and its record leaves no other trace of
    it. What runs is read here too, since a database may have moved since it was linted; it and what it printed are
    kept. What cannot be made online waits for all tenants of the database to be open at once, and puts them into the
    mode that was planned while it runs.
    """
    approved = {} if instance == STAGE else must_be_approved(leg, cut)
    inputs = {"commit": cut.commit.commit}
    if cut.product.database is None:
        return
    whose = databases_of(leg.tools, cut.product, instance, tenants)
    left = [one for one in whose if not leg.recorded("expanded", inputs, recorded_as(one))]
    if not left:
        return
    asked = Asked.of(leg, cut, cut.product.database)
    heads = _left_behind(leg, asked, {one: whose[one] for one in left}, inputs, approved)
    if not heads:
        return
    must_be_unfrozen(leg, cut.product, "stage" if instance == STAGE else "production")
    found = _interruptions(leg, cut, asked, heads, whose)
    mine = [who for one in heads if (who := whose[one])]
    must_be_migratable(leg, cut.product, instance, tenants=mine, limited=gathered(instance, found.values()))
    revisions = replace(asked.revisions, rehearsed=limits(leg.tools.ledger, leg.release))
    facts = {one: {"before": list(at), **_whose(whose[one]), **_kept(leg, asked, at)} for one, at in heads.items()}
    for some in together(list(heads), cut.product.database):
        begun = {
            one: leg.record("expanding", inputs, {**facts[one], **approved}, subject=recorded_as(one)) for one in some
        }
        with limited(leg, cut.product, [found[one] for one in some if one in found]):
            ended = expand_together(leg.tools.database, some, revisions)
        _record(leg, inputs, {one: {**begun[one].fact, **approved} for one in some}, ended)


def _left_behind(
    leg: Leg, asked: Asked, whose: Mapping[str, str | None], inputs: dict[str, str], approved: Mapping[str, Any]
) -> dict[str, State]:
    """The heads of those in which something will run; the others have it already, which is put on record."""
    heads = {one: leg.tools.database.revision(one) for one in whose}
    for one in [one for one, at in heads.items() if asked.has(one, at)]:
        there = list(heads.pop(one))
        fact = {"before": there, "after": there, "wanted": list(asked.wanted), **_whose(whose[one]), **approved}
        leg.record("expanded", inputs, fact, subject=recorded_as(one))
    return heads


def _interruptions(
    leg: Leg, cut: Cut, asked: Asked, heads: Mapping[str, State], whose: Mapping[str, str | None]
) -> dict[str, Interruption]:
    """Of the databases whose change cannot be made online. Nobody is served from stage."""
    needs = {one: need_of(asked.sql(at)) for one, at in heads.items()}
    return {
        one: interruption(leg, cut.product, one, need, whose[one])
        for one, need in needs.items() if need and recorded_as(one) != STAGE
    }  # fmt: skip


def _kept(leg: Leg, asked: Asked, state: State) -> dict[str, Any]:
    return {"sql": keep_printed(leg.tools, Printed(asked.sql(state).encode()))} if state else {}


def _record(leg: Leg, inputs: dict[str, str], facts: Mapping[str, dict[str, Any]], ended: Ended) -> None:
    """What became of databases that were expanded side by side. What failed keeps nobody's record from being made, and
    is raised then.
    """
    for one, done in ended.items():
        if not isinstance(done, Migrated):
            continue
        fact = {**facts[one], "after": list(done.after), "log": keep_log(leg.tools, Path(done.log))}
        fact |= {"ran": keep_printed(leg.tools, _run_record(done))} if done.statements else {}
        fact |= {} if recorded_as(one) == STAGE else compared(leg.tools.ledger, leg.release, done.statements)
        leg.record("expanded", inputs, fact, subject=recorded_as(one))
    must_all_be_expanded(ended, list(facts))


def _whose(tenant: str | None) -> dict[str, str]:
    return {"tenant": tenant} if tenant else {}


def _run_record(done: Migrated) -> Printed:
    """Each statement with its time and its lock, and who was in the way, for whoever approves or audits."""
    ran = {"from": done.before, "to": done.after, "statements": done.statements, "blocked_by": done.blocked_by}
    return Printed(json.dumps(ran, ensure_ascii=False, indent=1).encode())
