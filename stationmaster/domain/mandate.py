"""The mandate: what the approvers of a deploy sign, so that anything outside of it needs new signatures.

Slots may move inside it. Tenants stand in it as salted digests, one each, so that what is handed to one customer can
open its own and names no other.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stationmaster.domain.duration import instant
from stationmaster.domain.entries import canonical, digest
from stationmaster.domain.plan import Plan

_SALT = 16  # bytes


@dataclass(frozen=True)
class Opening:
    """What one salted digest of a mandate says: that a tenant is reached in a ring, which is the `order`th."""

    tenant: str
    ring: str
    order: int
    salt: str

    @classmethod
    def of(cls, tenant: str, ring: str, rings: Sequence[str], salt: str) -> "Opening":
        """That of a tenant, with the salt of a plan's entry, in hex."""
        order = rings.index(ring) if ring in rings else -1
        return cls(tenant, ring, order, _salt(salt, tenant))

    @property
    def digest(self) -> str:
        """As it stands in the mandate."""
        return digest(canonical({"tenant": self.tenant, "ring": self.ring, "order": self.order, "salt": self.salt}))


@dataclass(frozen=True)
class Mandate:
    """`parts` are the digests of what is carried out and by which rules; `tenants` are sorted digests of openings, made
    with the salt of the entry of a plan, whose index is `planned`. From `ends` on it is over.
    """

    release: str
    parts: Mapping[str, str | None]
    tenants: tuple[str, ...]
    ends: datetime
    planned: int

    @property
    def content(self) -> dict[str, Any]:
        """What is signed by its digest."""
        return {
            "release": self.release, **self.parts, "tenants": list(self.tenants), "ends": instant(self.ends),
        }  # fmt: skip

    @property
    def digest(self) -> str:
        """What an approval names."""
        return digest(canonical(self.content))

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps beside the question."""
        return {"content": self.content, "planned": self.planned}

    @classmethod
    def lay_down(
        cls, release: str, parts: Mapping[str, str | None], found: Iterable[Opening], ends: datetime, planned: int
    ) -> "Mandate":
        """A mandate for a plan's openings, until an aware instant."""
        tenants = tuple(sorted(one.digest for one in found))
        return cls(release, dict(parts), tenants, ends.replace(microsecond=0), planned)

    @classmethod
    def read(cls, fact: Mapping[str, Any]) -> "Mandate":
        """As it was recorded."""
        content = dict(fact["content"])
        return cls(
            release=content.pop("release"),
            tenants=tuple(content.pop("tenants")),
            ends=datetime.fromisoformat(content.pop("ends")),
            parts=content,
            planned=fact["planned"],
        )

    def covers(self, parts: Mapping[str, str | None], openings: Iterable[Opening], end: datetime, at: datetime) -> bool:
        """Whether a plan stays inside: the same is carried out, nobody else is reached or in another ring, and it is
        over before the mandate is. `openings` must be made with this mandate's salt.
        """
        inside = {one.digest for one in openings} <= set(self.tenants)
        return dict(parts) == dict(self.parts) and inside and end <= self.ends and at < self.ends


def openings(plan: Plan, rings: Sequence[str], salt: str) -> tuple[Opening, ...]:
    """What a plan's tenants are in the mandate: everybody it reaches, and who may still agree to be. `salt` is that of
    the plan's entry, in hex.
    """
    reached = [(tenant, wave.ring) for wave in plan.waves for tenant in wave.tenants]
    asked = [(one.tenant, one.ring) for one in plan.placements if one.place in MAY_STILL]
    return tuple(Opening.of(tenant, ring, rings, salt) for tenant, ring in sorted({*reached, *asked}))


MAY_STILL = frozenset({"unapproved"})  # places of tenants that are not in a wave and may come into one


def end_of(plan: Plan, at: datetime) -> datetime:
    """When the last wave of a plan is over as far as it is known, and no earlier than the aware instant `at`."""
    return max([at, *(wave.end for wave in plan.waves if wave.end is not None)])


def _salt(salt: str, tenant: str) -> str:
    return hmac.new(bytes.fromhex(salt), tenant.encode(), hashlib.sha256).digest()[:_SALT].hex()
