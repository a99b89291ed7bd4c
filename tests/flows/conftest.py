from collections.abc import Iterator

import pytest
from prefect.testing.utilities import prefect_test_harness

from tests.world import World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server for all tests of a session that ask; 20 s."""
    with prefect_test_harness(server_startup_timeout=120):
        yield
