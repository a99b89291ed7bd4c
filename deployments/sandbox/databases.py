"""The databases of a sandbox: one for each instance, and in it or beside it what each tenant has for itself, where the
product says so. What is there stays; what is missing is made.
"""

import hashlib
from pathlib import Path

from stationmaster.deployments import postgres
from stationmaster.deployments.sandbox.repository import Repository
from stationmaster.domain.errors import InputError
from stationmaster.domain.homes import HOLE, Homes
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import STAGE

_LONGEST = 63  # bytes that PostgreSQL keeps of a name


class DatabaseNameError(InputError):
    """A tenant's own database would have a name that PostgreSQL cuts."""

    code = "database_name"


def must_have_names(repository: Repository) -> None:
    """Return if PostgreSQL keeps the whole name of each. Asked before anything is started."""
    for instance in repository.instances:
        for word in _own(repository, instance):
            name = database_of(repository.product, instance).replace(HOLE, word)
            if len(name.encode()) > _LONGEST:
                raise DatabaseNameError(
                    f"PostgreSQL would cut the name of a tenant's database, {name!r}",
                    hint="give the tenant a shorter one in `database` of tenants.yaml",
                )


def create_databases(run: Path, repository: Repository) -> None:
    """All of them, and the empty one beside which checks make theirs."""
    postgres.create_database(run, "scratch")
    for instance in repository.instances:
        name, own = database_of(repository.product, instance), _own(repository, instance)
        if HOLE in name:
            for word in own:
                postgres.create_database(run, name.replace(HOLE, word))
            continue
        postgres.create_database(run, name)
        for word in own:
            postgres.create_schema(run, name, word)


def database_of(product: Product, instance: str) -> str:
    """The name of an instance's database, also where PostgreSQL would cut two long ones to the same; with {tenant} in
    it where each tenant has one.
    """
    name = f"{product.product}_{instance}".replace("-", "_")
    if product.database and product.database.tenancy == "database":
        return f"{name}_{HOLE}"
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: _LONGEST - len(mark) - 1]}_{mark}"


def _own(repository: Repository, instance: str) -> list[str]:
    """What tenants of an instance have there for themselves."""
    product, tenants = repository.product, repository.directory.tenants
    if product.database is None or product.database.home is None:
        return []
    homes = Homes(product.database.home, {one.id: one.database for one in tenants if one.database})
    mine = [product.stage_tenant] if instance == STAGE else [one.id for one in tenants if one.instance == instance]
    return [homes.of(tenant, "").removeprefix(".") for tenant in mine]
