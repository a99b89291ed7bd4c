"""Expands databases side by side: one of an instance, or a part of those that tenants have for themselves. It records
nothing and asks no gate.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stationmaster.blocks.database import Migrated, Revisions
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.homes import place_of

if TYPE_CHECKING:
    from stationmaster.blocks.database import ProductDatabase
    from stationmaster.domain.product import Database

Ended = Mapping[str, Migrated | StationmasterError]

_ROUNDS = 8  # tenants that each of those at work gets in one process, which costs a second to start
_NAMED = 12  # databases that an error names


def together(names: Sequence[str], database: "Database") -> Iterator[Sequence[str]]:
    """The parts in which databases are expanded: what is under way is on record before it is touched, and no more than
    one part is under way.
    """
    size = database.parallel * _ROUNDS
    return (names[at : at + size] for at in range(0, len(names), size))


def expand_together(database: "ProductDatabase", names: Sequence[str], revisions: Revisions) -> Ended:
    """What became of each that was begun.

    Raises:
        StationmasterError: nothing ran at all.
    """
    if place_of(names[0])[1] is None:
        return {name: database.expand(name, revisions) for name in names}
    return database.expand_each(names, revisions)


def must_all_be_expanded(ended: Ended, names: Sequence[str]) -> None:
    """Return if all of them are.

    Raises:
        StationmasterError: why the first failed, with all others that did, and those that were not begun.
    """
    failed = {name: done for name, done in ended.items() if isinstance(done, StationmasterError)}
    if not failed:
        return
    first, *others = failed.values()
    left = [name for name in names if name not in ended]
    first.message += "".join(f"\n{one.message}" for one in others)
    first.message += f"\nnot begun: {_named(left)}" if left else ""
    raise first


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
