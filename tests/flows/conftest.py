from collections.abc import Iterator

import pytest
from prefect.testing.utilities import prefect_test_harness

from tests.contracts import released, signed
from tests.world import Begun, World, begun
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


@pytest.fixture(scope="session")
def released_contract() -> Iterator[Begun]:
    """A world with a release whose contract nobody asked for yet; made once, and begun anew by each test."""
    with begun(released) as one:
        yield one


@pytest.fixture(scope="session")
def signed_contract(released_contract: Begun) -> Iterator[Begun]:
    """The same when its contract is signed."""
    signed(released_contract.again())
    kept = Begun(released_contract.world)
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server for all tests of a session that ask; 20 s."""
    with prefect_test_harness(server_startup_timeout=120):
        yield
