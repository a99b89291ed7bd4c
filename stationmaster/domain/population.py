"""Every production change of a period, by the entries of the whole ledger, with what a reader needs to find that none
is missing. What a change is says `production_changes.py`; by whom it was, `persons.py`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from stationmaster.domain.duration import instant
from stationmaster.domain.entries import DRIFT, POLICY, UNDONE_BY, Entry
from stationmaster.domain.production_changes import Change, change_of, why_none


@dataclass(frozen=True, slots=True)
class Quorum:
    """The approval under which something was done: the entry that says so, people a role, and what they signed."""

    entry: int
    roles: dict[str, int]
    people: int
    mandate: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One production change, at the moment at which it happened."""

    index: int
    at: str
    kind: str
    step: str
    outcome: str
    product: str | None
    release: str
    release_kind: str | None
    subject: str
    tenant: str | None
    instance: str | None
    version: str | None
    digest: str | None
    tickets: tuple[str, ...]
    emergency: bool
    approved: Quorum | None

    def record(self) -> dict[str, Any]:
        """As plain data; by hand, since `asdict` copies all that it finds, which costs as much as reading it did."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return told | {"tickets": list(self.tickets), "approved": asdict(self.approved) if self.approved else None}


@dataclass(slots=True)
class Count:
    """How many entries of a step there are, how many of them are rows, and how many are of other products. The rest is
    no production change.
    """

    entries: int = 0
    rows: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant (included) to another (excluded), both RFC 3339 UTC."""

    begin: str
    end: str

    @classmethod
    def of(cls, begin: datetime, end: datetime) -> "Period":
        """Of two aware instants."""
        return cls(instant(begin), instant(end))

    def has(self, entry: Entry) -> bool:
        """Whether the entry was made in it; instants of the ledger all have one form, so that they compare as text."""
        return self.begin <= entry.at < self.end


