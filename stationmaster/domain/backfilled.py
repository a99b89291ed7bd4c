"""What the ledger says of the backfills of a product: who is verified, and who lost that because a version without the
dual write has served them since. It asks nobody and fills in nothing.

`backfilling` is on record before a row is touched, `backfilled` when tenants are verified; both are about one backfill
on one database. What a tenant runs is said by `entries.RUNS`: whoever was led past the dual write may have values that
are stale, not null, whatever the rows look like.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.entries import RUNS, Entry

STEPS = frozenset({"backfilling", "backfilled"})
_NAMED = 10
Writes = Callable[[Entry], bool]  # does what the entry leads to have the dual write


def subject(database: str, name: str) -> str:
    """What entries about a backfill on a database are about."""
    return f"{database}/{name}"


def first(history: Iterable[Entry], name: str, spec: str) -> Entry | None:
    """The entry by which a backfill was begun first, on whatever database; its commit is the first that has the dual
    write. `history` has every `backfilling` of the ledger, in order.
    """
    return next((e for e in history if (e.fact["name"], e.fact["spec"]) == (name, spec)), None)


@dataclass(frozen=True)
class Past:
    """One backfill on one database: `told` are the entries of `STEPS` about it, and `runs` those of `RUNS` about the
    tenants there, all in order.
    """

    told: Sequence[Entry]
    runs: Mapping[str, Sequence[Entry]]
    writes: Writes

    @classmethod
    def of(cls, told: Iterable[Entry], spec: str, runs: Iterable[Entry], writes: Writes) -> "Past":
        """Of what is declared as `spec` says; what was declared otherwise is another backfill."""
        mine = sorted((e for e in told if e.step in STEPS and e.fact["spec"] == spec), key=lambda e: e.index)
        found: dict[str, list[Entry]] = {}
        for entry in sorted((e for e in runs if e.step in RUNS), key=lambda e: e.index):
            found.setdefault(entry.subject, []).append(entry)
        return cls(mine, found, writes)

    @property
    def began(self) -> int | None:
        """The index of the entry that began it; None where nobody did."""
        return self.told[0].index if self.told else None

    @property
    def left(self) -> frozenset[str] | None:
        """Whom the last run that came to its end left, as the table calls them; None where none did."""
        ended = [entry for entry in self.told if entry.step == "backfilled"]
        return frozenset(ended[-1].fact["left"]) if ended else None

    def verified(self) -> frozenset[str]:
        """The tenants of whom it was found, and who were served with the dual write ever since that run began."""
        found = {t: e.fact["began"] for e in self.told if e.step == "backfilled" for t in e.fact["tenants"]}
        return frozenset(t for t, began in found.items() if self._away(t) <= began)

    def lost(self) -> dict[str, Entry]:
        """The tenants who were served without the dual write since it was begun, and were not verified after that; each
        with the entry that says so.
        """
        if self.began is None:
            return {}
        stand = self.verified()
        away = {t: self._away(t) for t in self.runs}
        return {
            t: next(e for e in self.runs[t] if e.index == index)
            for t, index in sorted(away.items()) if index > self.began and t not in stand
        }  # fmt: skip

    def _away(self, tenant: str) -> int:
        """Where the last entry is by which the tenant was served without the dual write; -1 when there is none."""
        return max((e.index for e in self.runs.get(tenant, ()) if not self.writes(e)), default=-1)


class Filling(BaseModel):
    """How far one backfill on one database is, as the ledger has it."""

    model_config = ConfigDict(frozen=True)

    state: str = Field(description="under way, or verified, or in part when tenants are left.")
    rows: int | None = Field(description="Rows that were filled in; None while nobody said.")
    tenants: int | None = Field(description="Tenants that are verified; None while nobody said.")
    left: tuple[str, ...] = Field(default=(), description="Tenants that are not.")


def fillings(entries: Iterable[Entry]) -> dict[str, Filling]:
    """Of one release, by `DATABASE/BACKFILL`, in the order in which they were begun."""
    last: dict[str, Entry] = {}
    for entry in entries:
        if entry.step in STEPS:
            last[entry.subject] = entry
    return {about: _filling(entry) for about, entry in last.items()}


def all_verified(found: Mapping[str, Filling]) -> bool:
    """Whether nothing is left to be told of them."""
    return all(one.state == "verified" for one in found.values())


def _filling(entry: Entry) -> Filling:
    fact = entry.fact
    if entry.step == "backfilling":
        return Filling(state="under way", rows=None, tenants=None)
    left = tuple(fact.get("left", ()))
    state = "in part" if left else "verified"
    return Filling(state=state, rows=fact.get("rows"), tenants=len(fact.get("tenants", ())), left=left)


def told(found: Mapping[str, Filling]) -> list[str]:
    """One line for people each: `cloud/totals: in part, 12,000 rows, 3 tenants verified, acme is not`."""
    return [f"{about}: {', '.join(_words(one))}" for about, one in found.items()]


def _words(one: Filling) -> list[str]:
    if one.rows is None or one.tenants is None:
        return [one.state]
    tenants = f"{one.tenants} tenant{'' if one.tenants == 1 else 's'} verified"
    named = ", ".join(one.left[:_NAMED]) + (f" and {len(one.left) - _NAMED} more" if len(one.left) > _NAMED else "")
    left = [f"{named} {'is' if len(one.left) == 1 else 'are'} not"] if one.left else []
    return [one.state, f"{one.rows:,} rows", tenants, *left]
