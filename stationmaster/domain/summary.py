"""A release as a page: what is shown of it beside its flow run, as Markdown and as rows. It decides nothing."""

from collections.abc import Iterable, Mapping, Sequence

from stationmaster.domain.backfilled import told
from stationmaster.domain.entries import Entry
from stationmaster.domain.homes import OwnDatabase
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.progress import Standing, standing
from stationmaster.domain.release import Status, status, why
from stationmaster.domain.story import sentence

_LAST = 40  # entries that are told in words
_NAMED = 12  # tenants of a wave that are named
_PLACES = {
    "wave": "wave {}",
    "done": "runs it already",
    "pinned": "pinned",
    "skipped": "left out",
    "newer": "runs newer",
    "unapproved": "not approved by itself",
}


def plan_of(entries: Iterable[Entry]) -> Plan | None:
    """The plan that is followed: the last that was recorded."""
    planned = [entry for entry in entries if entry.step == "planned"]
    return Plan.from_fact(planned[-1].fact) if planned else None


def plan_rows(plan: Plan, running: Mapping[str, Entry]) -> list[dict[str, str]]:
    """One row a tenant, in the order in which they receive the release; those who do not come last."""
    numbers = {tenant: number for number, wave in enumerate(plan.waves, 1) for tenant in wave.tenants}
    slots = {tenant: _slot(wave) for wave in plan.waves for tenant in wave.tenants}
    instances = {t: name for wave in plan.waves for name, tenants in wave.instances.items() for t in tenants}
    placed = sorted(plan.placements, key=lambda one: (numbers.get(one.tenant, len(plan.waves) + 1), one.tenant))
    return [
        {
            "tenant": one.tenant,
            "ring": one.ring,
            "in": _PLACES[one.place].format(numbers.get(one.tenant, "?")),
            "slot": slots.get(one.tenant, ""),
            "instance": instances.get(one.tenant, ""),
            "runs now": str(running[one.tenant].fact["version"]) if one.tenant in running else "nothing",
            "why": one.reason,
        }
        for one in placed
    ]


def schema_rows(own: Mapping[str, OwnDatabase]) -> list[dict[str, str]]:
    """One row a tenant that has a database of its own."""
    return [
        {
            "tenant": tenant,
            "database": one.database,
            "revision": one.revision or "(none)",
            "change": "under way" if one.under_way else "none under way",
        }
        for tenant, one in own.items()
    ]


def percent(plan: Plan, entries: Iterable[Entry]) -> float:
    """How many of the plan's tenants have the release, of 100."""
    last = {entry.subject: entry.step for entry in entries if entry.step in {"deployed", "rolled_back"}}
    tenants = [tenant for wave in plan.waves for tenant in wave.tenants]
    if not tenants:
        return 100.0
    return round(100.0 * sum(last.get(tenant) == "deployed" for tenant in tenants) / len(tenants), 1)


def summary(
    release: str,
    entries: Sequence[Entry],
    running: Mapping[str, Entry],
    *,
    begins: str | None = None,
    owed: Sequence[str] = (),
    schema: Sequence[str] = (),
) -> str:
    """Where the release is, what it waits for and until when, its waves, and what happened, newest first. `begins` is
    a ring whose wave begins now; `owed` is what the product owes from before, `schema` what is to be known of its
    schema change.
    """
    found, plan = status(release, list(entries), dict(running)), plan_of(entries)
    parts = [_head(found), _blocked(found), _owed(owed)]
    if plan:
        parts += ["## Waves", _waves(plan, standing(plan, entries, begins=begins))]
    parts += ["## Schema change", _listed(schema)] if schema else []
    parts += ["## Backfills", _listed(told(found.backfills))] if found.backfills else []
    parts += ["## What happened", _told(entries)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(found: Status) -> str:
    version = f" · version {found.version}" if found.version else ""
    digest = f"\n\nArtifact `{found.digest}`" if found.digest else ""
    return f"# {found.id}\n\n**{found.stage.replace('_', ' ')}**{version} · {found.kind}{digest}"


def _blocked(found: Status) -> str:
    """What it waits for or what stopped it, and the command that helps."""
    if found.trouble is None and found.stage != "rolled_back":
        return ""
    reason = why(found)
    until = f"\n\nUntil **{found.until}**." if found.until else ""
    command = f"\n\n```\n{reason.command}\n```" if reason.command else ""
    return f"{escaped(reason.message)}{until}{command}"


def _owed(owed: Sequence[str]) -> str:
    """What the product owes from before, whoever's release this is."""
    return "\n".join(["## Owed from before", "", *(f"- {escaped(one)}" for one in owed)]) if owed else ""


def _waves(plan: Plan, now: Standing) -> str:
    rows = [
        f"| {number} | {wave.name} | {_slot(wave)} | {now.waves.get(wave.name, 'planned')} | {_named(wave.tenants)} |"
        for number, wave in enumerate(plan.waves, 1)
    ]
    head = ["| wave | ring | slot | state | tenants |", "|---|---|---|---|---|"]
    return "\n".join([escaped(now.said), "", *head, *rows])


def _slot(wave: Wave) -> str:
    """When it is expected to begin."""
    return f"{wave.start:%Y-%m-%d %H:%M} UTC" if wave.start else "none yet"


def _listed(lines: Sequence[str]) -> str:
    """An indented line belongs to the one above."""
    return "\n".join(f"{'  ' * line.startswith('  ')}- {escaped(line.strip())}" for line in lines)


def _told(entries: Sequence[Entry]) -> str:
    lines = [f"- {entry.at} {escaped(sentence(entry))}" for entry in reversed(entries[-_LAST:])]
    more = [f"- and {len(entries) - _LAST} entries before"] if len(entries) > _LAST else []
    return "\n".join([*lines, *more])


def _named(tenants: Sequence[str]) -> str:
    named = ", ".join(tenants[:_NAMED])
    return f"{named} and {len(tenants) - _NAMED} more" if len(tenants) > _NAMED else named


def escaped(text: str) -> str:
    """Text as text: nothing in it becomes markup, a link or a row."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in text).replace("\n", " ")
