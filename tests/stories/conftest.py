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
    "test_kill_story",
    "test_machine",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The chapters keep their order; the tests of a chapter may come in any."""
    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted((items[place] for place in places), key=lambda item: CHAPTERS.index(item.path.stem))
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


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
