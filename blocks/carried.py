"""What a release brings to tenants that run different versions: whatever is new to at least one of them."""

from stationmaster.blocks.source import GitRepository
from stationmaster.domain.artifact import Change


def changes(source: GitRepository, since: tuple[str, ...], until: str) -> tuple[Change, ...]:
    """Commits in `until` that at least one of `since` lacks, oldest first; all of them when nothing runs."""
    lists = [source.changes((commit,), until) for commit in since] or [source.changes((), until)]
    longest_first = sorted(lists, key=len, reverse=True)
    return tuple({change.commit: change for changes in longest_first for change in changes}.values())


def added(source: GitRepository, since: tuple[str, ...], until: str, folder: str) -> tuple[str, ...]:
    """Files under `folder` at `until` that at least one of `since` lacks, sorted; all of them when nothing runs."""
    lists = [source.added((commit,), until, folder) for commit in since] or [source.added((), until, folder)]
    return tuple(sorted({path for paths in lists for path in paths}))
