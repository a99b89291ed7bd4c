"""The backfills that a commit declares, read before anything is touched: a wrong file stops a release early."""

from typing import TYPE_CHECKING

from stationmaster.domain.backfills import Backfill, Backfills
from stationmaster.domain.documents import Document, DocumentError, read
from stationmaster.domain.errors import nearest
from stationmaster.domain.located import Problem

if TYPE_CHECKING:
    from stationmaster.blocks.database import ProductDatabase, Revisions
    from stationmaster.blocks.source import GitRepository
    from stationmaster.domain.artifact import Cut


def declared(source: "GitRepository", cut: "Cut") -> tuple[Backfill, ...]:
    """Those of the cut's commit, in the order of the file; none where it has no such file.

    Raises:
        DocumentError: the file is not one of backfills, with every line that is wrong.
    """
    found = _document(source, cut)
    return found.value.backfills if found else ()


def must_be_known(source: "GitRepository", cut: "Cut", database: "ProductDatabase", revisions: "Revisions") -> None:
    """Return if every backfill can be read and is keyed to a revision that the commit has.

    Raises:
        DocumentError: as `declared`, or one is keyed to another.
    """
    found = _document(source, cut)
    if found is None:
        return
    problems = [
        Problem(
            found.line("backfills", number, "revision"),
            f"backfill {one.name!r} is keyed to revision {one.revision!r}, which the commit does not have",
            nearest(one.revision, database.target(revisions)) or "name the revision that made room for it",
        )
        for number, one in enumerate(found.value.backfills)
        if one.revision is not None and not database.knows(one.revision, revisions)
    ]
    if problems:
        raise DocumentError(found.file, problems)


def _document(source: "GitRepository", cut: "Cut") -> Document[Backfills] | None:
    if cut.product.database is None:
        return None
    path, commit = cut.product.database.backfills, cut.commit.commit
    if source.fingerprint(commit, path) is None:
        return None
    return read(Backfills, source.read(commit, path), path)
