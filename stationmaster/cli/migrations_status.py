"""`migrations status`: at which revision databases and tenants are, what is pending, and what is left broken."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stationmaster.cli.migrations_given import Names, Tenancy, address_of, folder_of, jobs_of, rings_of
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.domain.errors import Exit
from stationmaster.domain.migration_tenants import address

if TYPE_CHECKING:
    from stationmaster.blocks.migration_state import Broken
    from stationmaster.blocks.migration_versions import Heads
    from stationmaster.domain.migration_tenants import Rings

Found = list[tuple[str | None, str, "Heads"]]  # ring, tenant, heads


def status(
    *,
    database: str = "env:DATABASE_URL",
    path: Path | None = None,
    target: str | None = None,
    tenancy: Tenancy = "shared",
    schema: Names = None,
    tenants: Path | None = None,
    json: Flag = False,
) -> int:
    """Say at which revision a database or each tenant is, what is pending, and what a run that ended badly left.

    It changes nothing and waits for nobody. Exit codes: 0 everything is at the target and whole, 1 something is pending
    or broken. Without --path nothing is known to be pending.

    Parameters
    ----------
    database
        Its address, or env:NAME for one that a variable holds, password and all.
    path
        Alembic's folder, to know what is pending.
    target
        A revision, or a branch as expand@head; as `migrations run` takes it.
    tenancy
        shared: one schema for all. schema, database: each tenant has its own.
    schema
        Names or patterns as tenant_*; with --tenants one name with {tenant} in it.
    tenants
        The tenant directory (tenants.yaml).
    json
        One object on standard output.
    """
    url, folder = address_of(database), folder_of(path) if path else None
    rings = rings_of(tenancy, url, tenants, schema)
    found, left = _seen(url, rings, tenancy)
    with TemporaryDirectory(prefix="stationmaster-") as home:
        record = _record(found, left, _pending(found, folder, target or "", Path(home)), shared=rings is None)
    answer(record, as_json=json, text=_told(record))
    return Exit.NO if record["pending"] or _is_broken(record) else Exit.YES


def _seen(url: str, rings: "Rings | None", tenancy: Tenancy) -> "tuple[Found, list[tuple[str | None, Broken]]]":
    """Heads, and what is broken by the tenant whose database it is; None where all share one."""
    from stationmaster.blocks.migration_state import broken, heads  # noqa: PLC0415 - --help needs no database

    if rings is None:
        return [(None, "", heads(url, [None])[None])], [(None, broken(url))]
    if tenancy == "schema":
        at = heads(url, [job.schema for job in jobs_of(rings)])
        return [(ring, job.tenant, at[job.schema]) for ring, jobs in rings for job in jobs], [(None, broken(url))]
    each = [(ring, job.tenant, address(url, job.tenant)) for ring, jobs in rings for job in jobs]
    return (
        [(ring, tenant, heads(own, [None])[None]) for ring, tenant, own in each],
        [(tenant, broken(own)) for _, tenant, own in each],
    )


def _pending(found: Found, folder: Path | None, target: str, home: Path) -> "tuple[list[str] | None, dict[Heads, Any]]":
    if folder is None:
        return None, {}
    from stationmaster.blocks.migration_state import pending  # noqa: PLC0415 - as above

    return pending(folder, target, {heads for _, _, heads in found}, home)


def _record(
    found: Found,
    left: "list[tuple[str | None, Broken]]",
    known: "tuple[list[str] | None, dict[Heads, Any]]",
    *,
    shared: bool,
) -> dict[str, Any]:
    target, answers = known
    each = [
        {"tenant": tenant, "ring": ring, "revision": ",".join(heads) or None,
         "pending": answers[heads]["pending"] if heads in answers else None,
         "unknown": answers[heads]["unknown"] if heads in answers else []}
        for ring, tenant, heads in found
    ]  # fmt: skip
    every = [name for one in each for name in one["pending"] or ()]
    return {
        "revision": each[0]["revision"] if shared else None,
        "target": ",".join(target) or None if target is not None else None,
        "pending": None if target is None else list(dict.fromkeys(every)),
        "unknown": list(dict.fromkeys(name for one in each for name in one["unknown"])),
        "tenants": [] if shared else each,
        "invalid_indexes": [one for tenant, broken in left for one in _of(tenant, broken.invalid_indexes)],
        "not_valid": [one for tenant, broken in left for one in _of(tenant, broken.not_valid)],
        "interrupted": [one for tenant, broken in left for one in _of(tenant, broken.interrupted)],
        "runners": [one for tenant, broken in left if broken.runner for one in _of(tenant, [broken.runner])],
    }  # fmt: skip


def _of(tenant: str | None, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whose it is, where each tenant has a database."""
    return found if tenant is None else [{"tenant": tenant, **one} for one in found]


def _is_broken(record: dict[str, Any]) -> bool:
    return bool(
        record["unknown"] or record["interrupted"] or any(not one["building"] for one in record["invalid_indexes"])
    )


def _told(record: dict[str, Any]) -> str:
    lines = [f"{one['tenant']}: {one['revision'] or 'nothing ran'}{_left(one['pending'])}" for one in record["tenants"]]
    if not record["tenants"]:
        lines = [f"at {record['revision'] or 'nothing: no revision ran'}{_left(record['pending'])}"]
    lines += [f"not in the folder: {name}" for name in record["unknown"]]
    lines += [f"index {one['schema']}.{one['index']} is not valid{' yet' if one['building'] else ''}"
              for one in record["invalid_indexes"]]  # fmt: skip
    lines += [
        f"constraint {one['constraint']} of {one['schema']}.{one['table']} is not validated"
        for one in record["not_valid"]
    ]
    lines += [
        f"revision {one['revision']} was interrupted in {one['schema']}: run it again" for one in record["interrupted"]
    ]
    lines += [f"a runner is at work: pid {one['pid']}, for {one['for_s']} s" for one in record["runners"]]
    return "\n".join(lines)


def _left(pending: list[str] | None) -> str:
    return "" if pending is None else f", pending: {', '.join(pending)}" if pending else ", nothing pending"
