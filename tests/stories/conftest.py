"""One sandbox for all stories: the demo's good release, then whatever they do with it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.sandbox import Sandbox

CHAPTERS = (  # one sandbox: what is released stays released
    "test_good_release",
    "test_broken_release",
    "test_wrong_input",
    "test_server_down",
    "test_mended",
    "test_contracted",
    "test_kill_story",
    "test_machine",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The chapters come last, in their order and in one piece: a test of another module between two of a chapter would
    end what the chapter has set up. The tests of a chapter may come in any order.
    """
    chapters = [item for item in items if item.path.parent == Path(__file__).parent]
    items[:] = [item for item in items if item not in chapters]
    items += sorted(chapters, key=lambda item: CHAPTERS.index(item.path.stem))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory(prefix="stm-home-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Sandbox(Path(folder))
        try:
            done = made.run("demo", "--scenario", "good", "--json", timeout=360)
            assert done.code == 0, done.err
            made.demo = done.json
            yield made
        finally:
            made.run("down", "--delete")
