"""What every flag store must do. A test class inherits and gives `world`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.flag_store import FlagFileError

FLAGS = '{"flags": {"minor-units": {"state": "ENABLED"}}}\n'


@dataclass(frozen=True)
class World:
    """A flag store, and how an instance of the product sees what is in force (None before the first publication)."""

    flags: Any
    seen: Callable[[], str | None]


class FlagStoreConformance:
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        raise NotImplementedError

    def test_what_is_published_is_seen(self, world: World) -> None:
        world.flags.publish(FLAGS, "flags.json")
        assert world.seen() == FLAGS
        world.flags.publish('{"flags": {}}', "flags.json")
        assert world.seen() == '{"flags": {}}'

    def test_publishing_again_changes_nothing(self, world: World) -> None:
        for _ in range(2):
            world.flags.publish(FLAGS, "flags.json")
        assert world.seen() == FLAGS

    @pytest.mark.parametrize(
        ("text", "line"),
        [("", 1), ('{\n"flags": {,}\n}', 2), ("[]", None), ('"flags"', None), ("{}", None), ('{"flags": []}', None)],
    )
    def test_what_is_no_flag_file_is_named_and_leaves_the_flags_in_force(
        self, world: World, text: str, line: int | None
    ) -> None:
        world.flags.publish(FLAGS, "flags.json")
        with pytest.raises(FlagFileError) as caught:
            world.flags.publish(text, "deploy/flags.json")
        assert (caught.value.file, caught.value.line) == ("deploy/flags.json", line)
        assert world.seen() == FLAGS
