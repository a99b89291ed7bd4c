"""Which entries of a release one customer may see: those that name no other and are not about a ring it is not in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.entries import RUNS, Entry, canonical
from stationmaster.domain.mandate import Mandate, Opening
from stationmaster.domain.others import Others
from stationmaster.domain.plan import name_of

# Steps whose subject is a tenant, whatever became of it since.
OF_TENANTS = RUNS | {"skipped", "unskipped", "consented", "declined"}
_RINGS = 100  # rings of a product; the order of a tenant's ring is found by trying


@dataclass(frozen=True)
class Concern:
    """What one tenant may see of a release. `rings` are the rings and waves of others."""

    tenant: str
    others: Others
    rings: frozenset[str]

    def has(self, entry: Entry) -> bool:
        """Whether the entry may be shown: its bytes alone, its personal data is looked at by itself."""
        about = {entry.subject, entry.subject.partition("/")[2]}  # an attestation is about STEP/SUBJECT
        return not about & self.rings and not self.others.named_in(entry.canonical())


def foreign_rings(entries: Iterable[Entry], tenant: str) -> frozenset[str]:
    """Rings and waves in which the tenant never was, by any plan of the release."""
    own: set[str] = set()
    every: set[str] = set()
    for wave in _waves(entries):
        names = {wave["ring"], name_of(wave)}
        every |= names
        own |= names if tenant in set(wave["tenants"]) else set()
    return frozenset(every - own)


def planned_tenants(entries: Iterable[Entry]) -> frozenset[str]:
    """Every tenant that a plan of these entries placed anywhere."""
    placed = (one["tenant"] for entry in entries if entry.step == "planned" for one in entry.fact.get("placements", ()))
    return frozenset(placed) | {tenant for wave in _waves(entries) for tenant in wave["tenants"]}


@dataclass(frozen=True)
class Signed:
    """The tenants of one mandate: whoever has the plan that it was made of finds each under its digest."""

    digests: frozenset[str]
    rings: Mapping[str, str]
    salt: str

    @classmethod
    def of(cls, mandated: Entry, planned: Entry) -> "Signed":
        """That of a mandate, with its plan."""
        rings = {one["tenant"]: one["ring"] for one in reversed(planned.fact["placements"])}
        return cls(frozenset(Mandate.read(mandated.fact).tenants), rings, planned.salt)

    def opening(self, tenant: str) -> bytes | None:
        """What opens the tenant's digest, in canonical bytes; None when it has none."""
        for one in _tried(tenant, self.rings.get(tenant, ""), self.salt):
            if one.digest in self.digests:
                return canonical({"tenant": one.tenant, "ring": one.ring, "order": one.order, "salt": one.salt})
        return None


def openings_of(entries: Iterable[Entry], tenant: str) -> dict[int, bytes]:
    """What opens the tenant's digest in each mandate that has one, by the index of its entry, in canonical bytes.
    `entries` must have their plans, whose salts they were made with.
    """
    listed = tuple(entries)
    plans = {entry.index: entry for entry in listed if entry.step == "planned"}
    asked = [(entry, plans.get(entry.fact["planned"])) for entry in listed if entry.step == "mandated"]
    found = {entry.index: Signed.of(entry, plan).opening(tenant) for entry, plan in asked if plan is not None}
    return {index: opening for index, opening in found.items() if opening is not None}


def _tried(tenant: str, ring: str, salt: str) -> Iterator[Opening]:
    """Openings of the ring at every place; the product's rings as they were then need not be known."""
    yield Opening.of(tenant, ring, (), salt)
    for order in range(_RINGS):
        yield Opening.of(tenant, ring, (*[""] * order, ring), salt)


def _waves(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    return (wave for entry in entries if entry.step == "planned" for wave in entry.fact["waves"])
