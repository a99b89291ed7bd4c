"""A supervisor for the tests of a module; each test names its units for itself."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack, stack


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with stack() as started:
        yield started
