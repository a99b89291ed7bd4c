"""What a release would change since what runs: read from git, the tenant directory and the ledger; nothing is run."""

from datetime import timedelta
from typing import Any

from stationmaster.blocks import carried
from stationmaster.blocks.agendas import agenda_of
from stationmaster.blocks.migration_estimates import outlook
from stationmaster.blocks.owing import Opened, said
from stationmaster.cli.output import table
from stationmaster.cli.person import now
from stationmaster.cli.preview_modes import interruptions
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.documents import read
from stationmaster.domain.duration import instant
from stationmaster.domain.freeze import FREEZES, in_force, touchable
from stationmaster.domain.interruption import Interruption
from stationmaster.domain.migration_outlook import NOT_REHEARSED, ways_back
from stationmaster.domain.plan import Place, plan
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Consent
from stationmaster.domain.ways_out import Restore
from stationmaster.ledger.store import Ledger

_UNBUILT = "sha256:" + "0" * 64  # no tenant can run what is not built


def preview(product: str | None, ref: str) -> dict[str, Any]:
    """Commit, changes with authors, migrations, flags, waves and closed windows of a release of `ref`."""
    name = product or only_product()
    source = recall("source", name)
    commit = source.resolve(ref)
    config = read(Product, source.read(commit.commit, "stationmaster.yaml"), "stationmaster.yaml").value
    with open_ledger(name) as ledger:
        running, freezes = ledger.running(), in_force(ledger.latest(FREEZES), now())
        schema = _schema(ledger, config, commit.commit) if config.database else []
        owed = said(Opened(ledger, source, recall("signer", name), now), config)
    before = tuple(sorted({entry.fact["commit"] for entry in running.values()}))
    directory = recall("tenants", name).read(config)
    unmoved = {tenant: _UNBUILT for tenant, entry in running.items() if entry.fact["commit"] == commit.commit}
    newer = {one for one in before if one != commit.commit and carried.contains(source, one, commit.commit)}
    left_out: dict[str, tuple[Place, str]] = {
        tenant: ("newer", f"runs {entry.fact['version']}, which contains {commit.version}")
        for tenant, entry in running.items()
        if entry.fact["commit"] in newer
    }
    for tenant in directory.tenants:
        if tenant.approval is not None and tenant.pinned is None and tenant.id not in {*unmoved, *left_out}:
            left_out[tenant.id] = ("unapproved", _asked(tenant.approval))
    when = agenda_of(recall("tenants", name), directory, config)
    made = plan(config, directory, unmoved, _UNBUILT, agenda=when, at=now(), left_out=left_out)
    added = list(carried.added(source, before, commit.commit, config.database.migrations)) if config.database else []
    limits, unknown = interruptions(source, config, commit.commit, directory, when) if added else ([], None)
    answers = {tenant.id: touchable(tenant, when, freezes, now()) for tenant in directory.tenants}
    return {
        "product": name,
        "version": commit.version,
        "commit": commit.commit,
        "since": list(before),
        "changes": [change.model_dump() for change in carried.changes(source, before, commit.commit)],
        "fragments": list(carried.added(source, before, commit.commit, config.changes)),
        "migrations": added,
        "modes": [one.fact() for one in limits],
        "modes_unknown": unknown,
        "schema": schema,
        "flags_change": bool(config.flags and any(source.differs(old, commit.commit, config.flags) for old in before)),
        "waves": made.fact()["waves"],
        "left_out": {one.tenant: one.reason for one in made.placements if one.place != "wave"},
        "windows_closed": {name: answer.reason for name, answer in answers.items() if not answer.open},
        "owed": owed,
        "approvals": config.rules.quorum("manual"),
    }


def _schema(ledger: Ledger, config: Product, commit: str) -> list[str]:
    """What the rehearsal of a release of the same commit said, the newest first; else what one will."""
    same = {one.release for one in ledger.every("cut") if one.fact["commit"] == commit}
    known = [one.release for one in ledger.every("rehearsed") if one.release in same]
    if known:
        return outlook(ledger, known[-1])
    asked = config.database.rehearsal if config.database else None
    rows = ", ".join(f"{count:,} rows of {table}" for table, count in asked.rows.items()) if asked else ""
    if asked is None:
        return [f"{NOT_REHEARSED}: database.rehearsal is not declared", *ways_back((), _restore(config))]
    return [f"not rehearsed yet: the release tries it on {rows or 'a dump'} first"]


def _restore(config: Product) -> Restore | None:
    return config.database.restore if config.database else None


def _asked(consent: Consent) -> str:
    """What comes before a tenant receives a release, by its contract."""
    silence = {"skip": "leaves it out", "go": "lets it come"}[consent.default]
    until = instant(now() + timedelta(seconds=consent.within))
    return f"is asked for its approval first; silence until {until} {silence}, if it were asked now"


def shown(found: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"{found['product']} {found['version']}  {found['commit'][:12]}", ""]
    rows = [(c["commit"][:12], c["subject"], c["authors"][0].split(" <")[0]) for c in found["changes"]]
    lines += [table(["change", "what", "who"], rows) if rows else "nothing changed since what runs", ""]
    lines += [f"migration   {path}" for path in found["migrations"]]
    lines += [f"limits      {Interruption.read(one)}" for one in found["modes"]]
    lines += [f"limits      not known: {found['modes_unknown']}"] if found["modes_unknown"] else []
    lines += [f"schema      {line}" for line in found["schema"]] if found["migrations"] else []
    lines += ["flags       change"] if found["flags_change"] else []
    lines += [f"wave        {wave['name']}: {', '.join(wave['tenants'])}  {_slot(wave)}" for wave in found["waves"]]
    lines += [f"left out    {tenant}: {reason}" for tenant, reason in found["left_out"].items()]
    lines += [f"closed      {tenant}: {reason}" for tenant, reason in found["windows_closed"].items()]
    lines += [f"owed        {text}" for text in found["owed"]]
    lines += ["missing     no change fragment says what changes"] if not found["fragments"] else []
    lines += [f"missing     {count} approval by a {role}" for role, count in found["approvals"].items()]
    return "\n".join(lines)


def _slot(wave: dict[str, Any]) -> str:
    return f"from {wave['start']}" if wave["start"] else "without a slot"