@dataclass(slots=True)
class Population:
    """The rows of a period, and what they are reconciled with: the first and last index of an entry in it, how many
    there are of each step, and how many lie between those two but have an instant `outside`, as when a clock was set.
    """

    period: Period
    product: str | None
    first: int | None = None
    last: int | None = None
    entries: int = 0
    steps: dict[str, Count] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    checkpoint: Entry | None = None
    products: dict[str, str | None] = field(default_factory=dict)  # of each release of the ledger

    @property
    def outside(self) -> int:
        """Entries from the first to the last that were not made in the period."""
        return 0 if self.first is None or self.last is None else self.last - self.first + 1 - self.entries

    def concerns(self, entry: Entry) -> bool:
        """Whether an entry that was read is of the product, or of none that is known."""
        return self.product is None or _product(entry, self.products.get(entry.release)) in {None, self.product}

    def kinds(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        return dict(sorted(Counter(row.kind for row in self.rows).items()))

    def record(self, size: int, root: bytes) -> dict[str, Any]:
        """The answer of `evidence population --json`, with the tree that the entries were read from."""
        steps = sorted(self.steps.items())
        return {
            "from": self.period.begin, "to": self.period.end, "product": self.product,
            "log": {"size": size, "root": f"sha256:{root.hex()}", "checkpoint": _pointed(self.checkpoint)},
            "first": self.first, "last": self.last, "entries": self.entries, "outside": self.outside,
            "kinds": self.kinds(),
            "steps": {step: asdict(count) | {"because": _why(step, count)} for step, count in steps},
            "rows": [row.record() for row in self.rows],
        }  # fmt: skip


def population(entries: Iterable[Entry], period: Period, product: str | None = None) -> Population:
    """The production changes in the period, of one product or of all. `entries` are the whole ledger in order: what a
    row says of its release may be older than the period. A row whose product is not known is listed with each.
    """
    found, releases = Population(period, product), dict[str, _Release]()
    for entry in entries:
        release = releases.setdefault(entry.release, _Release())
        release.learn(entry)
        if entry.step == "checkpointed":
            found.checkpoint = entry
        if period.has(entry):
            _list(found, entry, release)
    found.products = {name: release.product for name, release in releases.items()}
    return found


def _list(found: Population, entry: Entry, release: "_Release") -> None:
    found.first = entry.index if found.first is None else found.first
    found.last = entry.index
    found.entries += 1
    count = found.steps.setdefault(entry.step, Count())
    count.entries += 1
    change, product = change_of(entry), _product(entry, release.product)
    if change is None:
        return
    if found.product and product not in {None, found.product}:
        count.others += 1
        return
    count.rows += 1
    found.rows.append(_row(entry, change, release, product))


def _row(entry: Entry, change: Change, release: "_Release", product: str | None) -> Row:
    fact, whose = entry.fact, change.about
    ticket = (fact["ticket"],) if fact.get("ticket") else ()
    return Row(
        index=entry.index, at=entry.at, kind=change.kind, step=entry.step, outcome=change.ended(entry),
        product=product, release=entry.release, release_kind=release.kind, subject=entry.subject,
        tenant=entry.subject if whose == "tenant" else None,
        instance=entry.subject if whose == "instance" else fact.get("instance"),
        version=fact.get("version", release.version), digest=fact.get("digest", release.digest),
        tickets=tuple(dict.fromkeys((*release.tickets, *ticket))),
        emergency=release.alone, approved=release.approved,
    )  # fmt: skip


def _product(entry: Entry, of_release: str | None) -> str | None:
    """Policies and drift belong to no release; their subject names the product."""
    return entry.subject.partition("/")[0] if entry.release in {POLICY, DRIFT} else of_release


def _why(step: str, count: Count) -> str | None:
    """Why some entries of a step are no rows, if some are none."""
    return why_none(step) if count.entries > count.rows + count.others else None


def _pointed(checkpoint: Entry | None) -> dict[str, Any] | None:
    if checkpoint is None:
        return None
    return {"entry": checkpoint.index, "size": checkpoint.fact["size"], "root": checkpoint.fact["root"]}


@dataclass(slots=True)
class _Release:
    """What is known of a release by the entries so far."""

    product: str | None = None
    kind: str | None = None
    version: str | None = None
    digest: str | None = None
    tickets: tuple[str, ...] = ()
    mandate: str | None = None
    approved: Quorum | None = None
    emergencies: set[int] = field(default_factory=set)  # entries; one that was refused is none
    by_emergency: bool | None = None  # whether the approval that stands is somebody's alone; None while none stands

    @property
    def alone(self) -> bool:
        """Whether somebody goes ahead alone: an emergency approval beside a full quorum is none."""
        return bool(self.emergencies) if self.by_emergency is None else self.by_emergency

    def learn(self, entry: Entry) -> None:
        fact = entry.fact
        if entry.step in {"confirmed", "started"}:
            self.product, self.kind = fact["product"], fact["kind"]
        elif entry.step == "cut":
            self.version = fact["version"]
        elif entry.step == "built":
            self.digest = fact["digest"]
        elif entry.step == "linked":
            self.tickets = tuple(fact["tickets"])
        elif entry.step == "approval" and fact.get("action") == "emergency":
            self.emergencies.add(entry.index)
        elif entry.step == "refused":
            self.emergencies.discard(fact.get("entry", -1))
        else:
            self._weigh(entry)

    def _weigh(self, entry: Entry) -> None:
        """What was approved, until it is undone."""
        step = entry.step.removeprefix("contract_")  # after a release comes its contract, approved by itself
        if step in UNDONE_BY["approved"]:
            self.approved = self.by_emergency = None
        if step == "mandated":
            self.mandate = entry.fact["digest"]
        if step == "approved":
            roles = entry.fact["roles"]
            mandate = entry.fact.get("mandate", self.mandate)
            counted = {role: roles.count(role) for role in sorted(set(roles))}
            self.approved = Quorum(entry.index, counted, len(roles), mandate)
            self.by_emergency = entry.fact.get("emergency")
