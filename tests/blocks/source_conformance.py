"""What every source must do, the real one and the fake alike. A test class inherits and gives `world`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.source import UnknownRefError
from stationmaster.domain.errors import InputError

FIRST = {"app.py": "1\n", "changes/one.md": "first\n"}
SECOND = {**FIRST, "app.py": "2\n", "changes/two.md": "second\n"}


@dataclass(frozen=True)
class World:
    """A source with two commits: FIRST is tagged v1.0.0, SECOND is v1.1.0 and the head of main."""

    source: Any
    first: str
    second: str


class SourceConformance:
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        raise NotImplementedError

    @pytest.mark.parametrize("ref", ["main", "v1.1.0"])
    def test_branch_and_tag_name_a_commit(self, world: World, ref: str) -> None:
        found = world.source.resolve(ref)
        assert (found.commit, found.version) == (world.second, "1.1.0")
        assert found.authors

    def test_an_id_names_itself(self, world: World) -> None:
        found = world.source.resolve(world.first)
        assert (found.commit, found.version) == (world.first, "1.0.0")

    def test_an_unknown_ref_is_refused_with_the_nearest(self, world: World) -> None:
        with pytest.raises(UnknownRefError) as caught:
            world.source.resolve("mian")
        assert "'mian'" in caught.value.message
        assert caught.value.hint == "did you mean 'main'?"

    def test_changes_are_those_that_are_not_there_yet(self, world: World) -> None:
        assert [one.commit for one in world.source.changes((world.first,), world.second)] == [world.second]
        assert [one.commit for one in world.source.changes((), world.second)] == [world.first, world.second]
        assert world.source.changes((world.first, world.second), world.second) == ()

    def test_what_was_merged_is_told_in_its_order(self, world: World) -> None:
        assert [one.commit for one in world.source.merged((), world.second)] == [world.first, world.second]
        (last,) = world.source.merged((world.first,), world.second)
        assert (last.commit, last.names, last.reverts) == (world.second, {world.second}, frozenset())
        assert last.at >= world.source.merged((), world.second)[0].at
        assert world.source.merged((world.second,), world.first) == ()

    def test_added_files_are_those_of_the_folder_that_are_new(self, world: World) -> None:
        assert world.source.added((world.first,), world.second, "changes") == ("changes/two.md",)
        assert world.source.added((), world.second, "changes") == ("changes/one.md", "changes/two.md")
        assert world.source.added((), world.second, "nothing") == ()

    def test_added_lines_are_those_that_are_in_none_of_the_others(self, world: World) -> None:
        one, two = frozenset({1}), {"app.py": frozenset({1}), "changes/two.md": frozenset({1})}
        assert world.source.additions((world.first,), world.second) == two
        assert world.source.additions((), world.second) == {**two, "changes/one.md": one}
        assert world.source.additions((world.first, world.second), world.second) == {}
        assert world.source.additions((world.second,), world.first) == {"app.py": one}

    def test_a_file_is_read_as_it_was(self, world: World) -> None:
        assert world.source.read(world.first, "app.py") == "1\n"
        assert world.source.read(world.second, "app.py") == "2\n"

    @pytest.mark.parametrize("path", ["nothing.yaml", "changes"])
    def test_what_is_no_file_is_named(self, world: World, path: str) -> None:
        with pytest.raises(InputError) as caught:
            world.source.read(world.first, path)
        assert caught.value.file == path

    def test_files_differ_or_not(self, world: World) -> None:
        assert world.source.differs(world.first, world.second, "app.py")
        assert world.source.differs(world.first, world.second, "changes/two.md")
        assert not world.source.differs(world.first, world.second, "changes/one.md")
        assert not world.source.differs(world.first, world.second, "nothing")

    def test_an_export_is_the_files_of_the_commit(self, world: World, tmp_path: Path) -> None:
        into = tmp_path / "some" / "export"
        world.source.export(world.first, into)
        found = {str(path.relative_to(into)): path.read_text() for path in into.rglob("*") if path.is_file()}
        assert found == FIRST
