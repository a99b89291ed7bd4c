"""Which tenants a release goes to, in which waves, and why each tenant stands where it stands.

A plan is a value: it can be printed, compared and signed before anything is done. Its slots are laid out by
`domain/slots.py` and say what is expected; whether a wave may start is asked of `domain/agenda.py` at that moment.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import rfc8785

from stationmaster.domain.agenda import Agenda
from stationmaster.domain.candidates import Openings, candidates, limits
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.product import Product
from stationmaster.domain.slots import Candidate, lay_out
from stationmaster.domain.tenants import Directory, Tenant

_HORIZON = timedelta(days=400)
_LOOK = timedelta(days=1)

Place = Literal["wave", "done", "pinned", "skipped", "newer", "unapproved"]


@dataclass(frozen=True, slots=True)
class Wave:
    """The tenants of a ring that receive the release together, each under the instance that serves it, sorted. A ring
    may have several, since its tenants' windows differ; `number` tells them apart. [start, end) is its slot, in UTC:
    when it is expected, and None where none is known.
    """

    ring: str
    instances: Mapping[str, tuple[str, ...]]
    number: int = 1
    start: datetime | None = None
    end: datetime | None = None

    @property
    def name(self) -> str:
        """Unique in a plan, and the same when it is made anew: `general`, `general-2`."""
        return self.ring if self.number == 1 else f"{self.ring}-{self.number}"

    @property
    def tenants(self) -> tuple[str, ...]:
        """All of them, sorted by id."""
        return tuple(sorted(tenant for tenants in self.instances.values() for tenant in tenants))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a tenant stands in the plan, and the reason in words."""

    tenant: str
    ring: str
    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The waves in order, every tenant's placement sorted by id, and the digest of all of it."""

    product: str
    artifact: str
    waves: tuple[Wave, ...]
    placements: tuple[Placement, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON (RFC 8785) of what the plan does; words of reasons are left out."""
        return f"sha256:{hashlib.sha256(rfc8785.dumps(self._content())).hexdigest()}"

    @property
    def shared(self) -> tuple[str, ...]:
        """Instances whose tenants are in more than one wave: their databases are expanded before the first."""
        names = [name for wave in self.waves for name in wave.instances]
        return tuple(sorted({name for name in names if names.count(name) > 1}))

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {**self._content(), "placements": [asdict(one) for one in self.placements], "digest": self.digest}

    @classmethod
    def from_fact(cls, fact: Mapping[str, Any]) -> "Plan":
        """The plan that was recorded."""
        waves = tuple(
            Wave(
                wave["ring"],
                {name: tuple(tenants) for name, tenants in wave["instances"].items()},
                wave.get("number", 1),
                _read(wave.get("start")),
                _read(wave.get("end")),
            )
            for wave in fact["waves"]
        )
        return cls(fact["product"], fact["artifact"], waves, tuple(Placement(**one) for one in fact["placements"]))

    def _content(self) -> dict[str, Any]:
        left_out = {one.tenant: one.place for one in self.placements if one.place != "wave"}
        return {
            "product": self.product,
            "artifact": self.artifact,
            "waves": _waves(self.waves),
            "left_out": left_out,
        }


def name_of(wave: Mapping[str, Any]) -> str:
    """The name of a wave that was recorded; of one that knew no number yet its ring."""
    return str(wave.get("name", wave["ring"]))


def _read(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _waves(waves: tuple[Wave, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": wave.name,
            "ring": wave.ring,
            "number": wave.number,
            "tenants": list(wave.tenants),
            "instances": {i: list(t) for i, t in wave.instances.items()},
            "start": instant(wave.start) if wave.start else None,
            "end": instant(wave.end) if wave.end else None,
        }
        for wave in waves
    ]


def plan(
    product: Product,
    directory: Directory,
    running: Mapping[str, str],
    digest: str,
    *,
    agenda: Agenda,
    at: datetime,
    sent: Mapping[str, datetime] | None = None,
    left_out: Mapping[str, tuple[Place, str]] | None = None,
    begun: Sequence[Wave] = (),
    behind: Mapping[str, int] | None = None,
) -> Plan:
    """First what has begun, then the rings in the order of `stationmaster.yaml`, in a ring the waves in the order of
    their slots, from the aware instant `at` on; a ring without a tenant to move gives no wave.

    `running` maps a tenant to the digest it runs; `digest` is the artifact of the release; `agenda` says when each may
    be reached, and `sent` when each one's notice is taken to be sent, `at` where it does not say. `left_out` maps whom
    it does not go to, besides those who are pinned, to the place and the reason. `begun` are waves with whom this very
    release brought it to: they stay as they are, or nobody would watch what it did to them. `behind` is how many
    versions tenants lag, which is said of those who are pinned. The directory has passed `documents.check_directory`.

    Who has no slot is in a wave without one. It comes last, so that nobody waits behind it, but where its ring has no
    other: what should go first is never gone past.
    """
    out, mine, lag = left_out or {}, {tenant for wave in begun for tenant in wave.tenants}, behind or {}
    placements = {
        tenant.id: _mine(tenant)
        if tenant.id in mine
        else _place(tenant, running.get(tenant.id), digest, out.get(tenant.id), lag.get(tenant.id, 0))
        for tenant in directory.tenants
    }
    moved = [one for one in directory.tenants if placements[one.id].place == "wave" and one.id not in mine]
    slotted, unslotted = _in_slots(product, moved, agenda, at, sent or {})
    order = [ring.name for ring in product.rings]
    waves = sorted(begun, key=lambda wave: (order.index(wave.ring) if wave.ring in order else -1, wave.number))
    last: list[Wave] = []
    for ring in product.rings:
        known = [wave for wave in begun if wave.ring == ring.name]
        count = max((wave.number for wave in known), default=0)
        made = [wave for wave in slotted if wave.ring == ring.name]
        waves += [replace(wave, number=count + nth) for nth, wave in enumerate(made, 1)]
        left = [replace(wave, number=count + len(made) + 1) for wave in unslotted if wave.ring == ring.name]
        (last if known or made else waves).extend(left)
    placed = tuple(placements[tenant] for tenant in sorted(placements))
    return Plan(product.product, digest, (*waves, *last), placed)


def begun(planned: Sequence[Entry], have: Collection[str]) -> list[Wave]:
    """The waves of the plans that were recorded, with those of their tenants who `have` the release, also if nobody
    knows them any more; the last word about each.
    """
    found: list[Wave] = []
    left = set(have)
    for wave in (wave for entry in reversed(planned) for wave in Plan.from_fact(entry.fact).waves):
        mine = {i: tuple(t for t in tenants if t in left) for i, tenants in wave.instances.items()}
        part = replace(wave, instances={instance: tenants for instance, tenants in mine.items() if tenants})
        left -= set(part.tenants)
        found += [part] if part.instances else []
    return found


def first_planned(planned: Sequence[Entry]) -> dict[str, datetime]:
    """When each tenant was first in a wave of the plans that were recorded, in order."""
    found: dict[str, datetime] = {}
    for entry in planned:
        for wave in entry.fact["waves"]:
            for tenant in wave["tenants"]:
                found.setdefault(tenant, datetime.fromisoformat(entry.at))
    return found


def outdated(plan: Plan, begun: Collection[str], planned: datetime, at: datetime) -> bool:
    """Whether slots of the plan are over that nobody used, or somebody without one has had no look for a day. `begun`
    are tenants that have it; `planned` and `at` aware instants.
    """
    for wave in plan.waves:
        if set(wave.tenants) <= set(begun):
            continue
        if wave.end is not None and wave.end <= at:
            return True
        if wave.end is None and at - planned >= _LOOK:
            return True
    return False


def _in_slots(
    product: Product, moved: Sequence[Tenant], agenda: Agenda, at: datetime, sent: Mapping[str, datetime]
) -> tuple[list[Wave], list[Wave]]:
    """The waves with their slots, and for each ring one of those who have none. One wave begins when the one before
    has ended: each is watched before the next.
    """
    begin = int(at.timestamp())
    end = begin + int(_HORIZON.total_seconds())
    openings = Openings(begin, end)
    found: list[Candidate] = []
    for told in sorted({sent.get(tenant.id, at) for tenant in moved}):
        some = [tenant for tenant in moved if sent.get(tenant.id, at) == told]
        found += candidates(some, {one.id: agenda.of(one.id) for one in some}, openings, told, agenda.seconds)
    rings = [ring.name for ring in product.rings]
    made = lay_out(found, rings, limits(product, None, begin, end, "stationmaster.yaml"), begin, end)
    known = {tenant.id: tenant for tenant in moved}
    slotted = [
        Wave(one.ring, _by_instance([known[name] for name in one.tenants]), 1, _utc(one.start), _utc(one.end))
        for one in made.waves
    ]
    nowhere = [known[one.tenant] for one in made.unplaced]
    unslotted = [Wave(ring, _by_instance([one for one in nowhere if one.ring == ring])) for ring in rings]
    return slotted, [wave for wave in unslotted if wave.instances]


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _by_instance(tenants: Iterable[Tenant]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for tenant in tenants:
        found.setdefault(tenant.instance, []).append(tenant.id)
    return {name: tuple(sorted(found[name])) for name in sorted(found)}


def _mine(tenant: Tenant) -> Placement:
    return Placement(tenant.id, tenant.ring, "wave", f"is in ring {tenant.ring} and has this release")


def _place(
    tenant: Tenant, running: str | None, digest: str, left_out: tuple[Place, str] | None, behind: int
) -> Placement:
    if running == digest:
        return Placement(tenant.id, tenant.ring, "done", "runs this artifact already")
    if left_out is not None:
        return Placement(tenant.id, tenant.ring, *left_out)
    if tenant.pinned is not None:
        reason = f"is pinned to version {tenant.pinned}{_lags(tenant, behind)}"
        return Placement(tenant.id, tenant.ring, "pinned", reason)
    now = f"runs {running[:19]}…" if running else "runs nothing yet"
    return Placement(tenant.id, tenant.ring, "wave", f"is in ring {tenant.ring} and {now}")


def _lags(tenant: Tenant, behind: int) -> str:
    """How far behind others a tenant stays, against what its contract allows."""
    if not behind:
        return ""
    said = f", {behind} version{'' if behind == 1 else 's'} behind"
    if tenant.max_lag is None:
        return said
    return f"{said}, {'more than' if behind > tenant.max_lag else 'of'} the {tenant.max_lag} that its contract allows"
