"""Which databases a product has at a moment: by its file, by the database block and by the tenant directory."""

from typing import TYPE_CHECKING

from stationmaster.domain.errors import InputError
from stationmaster.domain.homes import HOLE, Homes
from stationmaster.domain.tenants import SHARED, STAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stationmaster.blocks.database import ProductDatabase
    from stationmaster.blocks.toolbox import Toolbox
    from stationmaster.domain.product import Database, Product


class TenancyError(InputError):
    """The product's file and the database block say different things of how tenants live."""

    code = "tenancy"


def homes_of(tools: "Toolbox", product: "Product") -> Homes:
    """Where each tenant's data is. Where tenants share a database, the directory is not asked.

    Raises:
        TenancyError: an address has {tenant} in it and should not, or the reverse.
    """
    database = product.database
    if database is None:
        return Homes()
    whole = _whole(database, tools.database)
    if database.home is None:
        return Homes()
    words = {one.id: one.database for one in tools.tenants.read().tenants if one.database}
    return Homes(database.home, words, whole)


def every_database(tools: "Toolbox", product: "Product") -> list[str]:
    """Every database of the product, stage's among them, sorted."""
    homes = homes_of(tools, product)
    if homes.template is None:
        return sorted(tools.database.databases)
    mine = {homes.of(one.id, one.instance) for one in tools.tenants.read().tenants}
    return sorted({*mine, homes.of(product.stage_tenant, STAGE)})


def databases_of(
    tools: "Toolbox", product: "Product", instance: str, tenants: "Iterable[str]" = ()
) -> "dict[str, str | None]":
    """What is to be expanded for tenants of an instance: its database, or the own one of each, with whose it is.
    Nothing where each has its own and no tenant is named.
    """
    homes = homes_of(tools, product)
    if homes.template is None:
        return {instance: None}
    if instance == STAGE:
        return {homes.of(product.stage_tenant, STAGE): None}
    return {homes.of(tenant, instance): tenant for tenant in tenants}


def _whole(database: "Database", block: "ProductDatabase") -> frozenset[str]:
    """The instances whose database is one tenant's alone, by an address of its own."""
    holes = {name for name, url in block.databases.items() if HOLE in url.get_secret_value()}
    if database.tenancy != "database":
        for name in sorted(holes):
            raise TenancyError(
                f"the address of {name!r} in the database block has {HOLE} in it, and the product says `tenancy: "
                f"{database.tenancy}`",
                hint="say `database.tenancy: database` in stationmaster.yaml, or mend the block",
            )
        return frozenset()
    if SHARED in block.databases and SHARED not in holes:
        raise TenancyError(
            f"the product says `tenancy: database`, and the address of {SHARED!r} in the database block has no {HOLE}",
            hint=f"write it as postgresql://USER@HOST/shop_{HOLE}",
        )
    return frozenset(set(block.databases) - holes)
