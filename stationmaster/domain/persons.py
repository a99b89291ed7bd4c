"""What each person did, by the personal data of entries, which may have been erased, or be another than was recorded:
then it was somebody, and that is what is listed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stationmaster.domain.entries import Entry

# Entries whose personal data names people of whom nobody acted: what they did is an entry of its own.
NAMES_OTHERS = frozenset(
    {"mandated", "ratified", "approved", "refused", "passed", "contract_mandated", "contract_approved"}
)


@dataclass(frozen=True, slots=True)
class Action:
    """One entry as somebody's act."""

    index: int
    at: str
    step: str
    release: str
    subject: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's acts, by the name under which they were recorded. Without a name: erased, not what was recorded, or
    none was.
    """

    person: str | None
    erased: bool
    tampered: bool
    actions: tuple[Action, ...]

    def record(self) -> dict[str, Any]:
        """As `--by-person --json` gives it."""
        return {**asdict(self), "actions": [asdict(action) for action in self.actions]}


def by_person(entries: Iterable[Entry], personal: Mapping[int, Mapping[str, Any] | None]) -> list[Person]:
    """Everybody who acted in these entries, by name; then what nobody is named for, then what was erased, then what is
    not as it was recorded. `personal` has the data of each entry of which it was not erased, by index, and None where
    it is another. No entry with personal data is dropped.
    """
    acts: dict[tuple[bool, bool, str | None], list[Action]] = {}
    for entry in entries:
        if entry.payload is None or entry.step in NAMES_OTHERS:
            continue
        known, there = personal.get(entry.index), entry.index in personal
        for name in [None] if known is None else actors(known):
            action = Action(entry.index, entry.at, entry.step, entry.release, entry.subject)
            acts.setdefault((there and known is None, not there, name), []).append(action)
    order = sorted(acts, key=lambda one: (*one[:2], one[2] is None, one[2] or ""))
    return [Person(name, erased, tampered, tuple(acts[tampered, erased, name])) for tampered, erased, name in order]


def actors(personal: Mapping[str, Any]) -> list[str | None]:
    """Who acted, by an entry's personal data: who did it, whom a channel names, or who started it, and who recorded it
    for them; else who wrote the changes. [None] when it names nobody in a way that is known here.
    """
    one = personal.get("who") or personal.get("by") or personal.get("starter")
    if isinstance(one, str):
        return list(dict.fromkeys([one, *([personal["recorded"]] if personal.get("recorded") else [])]))
    wrote = {author for each in personal.get("authors", {}).values() for author in each}
    return [*sorted(wrote)] or [None]
