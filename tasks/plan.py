"""The plan: which tenants receive the release, in which waves, and why."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from stationmaster.blocks.agendas import agenda_of
from stationmaster.blocks.carried import contains
from stationmaster.blocks.consents import unapproved
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.migration_estimates import planned_schema
from stationmaster.blocks.openness import arrived
from stationmaster.blocks.superseding import must_take_back_nobody, superseded
from stationmaster.domain.agenda import Agenda
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.consent import Standing
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.plan import Place, Plan, begun, first_planned, outdated, plan
from stationmaster.domain.skipping import skipped_tenants
from stationmaster.domain.tenants import Directory
from stationmaster.tasks import act

_CHANGED = {
    "digest": "the artifact is another one",
    "consents": "a tenant's own approval stands otherwise",
    "left_out": "other tenants are left out",
    "places": "the tenant directory changed",
    "slot": "a wave takes another time",
    "calendars": "a calendar changed",
    "tzdata": "the data of time zones changed",
}


@act("plan", timeout=120)
def make_plan(leg: Leg, cut: Cut, artifact: Artifact) -> Plan:
    """A later leg follows the recorded waves while what decided them is the same. A tenant that came, went, moved or
    was left out since, another calendar, other zone data, or a slot that passed unused means a new plan for all who do
    not have the release yet.
    """
    leg.go_on(even_paused=True)
    directory, running = leg.tools.tenants.read(cut.product), leg.tools.ledger.running()
    out, at = {**_newer(leg, cut, running), **_skipped(leg)}, leg.tools.now()
    asked = {t: one for t, one in unapproved(leg, directory.tenants, running).items() if t not in out}
    left_out: dict[str, tuple[Place, str]] = {t: ("unapproved", one.reason) for t, one in asked.items()} | out
    when = agenda_of(leg.tools.tenants, directory, cut.product)
    basis = _basis(artifact, directory, left_out, when) | _consents(asked)
    mine = {tenant for tenant in running if arrived(leg, running, tenant)}
    earlier = [entry for entry in leg.tools.ledger.entries(leg.release) if entry.step == "planned"]
    if earlier and _stands(earlier[-1], basis, mine, at):
        return Plan.from_fact(earlier[-1].fact)
    made = plan(
        cut.product, directory, {tenant: entry.fact["digest"] for tenant, entry in running.items()}, artifact.digest,
        agenda=when, at=at, sent=first_planned(earlier), left_out=left_out,
        begun=begun(earlier, mine),
        behind=_behind(leg, cut, directory, running),
    )  # fmt: skip
    fact = {**made.fact(), "basis": basis, "why": _why(earlier, basis), **_awaited(asked)}
    fact |= planned_schema(leg, cut.product)
    must_take_back_nobody(leg, cut, [tenant for wave in made.waves for tenant in wave.tenants])
    leg.record("planned", {"basis": basis, "at": instant(at)}, fact)
    return made


def _behind(leg: Leg, cut: Cut, directory: Directory, running: Mapping[str, Entry]) -> dict[str, int]:
    """How many versions each pinned tenant is behind when this release is through: those that run elsewhere and contain
    what it runs, and this one.
    """
    others = {str(entry.fact["commit"]) for entry in running.values()} | {cut.commit.commit}
    pinned = [one.id for one in directory.tenants if one.pinned and one.id in running]
    here = {tenant: str(running[tenant].fact["commit"]) for tenant in pinned}
    source = leg.tools.source
    return {
        tenant: sum(contains(source, other, commit) for other in others - {commit}) for tenant, commit in here.items()
    }


def _basis(
    artifact: Artifact, directory: Directory, left_out: Mapping[str, tuple[Place, str]], when: Agenda
) -> dict[str, Any]:
    """What a plan follows from, beside the instant at which it was made."""
    places = [[one.id, one.ring, one.instance, one.pinned, one.notice_days] for one in directory.tenants]
    left = sorted(left_out)
    return {"digest": artifact.digest, "places": digest(canonical(places)), "left_out": left, **when.facts()}


def _consents(asked: Mapping[str, Standing]) -> dict[str, Any]:
    """What tenants whose contract asks for it said; nothing where nobody is left out for it, as older plans have it."""
    return {"consents": {tenant: one.state for tenant, one in sorted(asked.items())}} if asked else {}


def _awaited(asked: Mapping[str, Standing]) -> dict[str, Any]:
    """Whose answer may still come, and until when: whoever wakes the release reads it here."""
    ends = {tenant: instant(one.until) for tenant, one in sorted(asked.items()) if one.state == "asked"}
    return {"awaited": ends} if ends else {}


def _stands(planned: Entry, basis: dict[str, Any], mine: Collection[str], at: datetime) -> bool:
    same = planned.fact.get("basis") == basis
    return same and not outdated(Plan.from_fact(planned.fact), mine, datetime.fromisoformat(planned.at), at)


def _why(earlier: Sequence[Entry], basis: dict[str, Any]) -> str | None:
    """Why it is planned anew, in words."""
    if not earlier:
        return None
    before = earlier[-1].fact.get("basis") or {}
    for key, said in _CHANGED.items():
        if before.get(key) != basis.get(key):
            return said
    return "a slot passed that nobody used"


def _skipped(leg: Leg) -> dict[str, tuple[Place, str]]:
    """Whom a person left out."""
    skipped = skipped_tenants(leg.tools.ledger.entries(leg.release))
    return {tenant: ("skipped", f"is left out by a person: {reason}") for tenant, reason in skipped.items()}


def _newer(leg: Leg, cut: Cut, running: dict[str, Entry]) -> dict[str, tuple[Place, str]]:
    """Who is on something newer, and is never taken back: where a newer release supersedes this one, and of a hotfix
    who runs what it does not contain, since it mends its version.
    """
    if leg.request.kind != "hotfix":
        newer, why = superseded(leg, cut), "which contains this release"
    else:
        commits = {str(entry.fact["commit"]) for entry in running.values()}
        lacks = {one for one in commits if not contains(leg.tools.source, cut.commit.commit, one)}
        newer = {tenant: entry for tenant, entry in running.items() if entry.fact["commit"] in lacks}
        why = "which this hotfix does not contain"
    return {t: ("newer", f"runs {entry.fact['version']} of {entry.release}, {why}") for t, entry in newer.items()}
