"""The questions asked of the entries. Each walks an index: none costs more when other releases have more entries."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from stationmaster.domain.entries import UNDONE_BY, Entry
from stationmaster.ledger.rows import to_entry
from stationmaster.ledger.tables import entries

_e = entries.c


def of_release(connection: Connection, release: str | None, after: int) -> list[Entry]:
    query = select(entries).where(_e.index > after).order_by(_e.index)
    return _read(connection, query if release is None else query.where(_e.release == release))


def about(connection: Connection, release: str, step: str, subject: str) -> list[Entry]:
    """All that `domain.entries.standing` and `attempt` need: the last entry, and one that undid it if there is one."""
    same = and_(_e.release == release, _e.step == step, _e.subject == subject)
    last = _read(connection, select(entries).where(same).order_by(_e.attempt.desc()).limit(1))
    if not last or not UNDONE_BY[step]:
        return last
    return last + _read(connection, _after(last[0], UNDONE_BY[step]))


def last_of_each(connection: Connection, release: str, steps: Iterable[str]) -> list[Entry]:
    """The last entry of each step about the release itself, in order."""
    same = (_e.release == release, _e.subject == release, _e.step.in_(sorted(steps)))
    ends = select(func.max(_e.index)).where(*same).group_by(_e.step)
    return _read(connection, select(entries).where(_e.index.in_(ends)).order_by(_e.index))


def history(connection: Connection, step: str, subject: str | None = None) -> list[Entry]:
    """Every entry of a step, about a subject or about any, whatever release wrote it."""
    query = select(entries).where(_e.step == step).order_by(_e.index)
    return _read(connection, query if subject is None else query.where(_e.subject == subject))


def newest(connection: Connection, step: str, subject: str, before: int | None, count: int) -> list[Entry]:
    """The last so many entries of a step about a subject, the newest first; before an index, if one is given."""
    query = select(entries).where(_e.step == step, _e.subject == subject).order_by(_e.index.desc()).limit(count)
    return _read(connection, query if before is None else query.where(_e.index < before))


def latest(connection: Connection, steps: Iterable[str], without: str | None = None) -> dict[str, Entry]:
    """The last entry of any of the steps, per subject; entries of the release `without` left out."""
    found: dict[str, Entry] = {}
    for step in sorted(steps):
        ends = _ends(step, func.max(_e.index), without)
        for entry in _read(connection, select(entries).where(_e.index.in_(ends))):
            found[entry.subject] = max(entry, found.get(entry.subject, entry), key=lambda each: each.index)
    return found


def begun(connection: Connection) -> list[str]:
    """The releases that were ever started, in the order of their first leg."""
    first = _ends("started", func.min(_e.index))
    return list(connection.execute(select(_e.release).where(_e.index.in_(first)).order_by(_e.index)).scalars())


def _after(last: Entry, undoing: Iterable[str]) -> Select[tuple[object, ...]]:
    later = and_(_e.step.in_(sorted(undoing)), _e.subject == last.subject, _e.index > last.index)
    return select(entries).where(later).order_by(_e.index).limit(1)


def _ends(step: str, end: ColumnElement[int], without: str | None = None) -> Select[tuple[int]]:
    """The first or last index of each subject of a step. Jumps from subject to subject through the index (SQL has
    no word for that but recursion), where GROUP BY would read every entry of the step that was ever written.
    """
    first = select(func.min(_e.subject).label("subject")).where(_e.step == step)
    subjects = first.cte("subjects", recursive=True)
    following = select(func.min(_e.subject)).where(_e.step == step, _e.subject > subjects.c.subject)
    subjects = subjects.union_all(select(following.scalar_subquery()).where(subjects.c.subject.is_not(None)))
    mine = (_e.step == step, _e.subject == subjects.c.subject, *(() if without is None else (_e.release != without,)))
    return select(select(end).where(*mine).scalar_subquery()).where(subjects.c.subject.is_not(None))


def _read(connection: Connection, query: Select[tuple[object, ...]]) -> list[Entry]:
    return [to_entry(row) for row in connection.execute(query)]
