"""Schema changes: what expand would run is read before it runs, then each database is brought to it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stationmaster.blocks.approving import must_be_approved
from stationmaster.blocks.compatible import changes_of
from stationmaster.blocks.database import Migrated, Revisions
from stationmaster.blocks.expanding import expand_together, must_all_be_expanded, together
from stationmaster.blocks.homes import databases_of, every_database
from stationmaster.blocks.kept import keep_log, keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_estimates import compared, limits
from stationmaster.blocks.openness import must_be_migratable, must_be_unfrozen
from stationmaster.blocks.secrecy import mask_of
from stationmaster.blocks.superseding import proved_in_stage
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.homes import recorded_as
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
    for instance in every_database(leg.tools, cut.product):
        heads = database.revision(instance)
        if not heads or _passed(leg, instance, revisions):
            continue  # an empty database has no old code; one that is there already has nothing to run
        _must_only_add(database.render(heads, revisions))


@act("rehearse", timeout=8 * 3600)
def rehearse(leg: Leg, cut: Cut) -> None:
    """Before stage gets a schema change: on a copy of production's size, up, down and up again, from each state that a
    database of production is in. What the copy says is what the approvers are told to expect.
    """
    database = cut.product.database
    if database is None or database.rehearsal is None or proved_in_stage(leg):
        return
    revisions = _revisions(leg, cut, database)
    states = sorted({leg.tools.database.revision(one) for one in _behind(leg, cut, revisions)})
    inputs = {"commit": cut.commit.commit, "from": [list(state) for state in states]}
    if not states or leg.recorded("rehearsed", inputs):
        return
    found = [leg.tools.database.rehearse(revisions, state, _copy(leg), leg.tools.now()) for state in states]
    report = keep_printed(leg.tools, Printed(json.dumps([one.record() for one in found], indent=1).encode()))
    if failed := [finding for one in found for finding in one.findings]:
        raise RehearsalFailedError(failed, report)
    leg.record("rehearsed", inputs, {"estimates": [_masked(leg, one) for one in found], "report": report})


@act("expand", timeout=3600, shown="expand {instance}")
def expand(leg: Leg, cut: Cut, instance: str, tenants: Collection[str] = ()) -> None:
    """Bring an instance's database to the expanded schema, or, where each tenant has its own, those of the tenants.

    Where each was is recorded first: a process that dies between the migration and its record leaves no other trace of
    it. What runs is read here too, since a database may have moved since it was linted; it and what it printed are
    kept.
    """
    approved = {} if instance == STAGE else must_be_approved(leg, cut)
    inputs = {"commit": cut.commit.commit}
    if cut.product.database is None:
        return
    found = databases_of(leg.tools, cut.product, instance, tenants)
    left = [one for one in found if not leg.recorded("expanded", inputs, recorded_as(one))]
    if not left:
        return
    heads = {one: leg.tools.database.revision(one) for one in left}
    revisions = replace(_revisions(leg, cut, cut.product.database), rehearsed=limits(leg.tools.ledger, leg.release))
    for one in [one for one in heads if _passed(leg, one, revisions)]:
        there = list(heads.pop(one))
        fact = {"before": there, "after": there, **_whose(found[one]), **approved}
        leg.record("expanded", inputs, fact, subject=recorded_as(one))
    if not heads:
        return
    must_be_unfrozen(leg, cut.product, "stage" if instance == STAGE else "production")
    must_be_migratable(leg, cut.product, instance, tenants=[who for one in heads if (who := found[one])])
    facts = {
        one: {"before": list(at), **_whose(found[one]), **_read(leg, list(at), revisions)} for one, at in heads.items()
    }
    for some in together(list(heads), cut.product.database):
        begun = {
            one: leg.record("expanding", inputs, {**facts[one], **approved}, subject=recorded_as(one)) for one in some
        }
        _expand(leg, inputs, {one: {**entry.fact, **approved} for one, entry in begun.items()}, revisions)


def _expand(leg: Leg, inputs: dict[str, str], facts: Mapping[str, dict[str, Any]], revisions: Revisions) -> None:
    """Several databases, side by side. What failed keeps nobody's record from being made, and is raised then."""
    ended = expand_together(leg.tools.database, list(facts), revisions)
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
    history = [entry for entry in changes_of(leg.tools.ledger, recorded_as(instance)) if "after" in entry.fact]
    if history and set(history[-1].fact["after"]) != set(leg.tools.database.revision(instance)):
        return False  # it is elsewhere than we left it: a backup was restored, or somebody else migrates
    wanted = set(leg.tools.database.target(revisions)) if history else set()
    return any(wanted <= {*entry.fact["before"], *entry.fact["after"]} for entry in history)


def _behind(leg: Leg, cut: Cut, revisions: Revisions) -> list[str]:
    """The databases of production in which something would run; an empty one has no rows to wait for."""
    known = [one for one in every_database(leg.tools, cut.product) if recorded_as(one) != STAGE]
    return [one for one in known if leg.tools.database.revision(one) and not _passed(leg, one, revisions)]


def _copy(leg: Leg) -> str:
    return f"stm_rehearsal_{leg.release}".replace("-", "_")


def _masked(leg: Leg, estimate: Estimate) -> dict[str, Any]:
    """As the ledger may have it for ever: a revision's text quotes no secret of ours."""
    fact: dict[str, Any] = json.loads(mask_of(leg.tools).text(json.dumps(estimate.fact())))
    return fact


def _revisions(leg: Leg, cut: Cut, database: Database) -> Revisions:
    return Revisions(database, leg.export("migrations", cut.commit.commit), leg.folder("migrations"))
