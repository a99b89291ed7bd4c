"""The versions of the product on a rehearsed copy: each that runs on such a database, that comes to it, or that
somebody may go back to, is started apart from every instance and asked by the journeys that its own commit declares.
"""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stationmaster.blocks.carried import product_at
from stationmaster.blocks.going_back import ran_before_now
from stationmaster.blocks.journeys import run
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.migration_rehearsal import Trial

_AT_ONCE = 2  # processes: a start takes a core


@dataclass(frozen=True)
class Version:
    """An artifact, and the commit whose journeys it must pass."""

    digest: str
    commit: str
    version: str
    needed: bool


def versions_on(leg: Leg, cut: Cut, artifact: Artifact, instances: Collection[str]) -> tuple[Version, ...]:
    """What runs or may run on the databases of the instances: what comes, what is there, then what was before."""
    tools = leg.tools
    tenants = [tenant.id for tenant in tools.tenants.read().tenants if tenant.instance in instances]
    running = tools.ledger.running()
    there = [running[tenant] for tenant in tenants if tenant in running]
    before = [entry for now in there if (entry := ran_before_now(tools.ledger, now))]
    new = Version(artifact.digest, cut.commit.commit, cut.commit.version, needed=True)
    known = [new, *(_of(one, needed=True) for one in there), *(_of(one, needed=False) for one in before)]
    found: dict[str, Version] = {}
    for one in known:
        found.setdefault(one.digest, one)
    return tuple(found.values())


def tried(leg: Leg, tenant: str, versions: Collection[Version], url: str) -> tuple[Trial, ...]:
    """Each version on the database at `url`, in the same order.

    Raises:
        StationmasterError: one that is needed does not start.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(lambda one: _tried(leg, tenant, one, url), versions))


def _tried(leg: Leg, tenant: str, version: Version, url: str) -> Trial:
    try:
        failed = _failures(leg, tenant, version, url)
    except StationmasterError as error:
        if version.needed:
            raise
        failed = (error.message,)
    return Trial(digest=version.digest, version=version.version, needed=version.needed, failed=failed)


def _failures(leg: Leg, tenant: str, version: Version, url: str) -> tuple[str, ...]:
    tools, product = leg.tools, product_at(leg.tools.source, version.commit)
    service, file = product.service, str(tools.artifacts.path(version.digest))
    env = {**tools.secrets.revealed(), "DATABASE_URL": url}
    with tools.target.apart(
        file, version.digest, service.command, env,
        health=service.health, version=service.version, timeout=service.start_timeout,
    ) as endpoint:  # fmt: skip
        found = [run(journey, endpoint, tenant, tools.secrets.journeys) for journey in product.journeys]
    return tuple(f"{one.journey}, {reason}" for one in found for reason in one.reasons)


def _of(entry: Entry, *, needed: bool) -> Version:
    fact = entry.fact
    return Version(str(fact["digest"]), str(fact["commit"]), str(fact["version"]), needed)
