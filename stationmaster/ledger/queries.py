"""The questions asked of the entries. Each walks an index: none costs more when other releases have more entries.

They are written once and asked with values: to put a statement together again took longer than to answer it.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select

from stationmaster.domain.entries import UNDONE_BY, Entry
from stationmaster.ledger.rows import to_entry
from stationmaster.ledger.tables import entries

_e = entries.c
_STEP, _SUBJECT, _RELEASE = (
    _e.step == bindparam("step"),
    _e.subject == bindparam("subject"),
    _e.release == bindparam("release"),
)
_AFTER = _e.index > bindparam("after")
_AMONG = _e.step.in_(bindparam("steps", expanding=True))

_ALL = select(entries).where(_AFTER).order_by(_e.index)
_OF_RELEASE = _ALL.where(_RELEASE)
_ABOUT = select(entries).where(_RELEASE, _STEP, _SUBJECT).order_by(_e.attempt.desc()).limit(1)
_UNDONE = select(entries).where(_AMONG, _SUBJECT, _AFTER).order_by(_e.index).limit(1)
_EVERY = select(entries).where(_STEP).order_by(_e.index)
_HISTORY = _EVERY.where(_SUBJECT)
_NEWEST = select(entries).where(_STEP, _SUBJECT).order_by(_e.index.desc()).limit(bindparam("count"))
_NEWEST_BEFORE = _NEWEST.where(_e.index < bindparam("before"))


def of_release(connection: Connection, release: str | None, after: int) -> list[Entry]:
    if release is None:
        return _read(connection, _ALL, after=after)
    return _read(connection, _OF_RELEASE, after=after, release=release)


def about(connection: Connection, release: str, step: str, subject: str) -> list[Entry]:
    """All that `domain.entries.standing` and `attempt` need: the last entry, and one that undid it if there is one."""
    last = _read(connection, _ABOUT, release=release, step=step, subject=subject)
    if not last or not UNDONE_BY[step]:
        return last
    return last + _read(connection, _UNDONE, steps=sorted(UNDONE_BY[step]), subject=subject, after=last[0].index)


def last_of_each(connection: Connection, release: str, steps: Iterable[str]) -> list[Entry]:
    """The last entry of each step about the release itself, in order."""
    return _read(connection, _LAST_OF_EACH, release=release, subject=release, steps=sorted(steps))


def history(connection: Connection, step: str, subject: str | None = None) -> list[Entry]:
    """Every entry of a step, about a subject or about any, whatever release wrote it."""
    if subject is None:
        return _read(connection, _EVERY, step=step)
    return _read(connection, _HISTORY, step=step, subject=subject)


def newest(connection: Connection, step: str, subject: str, before: int | None, count: int) -> list[Entry]:
    """The last so many entries of a step about a subject, the newest first; before an index, if one is given."""
    if before is None:
        return _read(connection, _NEWEST, step=step, subject=subject, count=count)
    return _read(connection, _NEWEST_BEFORE, step=step, subject=subject, count=count, before=before)


def latest(connection: Connection, steps: Iterable[str], without: str | None = None) -> dict[str, Entry]:
    """The last entry of any of the steps, per subject; entries of the release `without` left out."""
    found: dict[str, Entry] = {}
    for step in sorted(steps):
        query, given = (_LATEST, {}) if without is None else (_LATEST_WITHOUT, {"without": without})
        for entry in _read(connection, query, step=step, **given):
            found[entry.subject] = max(entry, found.get(entry.subject, entry), key=lambda each: each.index)
    return found


def begun(connection: Connection) -> list[str]:
    """The releases that were ever started, in the order of their first leg."""
    return list(connection.execute(_BEGUN, {"step": "started"}).scalars())


def _ends(end: ColumnElement[int], *also: ColumnElement[bool]) -> Select[tuple[int]]:
    """The first or last index of each subject of a step. Jumps from subject to subject through the index (SQL has
    no word for that but recursion), where GROUP BY would read every entry of the step that was ever written.
    """
    first = select(func.min(_e.subject).label("subject")).where(_STEP)
    subjects = first.cte("subjects", recursive=True)
    following = select(func.min(_e.subject)).where(_STEP, _e.subject > subjects.c.subject)
    subjects = subjects.union_all(select(following.scalar_subquery()).where(subjects.c.subject.is_not(None)))
    mine = select(end).where(_STEP, _e.subject == subjects.c.subject, *also)
    return select(mine.scalar_subquery()).where(subjects.c.subject.is_not(None))


_LATEST = select(entries).where(_e.index.in_(_ends(func.max(_e.index))))
_LATEST_WITHOUT = select(entries).where(_e.index.in_(_ends(func.max(_e.index), _e.release != bindparam("without"))))
_BEGUN = select(_e.release).where(_e.index.in_(_ends(func.min(_e.index)))).order_by(_e.index)
_LAST_OF_EACH = (
    select(entries)
    .where(_e.index.in_(select(func.max(_e.index)).where(_RELEASE, _SUBJECT, _AMONG).group_by(_e.step)))
    .order_by(_e.index)
)


def _read(connection: Connection, query: Select[tuple[Any, ...]], **values: object) -> list[Entry]:
    return [to_entry(row) for row in connection.execute(query, values)]
