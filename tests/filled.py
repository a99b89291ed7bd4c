"""Releases of `shop` that bring a backfill, as tests of it begin."""

from tests.world import World

FILE = """\
backfills:
  - name: totals
    revision: r2
    table: orders
    key: id
    tenant: tenant_id
    set: total_minor = total * 100
    todo: total_minor IS NULL
"""
ROWS = {"cloud": {"acme": 30, "birch": 20, "long-gone": 1}, "cedar": {"cedar": 5}, "stage": {"stage-probe": 1}}
JOBS = ["cloud/totals", "cedar/totals"]


def declare(world: World, version: str = "v2", file: str = FILE, **more: str) -> None:
    """A version that declares a backfill, and a database with rows that it has to fill in."""
    world.commit(version, more={"backfills.yaml": file, **more})
    world.database.engine.rows = {name: dict(rows) for name, rows in ROWS.items()}


def filled(world: World, database: str | None = None) -> list[str]:
    """Whose rows were filled in in production, in order."""
    did = [one for one in world.database.engine.did if one[0] == "filled" and one[1] != "stage"]
    return [one[3] for one in did if database in {None, one[1]}]


def states(world: World, database: str = "cloud") -> dict[str, str]:
    """Tenant to the state that the database knows."""
    found = world.database.engine.jobs.get((database, "totals"), {})
    return {tenant: one.state for tenant, one in found.items()}
