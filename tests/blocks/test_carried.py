"""What a release brings is what is new to anybody: nothing is lost because one tenant has it already."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks import carried
from stationmaster.blocks.source import GitRepository
from tests.fakes import FakeSource
from tests.repository import Repository


def history(count: int) -> tuple[Any, list[str]]:
    source = FakeSource()
    files: dict[str, str] = {}
    commits = []
    for number in range(count):
        files[f"changes/{number}.md"] = "x"
        commits.append(source.add(f"v{number}", files))
    return source, commits


@given(st.sets(st.integers(0, 5)), st.integers(0, 5))
def test_whatever_runs_the_oldest_decides(running: set[int], until: int) -> None:
    source, commits = history(6)
    since = tuple(commits[number] for number in sorted(running) if number <= until)
    first = min((number for number in running if number <= until), default=-1)
    new = [change.commit for change in carried.changes(source, since, commits[until])]
    assert new == commits[first + 1 : until + 1]
    added = carried.added(source, since, commits[until], "changes")
    assert added == tuple(f"changes/{number}.md" for number in range(first + 1, until + 1))


def test_over_a_history_with_two_lines(tmp_path: Path) -> None:
    """A hotfix runs at one tenant, main at another; the merge is new to both, and each lacks the other's."""
    made = Repository.begin(tmp_path / "code")
    first = made.commit("first", {"changes/first.md": "x"})
    made.git("checkout", "-q", "-b", "hotfix")
    fix = made.commit("fix", {"changes/fix.md": "x"})
    made.git("checkout", "-q", "main")
    feature = made.commit("feature", {"changes/feature.md": "x"})
    made.git("merge", "-q", "--no-edit", "hotfix")
    merge = made.git("rev-parse", "HEAD").strip()
    source = GitRepository(url=str(made.path), mirror=str(tmp_path / "mirror"))
    source.resolve("main")
    new = {change.commit for change in carried.changes(source, (fix, feature), merge)}
    assert new == {fix, feature, merge}
    assert carried.added(source, (fix, feature), merge, "changes") == ("changes/feature.md", "changes/fix.md")
    assert {change.commit for change in carried.changes(source, (), merge)} == {first, fix, feature, merge}
