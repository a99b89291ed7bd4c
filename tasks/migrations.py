"""Schema changes: what expand would run is read before it runs, then each database is brought to it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from stationmaster.blocks.approving import must_be_approved
from stationmaster.blocks.compatible import changes_of
from stationmaster.blocks.database import Migrated, Revisions
from stationmaster.blocks.kept import keep_log, keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_estimates import compared, limits
from stationmaster.blocks.migration_trials import Version, tried, versions_on
from stationmaster.blocks.openness import must_be_migratable, must_be_unfrozen
from stationmaster.blocks.secrecy import mask_of
from stationmaster.blocks.superseding import proved_in_stage
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.migration_rehearsal import Estimate
from stationmaster.domain.migration_rehearsal import Finding as RehearsalFinding
from stationmaster.domain.migrations import Finding, lint_expand
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
    for instance in sorted(database.databases):
        heads = database.revision(instance)
        if not heads or _passed(leg, instance, revisions):
            continue  # an empty database has no old code; one that is there already has nothing to run
        _must_only_add(database.render(heads, revisions))


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
    behind = {one: leg.tools.database.revision(one) for one in _behind(leg, revisions)}
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


@act("expand", timeout=3600, shown="expand {instance}")
def expand(leg: Leg, cut: Cut, instance: str) -> None:
    """Bring one instance's database to the expanded schema. Where it was is recorded first: a process that dies between
    the migration and its record leaves no other trace of it. What runs is read here too, since a database may have
    moved since it was linted; it and what it printed are kept.
    """
    approved = {} if instance == STAGE else must_be_approved(leg, cut)
    inputs = {"commit": cut.commit.commit}
    if cut.product.database is None or leg.recorded("expanded", inputs, instance):
        return
    heads = list(leg.tools.database.revision(instance))
    revisions = replace(_revisions(leg, cut, cut.product.database), rehearsed=limits(leg.tools.ledger, leg.release))
    if _passed(leg, instance, revisions):
        leg.record("expanded", inputs, {"before": heads, "after": heads, **approved}, subject=instance)
        return
    must_be_unfrozen(leg, cut.product, "stage" if instance == STAGE else "production")
    must_be_migratable(leg, cut.product, instance)
    ran = _read(leg, heads, revisions)
    begun = leg.record("expanding", inputs, {"before": heads, **ran, **approved}, subject=instance)
    done = leg.tools.database.expand(instance, revisions)
    fact = {**begun.fact, **approved, "after": list(done.after), "log": keep_log(leg.tools, Path(done.log))}
    fact |= {"ran": keep_printed(leg.tools, _run_record(done))} if done.statements else {}
    fact |= {} if instance == STAGE else compared(leg.tools.ledger, leg.release, done.statements)
    leg.record("expanded", inputs, fact, subject=instance)


def _run_record(done: Migrated) -> Printed:
    """Each statement with its time and its lock, and who was in the way, for whoever approves or audits."""
    ran = {"from": done.before, "to": done.after, "statements": done.statements, "blocked_by": done.blocked_by}
    return Printed(json.dumps(ran, ensure_ascii=False, indent=1).encode())


def _read(leg: Leg, heads: list[str], revisions: Revisions) -> dict[str, Any]:
    """Digest of the SQL that expand is about to run, kept; nothing for an empty database, which has no old code."""
    if not heads:
        return {}
    sql = leg.tools.database.render(tuple(heads), revisions)
    _must_only_add(sql)
    return {"sql": keep_printed(leg.tools, Printed(sql.encode()))}


def _must_only_add(sql: str) -> None:
    refused = [finding for finding in lint_expand(sql) if finding.severity == "error"]
    if refused:
        raise MigrationRefusedError(refused)


def _passed(leg: Leg, instance: str, revisions: Revisions) -> bool:
    """Whether the database was at the commit's revisions before: it is expanded for it, and perhaps for more by a
    release that was given up. Expand only adds, and stage proves every version on what is there.
    """
    history = [entry for entry in changes_of(leg.tools.ledger, instance) if "after" in entry.fact]
    if history and set(history[-1].fact["after"]) != set(leg.tools.database.revision(instance)):
        return False  # it is elsewhere than we left it: a backup was restored, or somebody else migrates
    wanted = set(leg.tools.database.target(revisions)) if history else set()
    return any(wanted <= {*entry.fact["before"], *entry.fact["after"]} for entry in history)


def _behind(leg: Leg, revisions: Revisions) -> list[str]:
    """The databases of production in which something would run; an empty one has no rows to wait for."""
    known = [instance for instance in sorted(leg.tools.database.databases) if instance != STAGE]
    return [one for one in known if leg.tools.database.revision(one) and not _passed(leg, one, revisions)]


def _versions(leg: Leg, cut: Cut, artifact: Artifact, instances: list[str]) -> tuple[Version, ...]:
    asked = cut.product.database and cut.product.database.rehearsal
    return versions_on(leg, cut, artifact, instances) if asked and asked.journeys else ()


def _rehearsed(
    leg: Leg, cut: Cut, revisions: Revisions, state: tuple[str, ...], versions: tuple[Version, ...]
) -> Estimate:
    return leg.tools.database.rehearse(
        revisions, state, _copy(leg), leg.tools.now(), lambda url: tried(leg, cut.product.stage_tenant, versions, url)
    )


def _copy(leg: Leg) -> str:
    return f"stm_rehearsal_{leg.release}".replace("-", "_")


def _masked(leg: Leg, estimate: Estimate) -> dict[str, Any]:
    """As the ledger may have it for ever: a revision's text quotes no secret of ours."""
    fact: dict[str, Any] = json.loads(mask_of(leg.tools).text(json.dumps(estimate.fact())))
    return fact


def _revisions(leg: Leg, cut: Cut, database: Database) -> Revisions:
    return Revisions(database, leg.export("migrations", cut.commit.commit), leg.folder("migrations"))
