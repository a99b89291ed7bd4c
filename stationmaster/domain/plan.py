"""Which tenants a release goes to, in which waves, and why each tenant stands where it stands.

A plan is a value: it can be printed, compared and signed before anything is done. When a wave may start is asked of
`domain/calendar.py` at that moment.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import rfc8785

from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory, Tenant

Place = Literal["wave", "done", "pinned", "skipped", "newer"]


@dataclass(frozen=True, slots=True)
class Wave:
    """The tenants of a ring that receive the release together, each under the instance that serves it, sorted. A ring
    may have several, since its tenants' windows differ; `number` tells them apart.
    """

    ring: str
    instances: Mapping[str, tuple[str, ...]]
    number: int = 1

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


def _waves(waves: tuple[Wave, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": wave.name,
            "ring": wave.ring,
            "number": wave.number,
            "tenants": list(wave.tenants),
            "instances": {i: list(t) for i, t in wave.instances.items()},
        }
        for wave in waves
    ]


def plan(
    product: Product,
    directory: Directory,
    running: Mapping[str, str],
    digest: str,
    *,
    left_out: Mapping[str, tuple[Place, str]] | None = None,
    mine: Collection[str] = (),
) -> Plan:
    """Rings in the order of `stationmaster.yaml`; a ring without a tenant to move gives no wave.

    `running` maps a tenant to the digest it runs; `digest` is the artifact of the release; `left_out` maps whom it does
    not go to, besides those who are pinned, to the place and the reason. `mine` are tenants that this very release
    brought it to: they stay in their wave, or nobody would watch what it did to them. The directory has passed
    `documents.check_directory`.
    """
    out = left_out or {}
    placements = {
        tenant.id: _mine(tenant)
        if tenant.id in mine
        else _place(tenant, running.get(tenant.id), digest, out.get(tenant.id))
        for tenant in directory.tenants
    }
    waves = (Wave(ring.name, _by_instance(directory, ring.name, placements)) for ring in product.rings)
    return Plan(
        product.product,
        digest,
        tuple(wave for wave in waves if wave.tenants),
        tuple(placements[tenant] for tenant in sorted(placements)),
    )


def _by_instance(directory: Directory, ring: str, placements: Mapping[str, Placement]) -> dict[str, tuple[str, ...]]:
    moved = [tenant for tenant in directory.tenants if tenant.ring == ring and placements[tenant.id].place == "wave"]
    instances = sorted({tenant.instance for tenant in moved})
    return {name: tuple(sorted(tenant.id for tenant in moved if tenant.instance == name)) for name in instances}


def _mine(tenant: Tenant) -> Placement:
    return Placement(tenant.id, tenant.ring, "wave", f"is in ring {tenant.ring} and has this release")


def _place(tenant: Tenant, running: str | None, digest: str, left_out: tuple[Place, str] | None) -> Placement:
    if running == digest:
        return Placement(tenant.id, tenant.ring, "done", "runs this artifact already")
    if left_out is not None:
        return Placement(tenant.id, tenant.ring, *left_out)
    if tenant.pinned is not None:
        return Placement(tenant.id, tenant.ring, "pinned", f"is pinned to version {tenant.pinned}")
    now = f"runs {running[:19]}…" if running else "runs nothing yet"
    return Placement(tenant.id, tenant.ring, "wave", f"is in ring {tenant.ring} and {now}")
