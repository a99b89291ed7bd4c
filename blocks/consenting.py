"""The answer of a tenant's people to a release: may it still be given, and putting it on record. Two ways lead here: a
signed link (`deployments/consents.py`) and a record by customer success (`cli/consenting.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from stationmaster.blocks.consents import built
from stationmaster.blocks.toolbox import TenantDirectory
from stationmaster.domain.consent import Standing, standing
from stationmaster.domain.consent_link import Link, contact_digest
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import InputError, RefusedError, nearest
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.domain.stages import CLOSED, fold
from stationmaster.domain.tenants import Tenant

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

By = Literal["by link", "by record"]


class UnknownContactError(InputError):
    """The contract names other people."""

    code = "unknown_contact"


class NotAskedError(RefusedError):
    """Nobody asks the tenant about this release, or not any more."""

    code = "not_asked"


class TimeOverError(RefusedError):
    """To agree is too late; what follows then stands in the contract."""

    code = "time_over"


@dataclass(frozen=True)
class Question:
    """What a tenant is asked, and how it stands."""

    release: str
    version: str
    digest: str
    tenant: Tenant
    standing: Standing

    @property
    def contacts(self) -> tuple[str, ...]:
        return self.tenant.approval.contacts if self.tenant.approval else ()

    def contact(self, given: str) -> str:
        """The contact of that address, as the contract writes it.

        Raises:
            UnknownContactError: with the nearest.
        """
        known = {one.strip().lower(): one for one in self.contacts}
        if (called := given.strip().lower()) not in known:
            raise UnknownContactError(
                f"{given!r} is no contact of {self.tenant.id} who may agree", hint=nearest(called, known)
            )
        return known[called]

    def holder(self, link: Link) -> str | None:
        """Whom a link was made for; None when the contract does not name them any more, or it is another artifact."""
        named = {contact_digest(self.tenant.id, one): one for one in self.contacts}
        mine = (link.release, link.tenant, link.digest) == (self.release, self.tenant.id, self.digest)
        return named.get(link.contact) if mine else None


def question(ledger: "Ledger", tenants: TenantDirectory, release: str, tenant: str, at: datetime) -> Question:
    """What the tenant is asked about the release at an aware instant.

    Raises:
        UnknownReleaseError, InputError: there is no such release, or tenant.
        NotAskedError: its contract does not ask, or the release has no artifact yet, is over, or is there already.
    """
    entries, one = ledger.entries(release), _tenant(tenants, tenant)
    if not entries:
        raise UnknownReleaseError(release)
    digest = built(ledger, release)
    if why := _unasked(ledger, release, one, digest, entries):
        raise NotAskedError(why, hint=f"stationmaster release status {release}")
    found = standing(one, entries, str(digest), at)
    assert found is not None  # noqa: S101 - its contract asks, or it would be unasked
    version = next(entry.fact["version"] for entry in reversed(entries) if entry.step == "cut")
    return Question(release, version, str(digest), one, found)


def answer(
    ledger: "Ledger", asked: Question, *, agrees: bool, contact: str, by: By, proof: str, at: datetime,
    personal: Mapping[str, Any], reason: str = "",
) -> Entry:  # fmt: skip
    """Put the answer on record; the same again is the same entry. `contact` is one of the question's, `proof` the
    digest of what shows that they said so.

    Raises:
        TimeOverError: it agrees too late.
    """
    must_be_in_time(asked, agrees=agrees, at=at)
    fact = {"by": by, "digest": asked.digest, "proof": proof, "reason": reason or "no reason was given"}
    draft = Draft(
        release=asked.release, step="consented" if agrees else "declined", subject=asked.tenant.id, inputs=fact,
        fact=fact, personal={"who": contact, **personal},
    )  # fmt: skip
    return ledger.append(draft, at)


def must_be_in_time(asked: Question, *, agrees: bool, at: datetime) -> None:
    """Return if the answer comes in time: to decline is possible until the release is there.

    Raises:
        TimeOverError: it agrees too late.
    """
    if agrees and at >= asked.standing.until:
        raise TimeOverError(
            f"{asked.tenant.id} {asked.standing.reason}; to agree was possible until {instant(asked.standing.until)}",
            hint=f"stationmaster release status {asked.release}",
        )


def _tenant(tenants: TenantDirectory, name: str) -> Tenant:
    known = {one.id: one for one in tenants.read().tenants}
    if name not in known:
        raise InputError(f"the tenant directory has no tenant {name!r}", hint=nearest(name, known))
    return known[name]


def _unasked(ledger: "Ledger", release: str, tenant: Tenant, digest: str | None, entries: list[Entry]) -> str | None:
    """Why nobody asks; None when somebody does."""
    if tenant.approval is None:
        return f"the contract of {tenant.id} does not ask for its approval"
    if digest is None:
        return f"{release} has no artifact yet"
    if (stage := fold(entries)) in CLOSED or stage == "rolling_back":
        return f"{release} is {stage.replace('_', ' ')}"
    running = ledger.running().get(tenant.id)
    if running is not None and running.fact["digest"] == digest:
        return f"{tenant.id} has {release} already"
    return None
