"""Who asked for a release. The Prefect UI knows no users, so what is typed into its form says nothing of that: a start
counts when somebody who can write to the ledger confirmed it, and that one is the starter.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.request import ReleaseRequest

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

Assurance = Literal["command line", "service"]


class StarterErasedError(RefusedError):
    """Nobody can tell any more who must not approve."""

    code = "starter_erased"


class OtherConfirmedError(RefusedError):
    """What was confirmed under this name is another release."""

    code = "other_confirmed"


def confirm(ledger: "Ledger", request: ReleaseRequest, assurance: Assurance, at: datetime) -> Entry:
    """Record that the request's starter wants this release; the first who did so stays the starter."""
    fact = {**request.asked(), "assurance": assurance}
    draft = Draft(release=request.id, step="confirmed", fact=fact, personal={"who": request.starter})
    return ledger.append(draft, at)


def confirmation(ledger: "Ledger", release: str) -> Entry | None:
    """The entry with which the start was confirmed, if it was."""
    return next(iter(ledger.about(release, ["confirmed"])), None)


def kind_of(ledger: "Ledger", release: str) -> str:
    """What kind of release was confirmed; a plain one when nobody confirmed any."""
    entry = confirmation(ledger, release)
    return str(entry.fact["kind"]) if entry else "manual"


def starter_of(ledger: "Ledger", release: str) -> str:
    """Who wants the release: the one who confirmed its start.

    Raises:
        StarterErasedError: that was erased, or nobody did.
    """
    entry = confirmation(ledger, release)
    personal = ledger.personal(entry) if entry else None
    if not personal:
        raise StarterErasedError(f"who started {release} is not known any more", hint="start a new release")
    return str(personal["who"])


def must_be_confirmed_so(ledger: "Ledger", request: ReleaseRequest) -> None:
    """Return unless what was confirmed under this name is something else. Nobody may have confirmed it yet.

    Raises:
        OtherConfirmedError: with what differs.
    """
    confirmed = confirmation(ledger, request.id)
    asked = request.asked()
    given = {n: v for n, v in confirmed.fact.items() if n != "assurance"} if confirmed else asked
    if other := [name for name in sorted({*asked, *given}) if asked.get(name) != given.get(name)]:
        told = ", ".join(f"{name} {given.get(name)}, not {asked.get(name)}" for name in other)
        raise OtherConfirmedError(f"{request.id} was confirmed with {told}", hint="give one of them another name")
