"""One ledger on each database: what holds for one must hold for the other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stationmaster.ledger.store import Ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    create: Callable[[], str] = request.getfixturevalue("postgres").create
    return create()


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    with Ledger.open(address) as opened:
        yield opened
