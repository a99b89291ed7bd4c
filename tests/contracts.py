"""Releases of `shop` that bring a contract, as tests of it begin."""

from datetime import timedelta

from tests.shop import PRODUCT
from tests.world import World

SAYS = PRODUCT.replace(
    "{migrations: migrations}", "{migrations: migrations, contract: {min_age: 1d, way_back: give_up}}"
)
KEEPS = SAYS.replace("way_back: give_up", "way_back: keep")
FILES = {"migrations/contract_head": "c2", "migrations/contract.sql": "ALTER TABLE orders DROP COLUMN total;"}
DAY = timedelta(days=1)


def released(world: World) -> None:
    """Version 2 brings a contract, and runs for everybody since a day."""
    world.commit("v2", product=SAYS, more=FILES)
    world.release()
    world.clock.at += DAY


def signed(world: World) -> None:
    """Somebody wanted its contract, and somebody else signed it."""
    assert world.contract().name == "WaitingForApproval"
    world.approve_contract()


def conditions(world: World, release: str = "r2") -> dict[tuple[str, str], str]:
    """What the last wait names as not met, by database and condition."""
    told = world.last("waiting", release).fact.get("contract", [])
    assert not any(one["met"] for one in told), "what is met is not written again with each wait"
    return {(one["instance"], one["name"]): one["reason"] for one in told}
