"""What the waivers of one gate come to: who counts, who does not and why, and whether that is enough. It judges nobody;
that is `waiver.py`'s.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stationmaster.domain.duration import instant
from stationmaster.domain.quorum import seat

_ANY = 2  # people, of whichever role may approve the deploy, where the policy states no quorum


@dataclass(frozen=True, slots=True)
class Gate:
    """What is closed, and by what: `env:production` and the index of the entry that froze it, or
    `blackout:FILE#name` and when the blackout in force began, in seconds since the epoch, UTC.
    """

    name: str
    closed_by: int


@dataclass(frozen=True, slots=True)
class Given:
    """A waiver that counts: whose it is, which entry, for which ticket, until when, and which roles its signer has."""

    who: str
    name: str
    entry: int
    ticket: str
    until: datetime
    roles: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.who


@dataclass(frozen=True, slots=True)
class Unmet:
    """Why a waiver does not count: what a person reads, and the same where nobody may be named."""

    said: str
    unnamed: str

    def __str__(self) -> str:
        return self.said

    @classmethod
    def of(cls, name: str, message: str) -> "Unmet":
        """Of somebody's."""
        return cls(f"{whose(name)} {message}", f"one {message}")

    @classmethod
    def plainly(cls, said: str) -> "Unmet":
        """What names nobody."""
        return cls(said, said)


@dataclass(frozen=True, slots=True)
class Passage:
    """What the waivers of one gate come to at an instant: those that count, one a person, and why others do not.
    `alone` is the approval of somebody who may go ahead without anybody else. `quorum` is as in `Asked`.
    """

    given: tuple[Given, ...]
    refused: tuple[Unmet, ...]
    alone: Given | None = None
    quorum: Mapping[str, int] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether the gate may be passed."""
        return self.alone is not None or not self.missing

    @property
    def missing(self) -> dict[str, int]:
        """How many are missing of each role, nobody counted in two; of `any` where the policy states no quorum."""
        return _missing(self.quorum, self.given)

    @property
    def until(self) -> datetime | None:
        """When too few are left; None when there are too few now."""
        if self.alone is not None:
            return self.alone.until
        last = sorted(self.given, key=lambda one: one.until, reverse=True)
        enough = (last[count].until for count in range(len(last)) if not _missing(self.quorum, last[: count + 1]))
        return next(enough, None)

    @property
    def counting(self) -> tuple[Given, ...]:
        """Those that count: the waivers, or the emergency that makes up for them."""
        return self.given if self.alone is None else (self.alone,)

    @property
    def tickets(self) -> tuple[str, ...]:
        """The tickets they name, each once, sorted."""
        return tuple(sorted({one.ticket for one in self.counting}))

    @property
    def said(self) -> str:
        """How it stands, for people; empty when nobody gave one."""
        names = [one.name for one in self.counting]
        if self.alone is not None:
            return f"by emergency of {self.alone.name} ({self.alone.ticket}), until {instant(self.alone.until)}"
        if self.open and self.until:
            return f"by waiver of {listed(names)} ({', '.join(self.tickets)}), until {instant(self.until)}"
        if not (self.given or self.refused):
            return ""
        theirs = f", {listed([whose(name) for name in names])}" if names else ""
        return "; ".join((f"{self._count}{theirs}", *self._lack, *map(str, self.refused)))

    @property
    def unnamed(self) -> str:
        """The same where nobody may be named."""
        if self.open and self.until:
            by = "emergency" if self.alone is not None else "waiver"
            return f"by {by} ({', '.join(self.tickets)}), until {instant(self.until)}"
        if not (self.given or self.refused):
            return ""
        return "; ".join((self._count, *self._lack, *dict.fromkeys(one.unnamed for one in self.refused)))

    @property
    def _count(self) -> str:
        """How many places are filled: who has a role that nobody asks for any more fills none."""
        places = sum(self.quorum.values()) or _ANY
        return f"{places - sum(self.missing.values())} of {places} waivers"

    @property
    def _lack(self) -> tuple[str, ...]:
        """What the policy asks for by name and is missing."""
        return (f"missing: {people(self.missing)}",) if self.quorum and self.missing else ()

    def fact(self, gate: Gate) -> dict[str, Any]:
        """As it is recorded of what passes the gate; without names."""
        return {
            "gate": gate.name, "closed_by": gate.closed_by, "waivers": sorted(one.entry for one in self.counting),
            "tickets": list(self.tickets), "until": instant(self.until) if self.until else None,
        }  # fmt: skip


class Everywhere(Mapping[Gate, Passage]):
    """One passage for whatever gate is asked about."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def __getitem__(self, gate: Gate) -> Passage:
        return self._passage

    def __iter__(self) -> Iterator[Gate]:
        return iter(())

    def __len__(self) -> int:
        return 1


def people(quorum: Mapping[str, int]) -> str:
    """A quorum in words; any two where the policy states none."""
    roles = [f"{count} {role}" for role, count in sorted(quorum.items())]
    return listed(roles) if roles else f"{_ANY} approvers"


def _missing(quorum: Mapping[str, int], given: Collection[Given]) -> dict[str, int]:
    if quorum:
        return dict(seat(quorum, given).missing)
    lack = _ANY - len({one.who for one in given})
    return {"any": lack} if lack > 0 else {}


def whose(name: str) -> str:
    return f"{name}'s"


def listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
