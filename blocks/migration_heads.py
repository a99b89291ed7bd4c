"""Where a database is, against the folder of revisions: what that does not have, and what lies behind."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from alembic.script import ScriptDirectory

from stationmaster.blocks.migration_stop import StopRun


def require_known(scripts: ScriptDirectory, heads: tuple[str, ...]) -> None:
    """Refuses a database that is at a revision of a newer commit."""
    if unknown := sorted(set(heads) - _known(scripts)):
        raise StopRun("unknown", f"the database is at revision {', '.join(unknown)}, which this commit does not have")


@lru_cache(maxsize=1)
def _known(scripts: ScriptDirectory) -> frozenset[str]:
    """Asked for each of a thousand tenants."""
    return frozenset(revision.revision for revision in scripts.walk_revisions())


def require_ahead(scripts: ScriptDirectory, target: str, heads: tuple[str, ...]) -> None:
    """Refuses a target that the database is past."""
    wanted = {found.revision for found in scripts.get_revisions(target)}
    past = {one.revision for one in _ancestors(scripts, heads)} - set(heads)
    if wanted and wanted <= past:
        raise StopRun("behind", f"the database is at {', '.join(heads)}, which is past {', '.join(sorted(wanted))}")


def _ancestors(scripts: ScriptDirectory, heads: tuple[str, ...]) -> Iterator[Any]:
    """Along `down_revision` alone: what is only depended on is no way back."""
    left = [scripts.get_revision(head) for head in heads]
    while left:
        yield (one := left.pop())
        left += [scripts.get_revision(name) for name in one._versioned_down_revisions]  # noqa: SLF001
