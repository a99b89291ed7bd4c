"""Schema changes: what expand would run is read before it runs, then each database is brought to it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stationmaster.blocks.approving import must_be_approved
from stationmaster.blocks.compatible import changes_of
from stationmaster.blocks.database import Migrated, Revisions
from stationmaster.blocks.kept import keep_log, keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_estimates import compared, limits
from stationmaster.blocks.migration_trials import Version, tried, versions_on
from stationmaster.blocks.modes import announce, interruption, limited
from stationmaster.blocks.openness import must_be_migratable, must_be_unfrozen
from stationmaster.blocks.secrecy import mask_of
from stationmaster.blocks.superseding import proved_in_stage
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.migration_need import need_of
from stationmaster.domain.migration_rehearsal import Estimate
from stationmaster.domain.migration_rehearsal import Finding as RehearsalFinding
from stationmaster.domain.migrations import Finding, lint_expand
from stationmaster.domain.plan import Plan
from stationmaster.domain.printed import Printed
from stationmaster.domain.product import Database
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


class MigrationRefusedError(RefusedError):
    """The linter found what old code would not survive."""

    code = "migration_refused"

    def __init__(self, findings: list[Finding]) -> None:
        lines = [f"{f.revision or 'the SQL'}: {f.rule}: {f.message}\n    instead: {f.fix}" for f in findings]
        super().__init__(
            "expand may not do this:\n" + "\n".join(lines), hint="mend the revision, or move it to the contract branch"
        )


@act("lint migrations", timeout=900)
def lint(leg: Leg, cut: Cut) -> None:
    """Refuse in expand what the version that runs now would not survive, for every state a database is in."""
    if cut.product.database is None or proved_in_stage(leg):
        return
    revisions, database = _revisions(leg, cut, cut.product.database), leg.tools.database
    for state in _states(leg, revisions, database.databases):
        sql = database.render(state, revisions)
        _must_only_add(sql)
        if need := need_of(sql):
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
    revisions = _revisions(leg, cut, database)
    behind = _behind(leg, revisions, {*leg.tools.database.databases} - {STAGE})
    states = sorted(set(behind.values()))
    inputs = {"commit": cut.commit.commit, "from": [list(state) for state in states]}
    if not states or leg.recorded("rehearsed", inputs):
        return
    asked = {state: _versions(leg, cut, artifact, [one for one in behind if behind[one] == state]) for state in states}
    found = [_rehearsed(leg, cut, revisions, state, asked[state]) for state in states]
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
    asked = _Asked(leg, _revisions(leg, cut, cut.product.database))
    for instance in sorted({name for wave in plan.waves for name in wave.instances}):
        heads = leg.tools.database.revision(instance)
        if not heads or asked.has(instance, heads):
            continue
        if need := need_of(leg.tools.database.render(heads, asked.revisions)):
            announce(leg, interruption(leg, cut.product, instance, need))


@act("expand", timeout=3600, shown="expand {instance}")
def expand(leg: Leg, cut: Cut, instance: str) -> None:
    """Bring one instance's database to the expanded schema. Where it was is recorded first: a process that dies between
    the migration and its record leaves no other trace of it. What runs is read here too, since a database may have
    moved since it was linted; it and what it printed are kept. What cannot be made online waits for all tenants of the
    database to be open at once, and puts them into the mode that was planned while it runs.
    """
    approved = {} if instance == STAGE else must_be_approved(leg, cut)
    inputs = {"commit": cut.commit.commit}
    if cut.product.database is None or leg.recorded("expanded", inputs, instance):
        return
    heads = leg.tools.database.revision(instance)
    revisions = replace(_revisions(leg, cut, cut.product.database), rehearsed=limits(leg.tools.ledger, leg.release))
    asked = _Asked(leg, revisions)
    if asked.has(instance, heads):
        there = {"before": list(heads), "after": list(heads), "wanted": list(asked.wanted)}
        leg.record("expanded", inputs, {**there, **approved}, subject=instance)
        return
    must_be_unfrozen(leg, cut.product, "stage" if instance == STAGE else "production")
    sql = _read(leg, heads, revisions)
    need = need_of(sql) if instance != STAGE else None
    found = interruption(leg, cut.product, instance, need) if need else None
    must_be_migratable(leg, cut.product, instance, limited=found)
    ran = {"sql": keep_printed(leg.tools, Printed(sql.encode()))} if heads else {}
    begun = leg.record("expanding", inputs, {"before": list(heads), **ran, **approved}, subject=instance)
    with limited(leg, cut.product, found):
        done = leg.tools.database.expand(instance, revisions)
    fact = {**begun.fact, **approved, "after": list(done.after), "log": keep_log(leg.tools, Path(done.log))}
    fact |= {"ran": keep_printed(leg.tools, _run_record(done))} if done.statements else {}
    fact |= {} if instance == STAGE else compared(leg.tools.ledger, leg.release, done.statements)
    leg.record("expanded", inputs, fact, subject=instance)


def _run_record(done: Migrated) -> Printed:
    """Each statement with its time and its lock, and who was in the way, for whoever approves or audits."""
    ran = {"from": done.before, "to": done.after, "statements": done.statements, "blocked_by": done.blocked_by}
    return Printed(json.dumps(ran, ensure_ascii=False, indent=1).encode())


def _read(leg: Leg, heads: tuple[str, ...], revisions: Revisions) -> str:
    """The SQL that expand is about to run; nothing for an empty database, which has no old code."""
    if not heads:
        return ""
    sql = leg.tools.database.render(heads, revisions)
    _must_only_add(sql)
    return sql


def _must_only_add(sql: str) -> None:
    refused = [finding for finding in lint_expand(sql) if finding.severity == "error"]
    if refused:
        raise MigrationRefusedError(refused)


@dataclass(frozen=True)
class _Asked:
    """What a commit asks of databases; the commit itself is asked once."""

    leg: Leg
    revisions: Revisions

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        return self.leg.tools.database.target(self.revisions)

    def has(self, instance: str, heads: tuple[str, ...]) -> bool:
        """Whether the database was at the commit's revisions before: it is expanded for it, and perhaps for more by a
        release that was given up. Expand only adds, and stage proves every version on what is there.
        """
        history = [entry for entry in changes_of(self.leg.tools.ledger, instance) if "after" in entry.fact]
        if not history or set(history[-1].fact["after"]) != set(heads):
            return False  # it is elsewhere than we left it: a backup was restored, or somebody else migrates
        return any({*self.wanted} <= {*entry.fact["before"], *entry.fact["after"]} for entry in history)


def _states(leg: Leg, revisions: Revisions, instances: Iterable[str]) -> list[tuple[str, ...]]:
    """The states of those databases in which something would run, each once, sorted. An empty one has no old code that
    could break, and no rows to wait for.
    """
    return sorted(set(_behind(leg, revisions, instances).values()))


def _behind(leg: Leg, revisions: Revisions, instances: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Those databases with the heads that each has."""
    asked = _Asked(leg, revisions)
    heads = {instance: leg.tools.database.revision(instance) for instance in sorted(instances)}
    return {instance: at for instance, at in heads.items() if at and not asked.has(instance, at)}


def _versions(leg: Leg, cut: Cut, artifact: Artifact, instances: list[str]) -> tuple[Version, ...]:
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


def _revisions(leg: Leg, cut: Cut, database: Database) -> Revisions:
    return Revisions(database, leg.export("migrations", cut.commit.commit), leg.folder("migrations"))
